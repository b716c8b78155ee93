"""What holds mails back, a brake, the pace or an absent server, loses none of them."""

from datetime import timedelta
from itertools import chain, repeat

import pytest

from polydock_pipelines.actions.pause import pause, resume
from polydock_pipelines.actions.send_mails import BATCH, THREADS, is_worth_a_run
from polydock_pipelines.clients.pacing import LONGEST_WAIT, Pace
from polydock_pipelines.db import buckets
from polydock_pipelines.db.buckets import MAILS
from polydock_pipelines.db.circuits import away
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.mails import write_mail
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.offers import Store, StoreApp
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle.mails import MailKind
from polydock_pipelines.ports import ThrottledError
from polydock_pipelines.ports.mail import SMTP, Mail
from tests.fakes.clock import START, FakeClock
from tests.fakes.mailer import ANYBODY, FakeMailer
from tests.mailing import (
    ADA,
    BOB,
    CLAIMED,
    Interrupted,
    a_waiting,
    gone,
    mails,
    only,
    send,
    states,
)
from tests.makers import (
    a_book,
    make_instance_row,
)

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def store_of(database: Database, instance_id: int) -> str:
    """Return the key of an instance's store."""
    with database.read() as session:
        row = session.get_one(AppInstance, instance_id)
        return session.get_one(Store, session.get_one(StoreApp, row.store_app_id).store_id).key


def test_a_brake_holds_mails_back_and_loses_none(database: Database, clock: FakeClock) -> None:
    a_waiting(database)
    pause(database, START, work="emails", by="eve", reason="too loud")
    mailer = FakeMailer()
    sent = send(database, mailer, clock)
    assert "emails paused by eve" in sent.held_back
    assert (mailer.tried, mailer.pings, only(database).attempts) == ([], 0, 0)
    verdict = is_worth_a_run(a_book(database), START)
    assert (verdict.is_worth, "paused by eve" in verdict.why) == (False, True)
    clock.advance(5 * DAY)
    resume(database, clock.now(), work="emails", by="eve")
    assert is_worth_a_run(a_book(database), clock.now()).is_worth
    assert send(database, mailer, clock).count("sent") == 1


def test_the_brake_for_everything_in_one_store_holds_its_mails_only(
    database: Database, clock: FakeClock
) -> None:
    held = a_waiting(database, ADA)
    store = store_of(database, held)
    pause(database, START, store=store, by="eve")
    assert not is_worth_a_run(a_book(database), START).is_worth, "nothing could be sent"
    a_waiting(database, BOB)
    assert is_worth_a_run(a_book(database), START).is_worth
    mailer = FakeMailer()
    send(database, mailer, clock)
    assert states(database) == {ADA: "pending", BOB: "sent"}
    resume(database, START, store=store, by="eve")
    send(database, mailer, clock)
    assert states(database) == {ADA: "sent", BOB: "sent"}


def test_a_brake_that_is_pulled_within_a_round_is_obeyed_after_the_batch_in_hand(
    database: Database, clock: FakeClock
) -> None:
    count = BATCH * THREADS * 2
    with database.write() as session:
        rows = [make_instance_row(session, user_email=ADA, status=CLAIMED) for _ in range(count)]
        for row in rows:
            write_mail(session, row, MailKind.READY, Writing(START))
    mailer = Interrupted(ADA, lambda: pause(database, START, work="emails", by="eve"))
    sent = send(database, mailer, clock)
    assert "paused by eve" in sent.held_back
    assert BATCH <= len(mailer.sent) <= BATCH * THREADS
    left = [row for row in mails(database) if row.state == "pending"]
    assert len(left) == count - len(mailer.sent)
    assert {row.lease_token for row in left} == {None}


def test_a_pace_that_is_kept_ends_the_round_and_loses_nothing(
    database: Database, clock: FakeClock
) -> None:
    for _ in range(6):
        a_waiting(database)
    turns = chain([None, None], repeat(ThrottledError("enough for this minute"), 4))

    def pace() -> None:
        if error := next(turns, None):
            raise error

    mailer = FakeMailer()
    sent = send(database, mailer, clock, pace=pace)
    assert sent.held_back == "enough for this minute"
    assert len(mailer.tried) == 2
    waiting = [row for row in mails(database) if row.state == "pending"]
    assert len(waiting) == 4
    assert {(row.attempts, row.repeats, row.tried_at) for row in waiting} == {(0, 0, None)}
    assert send(database, mailer, clock).count("sent") == 4
    assert len(set(mailer.message_ids)) == len(mailer.message_ids) == 6


