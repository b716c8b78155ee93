"""Senders that die, answers that are lost, rounds at once: once, or once more as the same mail."""

import logging
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.mails import Email
from polydock_pipelines.db.posting import AFTER_DOUBT, LEASE
from polydock_pipelines.lifecycle.mails import MailKind
from polydock_pipelines.ports import PortError, RefusedError, ThrottledError
from polydock_pipelines.ports.mail import InDoubtError, PutOffError
from tests.fakes.clock import START, FakeClock
from tests.fakes.mailer import ANYBODY, FakeMailer
from tests.mailing import (
    ADA,
    BOB,
    EVE,
    Interrupted,
    a_waiting,
    gone,
    mails,
    only,
    send,
    states,
)
from tests.makers import (
    VAULT,
)

DAY = timedelta(days=1)
REFUSED = RefusedError("550 no such mailbox")
BUSY = PutOffError("450 mailbox busy")


class DiedError(BaseException):
    """The process is gone."""


def die() -> None:
    raise DiedError


def die_over(database: Database, clock: FakeClock, mailer: FakeMailer) -> None:
    with pytest.raises(DiedError):
        send(database, mailer, clock)


def test_a_sender_that_dies_after_the_hand_over_repeats_the_mail_once_as_the_same(
    database: Database, clock: FakeClock
) -> None:
    a_waiting(database, ADA)
    die_over(database, clock, first := Interrupted(ADA, die))
    row = only(database)
    assert (row.state, row.tried_at, len(first.sent)) == ("pending", START, 1)
    again = FakeMailer()
    assert send(database, again, clock).by_kind == {}, "it is leased"
    clock.advance(LEASE)
    sent = send(database, again, clock)
    assert (sent.count("sent"), sent.repeats) == (1, 1)
    assert again.message_ids == first.message_ids
    assert (only(database).state, only(database).repeats) == ("sent", 1)


def test_a_second_death_leaves_it_unsure_and_nobody_gets_a_third(
    database: Database, clock: FakeClock
) -> None:
    a_waiting(database, ADA)
    mailers = [Interrupted(ADA, die), Interrupted(ADA, die)]
    for mailer in mailers:
        die_over(database, clock, mailer)
        clock.advance(LEASE)
    third = FakeMailer()
    sent = send(database, third, clock)
    assert (sent.count("unsure"), third.tried) == (1, [])
    row = only(database)
    assert (row.state, row.due_at, row.settled_at) == ("unsure", None, clock.now())
    assert "may have been delivered" in row.problem
    assert len({mailer.message_ids[0] for mailer in mailers}) == 1


def test_a_lost_answer_is_repeated_once_and_a_second_one_leaves_it_unsure(
    database: Database, clock: FakeClock
) -> None:
    a_waiting(database, ADA)
    a_waiting(database, BOB)
    doubt = InDoubtError("had the whole mail and did not say what became of it")
    mailer = FakeMailer(failing_after={ADA: [doubt, doubt], BOB: [doubt]})
    repeats = 0
    for _ in range(4):
        repeats += send(database, mailer, clock).repeats
        clock.advance(AFTER_DOUBT)
    assert states(database) == {ADA: "unsure", BOB: "sent"}
    assert repeats == 2
    assert {len(mailer.sent_to(one)) for one in (ADA, BOB)} == {2}
    assert len(set(mailer.message_ids)) == 2
    assert mails(database)[0].problem == str(doubt)


class Dying(Database):
    """A database whose process dies at the commit of one of its writes, or right after it."""

    def __init__(self, url: str, at: int, *, is_after: bool) -> None:
        super().__init__(url, VAULT)
        self.left, self._is_after = at, is_after

    @contextmanager
    def write(self) -> Generator[Session]:
        """See `Database.write`; once dead, nothing is written."""
        with super().write() as session:
            yield session
            self.left -= 1
            if self.left < 0 or (self.left == 0 and not self._is_after):
                raise DiedError
        if self.left == 0:
            raise DiedError


