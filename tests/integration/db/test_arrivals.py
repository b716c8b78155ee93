"""What reaching a status brings with it: the trial's clock, and the registration's fate."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.door import write
from polydock_pipelines.db.leases import apply, claim
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.mails import Email
from polydock_pipelines.db.models.operations import OutboxEvent
from polydock_pipelines.db.models.requests import Registration
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle.outcome import Done, Failed, Outcome
from polydock_pipelines.lifecycle.table import Wish
from polydock_pipelines.lifecycle.transitions import enter, retry, wish
from tests.fakes.clock import START as NOW
from tests.makers import (
    a_book,
    instance_row,
    make_group,
    make_instance_row,
    make_registration,
    make_store_app,
)

DAY = timedelta(days=1)
MAILS = {"midtrial": {"enabled": True}, "one_day_left": {"enabled": True}}
FINAL = Failed("refused", is_final=True)


def a_signup(database: Database, status: str = "pending-polydock-claim", **app: Any) -> int:
    """Add an instance with a registration; return its id."""
    with database.write() as session:
        offer = make_store_app(session, **app)
        row = make_instance_row(session, offer, status=status, group=make_group(session))
        make_registration(session, row)
        return row.id


def visit(database: Database, instance_id: int, outcome: Outcome, now=NOW) -> None:
    taken = claim(a_book(database), instance_id, now)
    assert taken is not None
    apply(a_book(database), taken, outcome, now)


def ask(database: Database, instance_id: int, decide, now=NOW) -> None:
    """Do what an operator's action does: decide by the status, and write."""
    with database.write() as session:
        row = session.get_one(AppInstance, instance_id)
        change = decide(row.status)
        assert change is not None
        write(session, row, change, Writing(now))


def registration(database: Database) -> Registration:
    with database.read() as session:
        return session.scalars(select(Registration)).one()


def told(database: Database) -> list[tuple[str, str]]:
    with database.read() as session:
        chosen = select(OutboxEvent).where(OutboxEvent.event == "registration.status.changed")
        rows = session.scalars(chosen.order_by(OutboxEvent.id)).all()
        return [(row.payload["previous_status"], row.payload["new_status"]) for row in rows]


# -- the trial's clock


def test_the_trial_begins_at_the_claim_not_at_the_signup(database: Database) -> None:
    instance_id = a_signup(database, trial_days=14, mails=MAILS)
    later = NOW + DAY
    visit(database, instance_id, Done(), later)
    row = instance_row(database, instance_id)
    assert (row.claimed_at, row.trial_ends_at) == (later, later + 14 * DAY)
    assert row.midtrial_email_at == later + 7 * DAY
    assert row.one_day_left_email_at == later + 13 * DAY


def test_before_the_claim_no_trial_runs(database: Database) -> None:
    instance_id = a_signup(database, "pending-post-deploy")
    visit(database, instance_id, Done())
    row = instance_row(database, instance_id)
    assert (row.claimed_at, row.trial_ends_at) == (None, None)


def test_reminders_that_are_switched_off_have_no_date(database: Database) -> None:
    instance_id = a_signup(database, mails={"midtrial": {"enabled": False}})
    visit(database, instance_id, Done())
    row = instance_row(database, instance_id)
    assert row.trial_ends_at is not None
    assert (row.midtrial_email_at, row.one_day_left_email_at) == (None, None)


def test_an_app_without_trial_days_has_no_end(database: Database) -> None:
    instance_id = a_signup(database, trial_days=None, mails=MAILS)
    visit(database, instance_id, Done())
    row = instance_row(database, instance_id)
    assert row.claimed_at == NOW
    assert (row.trial_ends_at, row.midtrial_email_at) == (None, None)


def test_a_second_arrival_at_claimed_does_not_begin_the_trial_anew(database: Database) -> None:
    instance_id = a_signup(database)
    visit(database, instance_id, Done())
    ask(database, instance_id, lambda _status: enter("post-upgrade", NOW + DAY), NOW + DAY)
    visit(database, instance_id, Done(), NOW + DAY)
    row = instance_row(database, instance_id)
    assert row.status == "running-healthy-claimed"
    assert (row.claimed_at, row.trial_ends_at) == (NOW, NOW + 14 * DAY)


