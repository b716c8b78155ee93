"""Mail rows are written in the transaction of what they tell, once for each person and occasion."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from polydock_pipelines.actions.operate import remove_instance, retry_instance
from polydock_pipelines.actions.report_health import report_health
from polydock_pipelines.db.arrivals import arrive
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.door import write as write_change
from polydock_pipelines.db.leases import apply, claim
from polydock_pipelines.db.mails import DECLINED
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.mails import Email
from polydock_pipelines.db.places import health_door
from polydock_pipelines.db.trials import end_trials, write_reminders
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle.mails import POLICIES, TAKEN_ON, MailKind
from polydock_pipelines.lifecycle.outcome import Done, Failed, Outcome
from polydock_pipelines.lifecycle.transitions import enter
from tests.fakes.clock import START as NOW
from tests.mailing import ADA, BOB, CLAIMED, EVE, an_owned, decline, mails, only, states, write
from tests.makers import a_book, change_row, instance_row, make_registration

DAY = timedelta(days=1)
FINAL = Failed("refused", is_final=True)
BEFORE_CLAIM = "pending-polydock-claim"


def a_signup(database: Database, status: str = BEFORE_CLAIM, *owners: str, **changes: Any) -> int:
    """Add an instance with a registration; return its id."""
    instance_id = an_owned(database, *(owners or (ADA,)), status=status, **changes)
    with database.write() as session:
        make_registration(session, session.get_one(AppInstance, instance_id))
    return instance_id


def visit(database: Database, instance_id: int, outcome: Outcome, now=NOW) -> None:
    taken = claim(a_book(database), instance_id, now)
    assert taken is not None
    assert apply(a_book(database), taken, outcome, now)


def walk(database: Database, instance_id: int, stage: str, now=NOW) -> None:
    """Enter a stage from wherever it is."""
    with database.write() as session:
        row = session.get_one(AppInstance, instance_id)
        write_change(session, row, enter(stage, now), Writing(now))


def retry(database: Database, instance_id: int) -> None:
    retry_instance(database, instance_row(database, instance_id).uuid, NOW, by="a test")


@contextmanager
def undone(database: Database) -> Generator[Session]:
    """Open a transaction whose process dies before it commits."""
    with suppress(ZeroDivisionError), database.write() as session:
        yield session
        session.flush()
        raise ZeroDivisionError


def kinds(database: Database) -> list[str]:
    return [row.kind for row in mails(database)]


# -- to whom


def test_each_owner_of_the_group_gets_a_mail_of_their_own(database: Database) -> None:
    assert write(database, an_owned(database, BOB, EVE)) == 2
    assert states(database) == {BOB: "pending", EVE: "pending"}


def test_a_group_without_an_owner_does_not_swallow_a_mail(database: Database) -> None:
    write(database, an_owned(database))
    assert states(database) == {ADA: "pending"}


def test_what_nobody_signed_up_for_tells_nobody(database: Database) -> None:
    assert write(database, an_owned(database, user_email=None)) == 0


@pytest.mark.parametrize("kind", MailKind)
def test_only_a_failure_goes_to_the_one_who_signed_up(database: Database, kind: MailKind) -> None:
    write(database, an_owned(database, BOB), kind)
    expected = ADA if POLICIES[kind].is_for_requester else BOB
    assert states(database) == {expected: "pending"}


@pytest.mark.parametrize("kind", MailKind)
def test_who_declined_gets_a_row_that_says_so_of_reminders_only(
    database: Database, kind: MailKind
) -> None:
    decline(database, ADA)
    write(database, an_owned(database, ADA), kind)
    row = only(database)
    if POLICIES[kind].is_reminder:
        assert (row.state, row.problem, row.settled_at) == ("skipped", DECLINED, NOW)
        assert row.due_at is None
    else:
        assert (row.state, row.problem, row.settled_at) == ("pending", "", None)


# -- once


@pytest.mark.parametrize("kind", MailKind)
def test_what_was_written_is_not_written_again(database: Database, kind: MailKind) -> None:
    instance_id = an_owned(database, BOB, EVE)
    first = write(database, instance_id, kind)
    assert first > 0
    assert write(database, instance_id, kind, NOW + DAY) == 0
    assert len(mails(database)) == first


def test_a_new_owner_gets_what_the_others_have(database: Database) -> None:
    instance_id = an_owned(database)
    write(database, instance_id)
    change_row(database, instance_id, user_email=BOB)
    assert write(database, instance_id) == 1
    assert states(database) == {ADA: "pending", BOB: "pending"}


def test_the_table_itself_refuses_a_second_row(database: Database) -> None:
    write(database, an_owned(database))
    row = only(database)
    again = {
        column.name: getattr(row, column.name)
        for column in Email.__table__.columns
        if column.name != "id"
    }
    with pytest.raises(IntegrityError), database.write() as session:
        session.add(Email(**again))


def test_an_app_that_has_a_mail_off_gets_no_row(database: Database) -> None:
    off = {"mails": {"ready": {"enabled": False}}}
    assert write(database, an_owned(database, app=off)) == 0
    assert write(database, an_owned(database, app={"mails": {}}), MailKind.MIDTRIAL) == 0


# -- ready


def test_a_claim_writes_ready_in_its_own_transaction(database: Database) -> None:
    instance_id = a_signup(database, BEFORE_CLAIM, BOB, EVE)
    visit(database, instance_id, Done())
    assert instance_row(database, instance_id).status == CLAIMED
    assert [(row.kind, row.recipient, row.occasion) for row in mails(database)] == [
        ("ready", BOB, "life 1"),
        ("ready", EVE, "life 1"),
    ]


def test_neither_an_upgrade_nor_the_apps_health_says_ready_again(database: Database) -> None:
    instance_id = a_signup(database)
    visit(database, instance_id, Done())
    uuid = instance_row(database, instance_id).uuid
    token = database.vault.token(health_door(uuid))
    for status in ("running-unhealthy", CLAIMED, "running-unresponsive", CLAIMED):
        assert report_health(database, uuid, token, status, NOW + DAY) == status
    walk(database, instance_id, "post-upgrade", NOW + DAY)
    visit(database, instance_id, Done(), NOW + DAY)
    assert instance_row(database, instance_id).status == CLAIMED
    assert kinds(database) == ["ready"]


def test_a_claim_that_is_repeated_says_ready_once(database: Database) -> None:
    instance_id = a_signup(database)
    visit(database, instance_id, Done())
    walk(database, instance_id, "polydock-claim", NOW + DAY)
    visit(database, instance_id, Done(), NOW + DAY)
    assert kinds(database) == ["ready"]


def test_an_instance_that_is_built_anew_is_ready_anew(database: Database) -> None:
    instance_id = a_signup(database)
    visit(database, instance_id, Done())
    change_row(database, instance_id, life=2)
    walk(database, instance_id, "polydock-claim", NOW + DAY)
    visit(database, instance_id, Done(), NOW + DAY)
    assert [row.occasion for row in mails(database)] == ["life 1", "life 2"]


# -- trial_failed


def test_a_failure_before_the_claim_tells_the_one_who_signed_up(database: Database) -> None:
    visit(database, a_signup(database, "pending-create", BOB), FINAL)
    row = only(database)
    assert (row.kind, row.recipient, row.state) == ("trial_failed", ADA, "pending")


def test_a_failure_that_will_be_tried_again_tells_nobody(database: Database) -> None:
    visit(database, a_signup(database, "pending-create"), Failed("no"))
    assert mails(database) == []


def test_a_failure_after_the_claim_tells_no_person(database: Database) -> None:
    instance_id = a_signup(database)
    visit(database, instance_id, Done())
    walk(database, instance_id, "upgrade")
    visit(database, instance_id, FINAL)
    assert instance_row(database, instance_id).status == "upgrade-failed"
    assert kinds(database) == ["ready"]


def test_a_removal_before_the_claim_is_told_once(database: Database) -> None:
    instance_id = a_signup(database, "pending-create")
    visit(database, instance_id, FINAL)
    remove_instance(database, instance_row(database, instance_id).uuid, NOW, by="a test")
    visit(database, instance_id, FINAL)
    assert kinds(database) == ["trial_failed"]


def test_a_retry_calls_off_what_was_not_sent_yet(database: Database) -> None:
    instance_id = a_signup(database)
    visit(database, instance_id, FINAL)
    retry(database, instance_id)
    row = only(database)
    assert (row.state, row.problem, row.due_at) == ("skipped", TAKEN_ON, None)
    visit(database, instance_id, Done())
    assert [(row.kind, row.state) for row in mails(database)] == [
        ("trial_failed", "skipped"),
        ("ready", "pending"),
    ]


def test_a_retry_that_fails_too_is_told_after_all(database: Database) -> None:
    instance_id = a_signup(database)
    visit(database, instance_id, FINAL)
    retry(database, instance_id)
    visit(database, instance_id, FINAL)
    row = only(database)
    assert (row.state, row.problem, row.due_at) == ("pending", "", NOW)
    assert row.settled_at is None


def test_what_was_sent_of_a_failure_is_not_sent_again(database: Database) -> None:
    instance_id = a_signup(database)
    visit(database, instance_id, FINAL)
    with database.write() as session:
        session.get_one(Email, only(database).id).state = "sent"
    retry(database, instance_id)
    visit(database, instance_id, FINAL)
    assert [row.state for row in mails(database)] == ["sent"]


# -- the calendar's


def test_an_end_and_its_mail_are_written_together_or_not_at_all(database: Database) -> None:
    instance_id, end = an_owned(database), NOW + 14 * DAY
    with undone(database) as session:
        assert end_trials(session, Writing(end), 10)[1] == 1
    assert mails(database) == []
    assert not instance_row(database, instance_id).trial_completed
    with database.write() as session:
        fallen, made = end_trials(session, Writing(end), 10)
        assert ([one.id for one in fallen], made) == ([instance_id], 1)
    row = only(database)
    assert (row.kind, row.wanted_at) == ("trial_complete", end)
    assert row.occasion == "life 1, end 2026-03-15T09:00:00"
    assert instance_row(database, instance_id).trial_completed
    with database.write() as session:
        assert end_trials(session, Writing(end + DAY), 10) == ([], 0)
    assert kinds(database) == ["trial_complete"]


def test_a_claim_that_does_not_commit_leaves_neither_status_nor_mail(database: Database) -> None:
    instance_id = a_signup(database)
    with undone(database) as session:
        row = session.get_one(AppInstance, instance_id)
        row.status = CLAIMED
        arrive(session, row, "polydock-claim-running", Writing(NOW))
        session.flush()
        assert session.scalars(select(Email.kind)).all() == ["ready"]
    assert mails(database) == []
    assert instance_row(database, instance_id).status == BEFORE_CLAIM


def test_a_reminder_is_dated_by_the_calendar_and_due_at_once(database: Database) -> None:
    instance_id = an_owned(database, midtrial_email_at=NOW + 7 * DAY)
    late = NOW + 7 * DAY + timedelta(minutes=3)
    with database.write() as session:
        fallen, made = write_reminders(session, MailKind.MIDTRIAL, Writing(late), 10)
    assert ([one.id for one in fallen], made) == ([instance_id], 1)
    row = only(database)
    assert (row.wanted_at, row.due_at) == (NOW + 7 * DAY, late)
    assert instance_row(database, instance_id).midtrial_email_at is None
    with database.write() as session:
        assert write_reminders(session, MailKind.MIDTRIAL, Writing(late), 10) == ([], 0)