@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize("at", range(1, 6))
def test_wherever_a_sender_dies_each_mail_comes_once_or_once_more(
    sqlite_url: str, sqlite_database: Database, clock: FakeClock, at: int, *, is_after: bool
) -> None:
    """Its writes: the lease, each mail's beginning with the end of the one before, the return."""
    a_waiting(sqlite_database, ADA, BOB, EVE)
    dying = Dying(sqlite_url, at, is_after=is_after)
    mailer = FakeMailer()
    with suppress(DiedError):
        send(dying, mailer, clock)
    assert dying.left <= 0, "it did not die"
    dying.close()
    in_the_air = {row.recipient for row in mails(sqlite_database) if row.tried_at is not None}
    assert len(in_the_air) <= 1
    clock.advance(LEASE)
    sent = send(sqlite_database, mailer, clock)
    assert set(states(sqlite_database).values()) == {"sent"}
    assert sent.repeats == len(in_the_air)
    for one in (ADA, BOB, EVE):
        got = mailer.sent_to(one)
        assert 1 <= len(got) <= 1 + (one in in_the_air)
        assert len({mail.message_id for mail in got}) == 1


def test_a_bug_in_one_mail_ends_its_thread_red_and_the_others_go_out(
    database: Database, clock: FakeClock
) -> None:
    for _ in range(5):
        a_waiting(database, ADA)
    a_waiting(database, EVE)

    def bug() -> None:
        raise ZeroDivisionError

    mailer = Interrupted(EVE, bug)
    with pytest.raises(ZeroDivisionError):
        send(database, mailer, clock)
    clock.advance(LEASE)
    send(database, mailer, clock)
    assert {row.state for row in mails(database)} == {"sent"}
    assert len(mailer.sent_to(ADA)) == 5
    assert len(mailer.sent_to(EVE)) == 2


# -- many at once


def test_rounds_at_once_send_nothing_twice(database: Database, clock: FakeClock) -> None:
    for _ in range(30):
        a_waiting(database, ADA)
    mailer = FakeMailer()
    with ThreadPoolExecutor(3) as pool:
        rounds = list(pool.map(lambda _: send(database, mailer, clock), range(3)))
    send(database, mailer, clock)  # SKIP LOCKED may have left some to nobody
    assert sum(one.count("sent") for one in rounds) <= 30
    assert len(mailer.message_ids) == len(set(mailer.message_ids)) == 30
    assert {(row.state, row.attempts) for row in mails(database)} == {("sent", 1)}


# -- secrets


@pytest.mark.parametrize("kind", MailKind)
def test_no_secret_and_no_whole_address_is_left_where_people_look(
    database: Database, clock: FakeClock, caplog: pytest.LogCaptureFixture, kind: MailKind
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = ["Canary4711", "canary-of-a-login", "signature=", "/unsubscribe/", "canary.example"]
    changes: dict[str, Any] = {
        "password": "Canary4711",
        "login_url": "https://x.example/canary-of-a-login",
        "login_valid_until": START + DAY,
        "user_email": "ada@canary.example",
    }
    if kind is MailKind.TRIAL_FAILED:
        changes["status"] = "create-failed"
    people = [f"{name}@canary.example" for name in ("ada", "bob", "eve", "joe")]
    a_waiting(database, *people, kind=kind, **changes)
    errors: list[PortError] = [
        BUSY,
        REFUSED,
        InDoubtError("no answer"),
        gone(),
        ThrottledError("slow"),
    ]
    mailer = FakeMailer(failing={ANYBODY: errors})
    told = [repr(send(database, mailer, clock)) for _ in range(3)]
    clock.advance(DAY)
    told.append(repr(send(database, mailer, clock)))
    assert mailer.tried
    with database.read() as session:
        rows = session.execute(select(Email.__table__)).mappings().all()
    kept = [str(value) for row in rows for name, value in row.items() if name != "recipient"]
    hints = "canary.example"  # a hint tells the host
    everything = {"logs": caplog.text, "results": "".join(told), "rows": "\n".join(kept)}
    for place, text in everything.items():
        found = [one for one in (*secrets, *people) if one in text and one != hints]
        assert not found, (place, found)
    assert hints not in everything["rows"]