# -- the registration


def test_a_registration_succeeds_only_when_its_instance_is_claimed(database: Database) -> None:
    instance_id = a_signup(database, "pending-post-deploy")
    visit(database, instance_id, Done())
    assert registration(database).status == "processing"
    visit(database, instance_id, Done())
    found = registration(database)
    assert (found.status, found.result_type) == ("success", "trial_created")
    assert told(database) == [("processing", "success")]


def test_a_registration_fails_with_its_instance(database: Database) -> None:
    visit(database, a_signup(database, "pending-create"), FINAL)
    found = registration(database)
    assert (found.status, found.result_type) == ("failed", "registration_failed")
    assert told(database) == [("processing", "failed")]


def test_a_failure_that_will_be_tried_again_leaves_the_registration(database: Database) -> None:
    visit(database, a_signup(database, "pending-create"), Failed("no"))
    assert registration(database).status == "processing"
    assert told(database) == []


def test_a_retry_takes_the_registration_up_again_and_it_may_still_succeed(
    database: Database,
) -> None:
    instance_id = a_signup(database)
    visit(database, instance_id, FINAL)
    ask(database, instance_id, lambda status: retry(status, NOW))
    assert registration(database).status == "processing"
    visit(database, instance_id, Done())
    assert registration(database).status == "success"
    assert told(database) == [
        ("processing", "failed"),
        ("failed", "processing"),
        ("processing", "success"),
    ]


def test_a_removal_before_the_claim_fails_the_registration(database: Database) -> None:
    instance_id = a_signup(database, "pending-create")
    ask(database, instance_id, lambda status: wish(status, Wish.REMOVE, NOW))
    found = registration(database)
    assert (found.status, found.message_detail) == (
        "failed",
        "The trial was removed before it was ready.",
    )
    for _ in range(3):
        visit(database, instance_id, Done())
    assert told(database) == [("processing", "failed")]


@pytest.mark.parametrize("ends", [Done(), FINAL], ids=["purged", "purge failed"])
def test_a_purge_of_what_was_never_claimed_leaves_its_registration_failed(
    database: Database, ends: Outcome
) -> None:
    instance_id = a_signup(database, "pending-create")
    visit(database, instance_id, FINAL)
    ask(database, instance_id, lambda status: wish(status, Wish.REMOVE, NOW))
    for _ in range(3):
        visit(database, instance_id, Done())
    ask(database, instance_id, lambda status: wish(status, Wish.PURGE, NOW))
    visit(database, instance_id, ends)
    found = registration(database)
    assert (found.status, found.message_detail) == (
        "failed",
        "The trial was removed before it was ready.",
    )
    assert told(database) == [("processing", "failed")]


def test_a_removal_after_the_claim_leaves_the_registrations_success(database: Database) -> None:
    instance_id = a_signup(database)
    visit(database, instance_id, Done())
    ask(database, instance_id, lambda status: wish(status, Wish.REMOVE, NOW))
    visit(database, instance_id, FINAL)
    assert registration(database).status == "success"


def test_an_instance_without_a_registration_arrives_all_the_same(database: Database) -> None:
    with database.write() as session:
        group = make_group(session)
        row = make_instance_row(session, status="pending-polydock-claim", group=group)
        instance_id = row.id
    visit(database, instance_id, Done())
    assert instance_row(database, instance_id).claimed_at == NOW


def test_a_failure_that_was_told_before_there_were_mails_is_not_told_at_its_removal(
    database: Database,
) -> None:
    with database.write() as session:
        row = make_instance_row(session, status="deploy-failed", group=make_group(session))
        make_registration(session, row, status="failed")
    ask(database, row.id, lambda status: wish(status, Wish.REMOVE, NOW))
    with database.read() as session:
        assert session.scalars(select(Email)).all() == []
