"""A mail that an operator sends again: whatever was sent, and never what is not true any more."""

from datetime import timedelta
from typing import Any

import pytest

from polydock_pipelines.actions.operate import UnknownInstanceError
from polydock_pipelines.actions.read_instances import tell
from polydock_pipelines.actions.resend import resend
from polydock_pipelines.db.database import Database
from polydock_pipelines.lifecycle.mails import MailKind
from polydock_pipelines.lifecycle.transitions import NotAllowedError
from tests.fakes.clock import START, FakeClock
from tests.fakes.mailer import FakeMailer
from tests.mailing import ADA, BOB, EVE, a_waiting, an_owned, decline, mails, only, send
from tests.makers import a_book, instance_row

SECOND = timedelta(seconds=1)


def ask(
    database: Database,
    instance_id: int,
    kind: MailKind = MailKind.READY,
    now=START + SECOND,
    **options: Any,
) -> str:
    name = instance_row(database, instance_id).name
    return resend(a_book(database), name, kind, now, by="eve", **options).note


def test_what_was_sent_is_sent_again_to_the_same_people_as_a_mail_of_its_own(
    database: Database, clock: FakeClock
) -> None:
    instance_id, mailer = a_waiting(database, BOB, EVE), FakeMailer()
    send(database, mailer, clock)
    note = ask(database, instance_id)
    assert note == "the mail ready goes to b…@example.com, e…@example.com"
    clock.advance(1)
    assert send(database, mailer, clock).count("sent") == 2
    assert [len(mailer.sent_to(one)) for one in (BOB, EVE)] == [2, 2]
    assert len(set(mailer.message_ids)) == 4
    again = mails(database)[2]
    assert (again.requested_by, again.repeats, again.state) == ("eve", 0, "sent")
    assert again.occasion == "life 1, asked 2026-03-01T09:00:01"


def test_asked_twice_within_a_second_it_goes_out_once(database: Database, clock: FakeClock) -> None:
    instance_id, mailer = an_owned(database, ADA), FakeMailer()
    for milliseconds in (0, 400):
        ask(database, instance_id, now=START + timedelta(milliseconds=milliseconds))
    clock.advance(1)
    send(database, mailer, clock)
    assert len(mailer.sent) == 1
    ask(database, instance_id, now=START + 2 * SECOND)
    clock.advance(1)
    send(database, mailer, clock)
    assert len(mailer.sent) == 2


def test_it_may_go_to_somebody_else_and_the_story_tells_no_whole_address(
    database: Database, clock: FakeClock
) -> None:
    instance_id, mailer = an_owned(database, ADA), FakeMailer()
    ask(database, instance_id, to=" Joe@Example.COM ".strip())
    assert only(database).recipient == "joe@example.com"
    clock.advance(1)
    send(database, mailer, clock)
    assert [mail.recipient for mail in mailer.sent] == ["joe@example.com"]
    story = tell(database, instance_row(database, instance_id).uuid, START)
    said = " ".join(line.message for line in story.log)
    assert "the mail ready to j…@example.com, again, asked for by eve" in said
    assert "joe@" not in said.lower()


def test_what_is_asked_for_does_not_stand_for_what_the_clock_writes(database: Database) -> None:
    """A mail sent by hand before its time does not take the place of the one that falls due."""
    instance_id = an_owned(database, ADA)
    ask(database, instance_id, MailKind.ONE_DAY_LEFT)
    a_waiting(database, kind=MailKind.READY)
    from_clock = [row for row in mails(database) if row.requested_by is None]
    assert [row.kind for row in from_clock] == ["ready"]


@pytest.mark.parametrize(
    ("kind", "changes", "why"),
    [
        (MailKind.READY, {"status": "removed", "removed_at": START}, "on its way out"),
        (MailKind.READY, {"wanted": "remove"}, "on its way out"),
        (MailKind.READY, {"status": "polydock-claim-failed"}, "polydock-claim-failed"),
        (MailKind.READY, {"claimed_at": None}, "nobody has claimed it yet"),
        (MailKind.MIDTRIAL, {"trial_completed": True}, "has ended"),
        (MailKind.MIDTRIAL, {"is_trial": False}, "is kept"),
        (MailKind.TRIAL_COMPLETE, {"is_trial": False}, "is kept"),
        (MailKind.TRIAL_FAILED, {}, "taken on again"),
        (MailKind.TRIAL_FAILED, {"status": "pending-create", "claimed_at": None}, "taken on"),
    ],
)
def test_what_is_not_true_is_refused_with_the_reason_and_nothing_is_written(
    sqlite_database: Database, kind: MailKind, changes: dict[str, Any], why: str
) -> None:
    instance_id = an_owned(sqlite_database, ADA, **changes)
    with pytest.raises(NotAllowedError, match=why):
        ask(sqlite_database, instance_id, kind)
    assert mails(sqlite_database) == []


@pytest.mark.parametrize("to", ["nobody", "a@b@c", "a b@example.com", "x@example.com\nBcc: y@z.de"])
def test_what_is_no_address_is_refused_without_being_shown(
    sqlite_database: Database, to: str
) -> None:
    instance_id = an_owned(sqlite_database, ADA)
    with pytest.raises(NotAllowedError) as refused:
        ask(sqlite_database, instance_id, to=to)
    assert to not in str(refused.value)
    assert mails(sqlite_database) == []


def test_an_instance_that_nobody_signed_up_for_needs_an_address(
    sqlite_database: Database,
) -> None:
    instance_id = an_owned(sqlite_database, user_email=None)
    with pytest.raises(NotAllowedError, match="--to"):
        ask(sqlite_database, instance_id)
    ask(sqlite_database, instance_id, to=BOB)
    assert only(sqlite_database).recipient == BOB


def test_a_person_who_declined_reminders_gets_the_one_that_somebody_asks_for(
    sqlite_database: Database, clock: FakeClock
) -> None:
    decline(sqlite_database, ADA)
    ask(sqlite_database, an_owned(sqlite_database, ADA), MailKind.MIDTRIAL)
    clock.advance(1)
    assert send(sqlite_database, FakeMailer(), clock).count("sent") == 1


def test_a_mail_that_failed_may_be_asked_for(database: Database, clock: FakeClock) -> None:
    instance_id = a_waiting(database, ADA, status="create-failed", kind=MailKind.TRIAL_FAILED)
    ask(database, instance_id, MailKind.TRIAL_FAILED)
    clock.advance(1)
    assert send(database, FakeMailer(), clock).count("sent") == 2


def test_an_instance_that_does_not_exist_is_named(sqlite_database: Database) -> None:
    with pytest.raises(UnknownInstanceError, match="nothing-of-ours"):
        resend(a_book(sqlite_database), "nothing-of-ours", MailKind.READY, START, by="eve")