@pytest.mark.parametrize("per_minute", [1, 10, 600])
def test_mails_keep_to_their_rate_and_go_on_however_many_wait(
    sqlite_database: Database, clock: FakeClock, per_minute: int
) -> None:
    for _ in range(6):
        a_waiting(sqlite_database)
    mailer = FakeMailer()

    def take(count: int) -> timedelta:
        now = clock.now()
        return buckets.take(sqlite_database, MAILS, per_minute, count, now, longest=LONGEST_WAIT)

    for _ in range(40):
        send(sqlite_database, mailer, clock, pace=Pace(per_minute, take, lambda _s: None).wait)
        clock.advance(15)
    assert len(mailer.sent) == 6


# -- the server is away


def test_an_absent_server_costs_nobody_an_attempt_and_stops_the_round(
    database: Database, clock: FakeClock
) -> None:
    for _ in range(10):
        a_waiting(database)
    mailer = FakeMailer(failing={ANYBODY: repeat(gone())}, failing_ping=repeat(gone()))
    sent = send(database, mailer, clock)
    assert sent.held_back == "no answer"
    assert len(mailer.tried) <= THREADS, "each thread asks once at most"
    waiting = mails(database)
    assert {(row.state, row.attempts, row.repeats) for row in waiting} == {("pending", 0, 0)}
    assert {(row.lease_token, row.tried_at) for row in waiting} == {(None, None)}
    with database.read() as session:
        assert [one.endpoint for one in away(session)] == [SMTP]


def test_while_it_is_away_only_one_probe_asks_and_its_answer_closes_the_circuit(
    database: Database, clock: FakeClock
) -> None:
    a_waiting(database)
    mailer = FakeMailer(failing={ANYBODY: [gone()]}, failing_ping=[gone(), gone()])
    send(database, mailer, clock)
    tried, pings = len(mailer.tried), mailer.pings
    assert "smtp is away" in send(database, mailer, clock).held_back
    assert "smtp is away" in is_worth_a_run(a_book(database), clock.now()).why
    assert (len(mailer.tried), mailer.pings) == (tried, pings)
    clock.advance(31)
    assert is_worth_a_run(a_book(database), clock.now()).is_worth
    assert "smtp is away" in send(database, mailer, clock).held_back
    assert (len(mailer.tried), mailer.pings) == (tried, pings + 1)
    assert not is_worth_a_run(a_book(database), clock.now()).is_worth
    clock.advance(61)
    assert send(database, mailer, clock).count("sent") == 1
    with database.read() as session:
        assert away(session) == []


def test_a_server_that_fails_one_mail_and_answers_others_puts_that_one_off(
    database: Database, clock: FakeClock
) -> None:
    a_waiting(database, ADA, BOB)
    mailer = FakeMailer(failing={ADA: [gone()]})
    sent = send(database, mailer, clock)
    assert (sent.count("sent"), sent.count("pending"), sent.held_back) == (1, 1, "")
    with database.read() as session:
        assert away(session) == []
    assert not is_worth_a_run(a_book(database), clock.now()).is_worth
    clock.advance(61)
    assert send(database, mailer, clock).count("sent") == 1
    assert {mail.recipient: mail.attempts for mail in mails(database)} == {ADA: 2, BOB: 1}


def test_a_day_without_a_server_loses_nothing(database: Database, clock: FakeClock) -> None:
    """Asked for as the sensor does; mails go on being written."""
    down = [True]

    class Flaky(FakeMailer):
        def ping(self) -> None:
            super().ping()
            if down[0]:
                raise gone()

        def take(self, mail: Mail) -> None:
            if down[0]:
                raise gone()
            super().take(mail)

    mailer, rounds, end = Flaky(), 0, START + DAY
    while clock.now() < end:
        if (clock.now() - START) % HOUR == timedelta():
            a_waiting(database)
        if is_worth_a_run(a_book(database), clock.now()).is_worth:
            rounds += 1
            send(database, mailer, clock)
        clock.advance(300)
    assert {(row.state, row.attempts) for row in mails(database)} == {("pending", 0)}
    assert rounds <= mailer.pings <= rounds + THREADS
    down[0] = False
    send(database, mailer, clock)
    assert {row.state for row in mails(database)} == {"sent"}
    assert len(mailer.message_ids) == len(set(mailer.message_ids)) == 24
