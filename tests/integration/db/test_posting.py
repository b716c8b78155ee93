"""Mail rows on their way out: who leases them, what is in the air, and when it is given up."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from polydock_pipelines.db import posting
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.mails import Email
from polydock_pipelines.db.posting import BACK_OFF, LEASE, MOST_REPEATS, Letter, NotSent, Result
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle.mails import MailKind
from tests.fakes.clock import START as NOW
from tests.mailing import ADA, BOB, a_waiting, mails, only
from tests.makers import VAULT

SECOND = timedelta(seconds=1)


def lease(database: Database, now: datetime = NOW, limit: int = 100) -> tuple[str, list[int]]:
    return posting.lease(database, None, now, limit)


def begin(
    database: Database, email_id: int, token: str, now: datetime = NOW
) -> Letter | NotSent | None:
    with database.write() as session:
        return posting.begin(session, VAULT, email_id, token, Writing(now))


def taken(database: Database, now: datetime = NOW) -> Letter:
    """Lease the one mail that waits, and put it into the air."""
    token, (email_id,) = lease(database, now)
    letter = begin(database, email_id, token, now)
    assert isinstance(letter, Letter)
    return letter


def finish(database: Database, result: Result, now: datetime = NOW) -> bool:
    with database.write() as session:
        return posting.finish(session, result, now)


def test_a_leased_mail_is_nobody_elses_until_the_lease_ends(database: Database) -> None:
    a_waiting(database)
    _, ids = lease(database)
    assert len(ids) == 1
    assert lease(database, NOW + LEASE - SECOND)[1] == []
    assert not posting.is_any_due(database, None, NOW + LEASE - SECOND)
    assert posting.is_any_due(database, None, NOW + LEASE)
    assert lease(database, NOW + LEASE)[1] == ids


def test_many_who_lease_at_once_share_the_mails(database: Database) -> None:
    for _ in range(24):
        a_waiting(database)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: lease(database, limit=5)[1], range(8)))
    leased = [one for ids in found for one in ids]
    while rest := lease(database)[1]:  # SKIP LOCKED may have left some to nobody
        leased += rest
    assert sorted(leased) == [row.id for row in mails(database)]


def test_the_mail_that_waits_longest_is_first(database: Database) -> None:
    for minutes in (3, 1, 2):
        a_waiting(database)
        with database.write() as session:
            row = session.get_one(Email, mails(database)[-1].id)
            row.due_at = NOW - timedelta(minutes=minutes)
    first, second, third = mails(database)
    assert lease(database, limit=2)[1] == [first.id, third.id]
    assert lease(database)[1] == [second.id]


def test_only_the_kinds_that_are_asked_for_are_leased(database: Database) -> None:
    a_waiting(database, kind=MailKind.READY)
    assert not posting.is_any_due(database, [MailKind.MIDTRIAL], NOW)
    assert posting.lease(database, [MailKind.MIDTRIAL], NOW, 10)[1] == []
    assert len(posting.lease(database, [MailKind.READY], NOW, 10)[1]) == 1


def test_a_stale_lease_neither_begins_nor_finishes(database: Database) -> None:
    a_waiting(database)
    letter = taken(database)
    other, ids = lease(database, NOW + LEASE)
    assert begin(database, letter.id, letter.token, NOW + LEASE) is None
    assert not finish(database, Result(letter.id, letter.token, "sent"), NOW + LEASE)
    assert (only(database).state, only(database).lease_token) == ("pending", other)
    assert ids == [letter.id]


def test_who_was_slow_but_alone_may_still_finish(database: Database) -> None:
    a_waiting(database)
    letter = taken(database)
    assert finish(database, Result(letter.id, letter.token, "sent"), NOW + 2 * LEASE)
    assert only(database).state == "sent"


def test_a_settled_mail_has_no_lease_and_is_never_due(database: Database) -> None:
    a_waiting(database)
    letter = taken(database)
    finish(database, Result(letter.id, letter.token, "failed", "no such mailbox"))
    row = only(database)
    assert (row.state, row.problem, row.settled_at) == ("failed", "no such mailbox", NOW)
    assert (row.due_at, row.lease_token, row.lease_until, row.tried_at) == (None,) * 4
    assert row.attempts == 1
    assert lease(database, NOW + timedelta(days=99))[1] == []


def test_what_was_not_begun_is_given_back_and_what_is_in_the_air_is_not(
    database: Database,
) -> None:
    a_waiting(database, ADA, BOB)
    token, (first, second) = lease(database)
    assert isinstance(begin(database, first, token), Letter)
    posting.give_back(database, token, [first, second])
    assert lease(database)[1] == [second]
    assert mails(database)[0].tried_at == NOW


def test_a_mail_whose_sender_died_is_handed_over_once_more_and_never_again(
    database: Database,
) -> None:
    a_waiting(database)
    assert not taken(database).is_repeat
    repeat = taken(database, NOW + LEASE)
    assert repeat.is_repeat
    token, (email_id,) = lease(database, NOW + 2 * LEASE)
    end = begin(database, email_id, token, NOW + 2 * LEASE)
    assert isinstance(end, NotSent)
    assert (end.state, end.reason) == ("unsure", posting.TWICE)
    assert only(database).state == "unsure"
    assert lease(database, NOW + timedelta(days=99))[1] == []


def test_doubt_counts_like_a_death(database: Database) -> None:
    a_waiting(database)
    now = NOW
    for _ in range(MOST_REPEATS + 1):
        assert only(database).state == "pending"
        letter = taken(database, now)
        now += timedelta(minutes=5)
        doubt = Result(
            letter.id, letter.token, "pending", "no answer", due_at=now, is_doubtful=True
        )
        assert finish(database, doubt, now)
    row = only(database)
    assert (row.state, row.problem, row.due_at) == ("unsure", "no answer", None)


def test_a_mail_that_was_put_off_keeps_its_one_repeat_in_mind(database: Database) -> None:
    a_waiting(database)
    taken(database)
    letter = taken(database, NOW + LEASE)
    later = NOW + LEASE + timedelta(minutes=1)
    finish(database, Result(letter.id, letter.token, "pending", "busy", due_at=later))
    taken(database, later)
    token, (email_id,) = lease(database, later + LEASE)
    end = begin(database, email_id, token, later + LEASE)
    assert isinstance(end, NotSent)
    assert end.state == "unsure"


@pytest.mark.parametrize(
    ("attempts", "minutes"), [(0, 1), (1, 5), (2, 15), (3, 30), (4, 60), (5, 120), (40, 120)]
)
def test_each_answer_that_puts_off_waits_longer(
    sqlite_database: Database, attempts: int, minutes: int
) -> None:
    a_waiting(sqlite_database)
    with sqlite_database.write() as session:
        session.get_one(Email, only(sqlite_database).id).attempts = attempts
    assert posting.put_off_until(taken(sqlite_database), NOW) == NOW + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("age", "attempts", "is_given_up"),
    [
        (posting.LONGEST_PUT_OFF, 30, False),
        (posting.LONGEST_PUT_OFF + SECOND, 30, True),
        (posting.LONGEST_PUT_OFF + SECOND, len(BACK_OFF), True),
        (posting.LONGEST_PUT_OFF * 3, len(BACK_OFF) - 1, False),
        (posting.LONGEST_PUT_OFF * 3, 0, False),
    ],
)
def test_it_is_given_up_when_it_is_old_and_was_tried_often(
    sqlite_database: Database, age: timedelta, attempts: int, *, is_given_up: bool
) -> None:
    a_waiting(sqlite_database)
    with sqlite_database.write() as session:
        session.get_one(Email, only(sqlite_database).id).attempts = attempts
    until = posting.put_off_until(taken(sqlite_database), NOW + age)
    assert (until is None) is is_given_up


def test_a_printed_letter_shows_nobody(sqlite_database: Database) -> None:
    a_waiting(sqlite_database, password="Canary4711", login_url="https://x.example/canary")
    letter = taken(sqlite_database)
    assert letter.password.reveal() == "Canary4711"
    assert not [word for word in ("Canary", "canary", ADA, "demo4711") if word in repr(letter)]


def test_counts_tell_all_that_waits_and_the_rest_of_late(database: Database) -> None:
    a_waiting(database)
    letter = taken(database)
    finish(database, Result(letter.id, letter.token, "sent"))
    a_waiting(database)
    both = {("ready", "sent"): 1, ("ready", "pending"): 1}
    assert posting.counts(database, NOW) == both
    assert posting.counts(database, NOW + SECOND) == {("ready", "pending"): 1}
