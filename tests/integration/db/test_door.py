"""A change of status and its story are written together."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import func, select

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.door import write
from polydock_pipelines.db.leases import apply, claim
from polydock_pipelines.db.models.instances import AppInstance, InstanceLog, StatusTransition
from polydock_pipelines.db.models.operations import OutboxEvent
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle.outcome import Done, Failed, Outcome, Unreachable
from polydock_pipelines.lifecycle.table import LIFECYCLE
from polydock_pipelines.lifecycle.transitions import enter
from tests.fakes.clock import START as NOW
from tests.makers import (
    a_book,
    change_row,
    instance_row,
    make_group,
    make_instance_row,
    new_instance,
)


def visit(database: Database, instance_id: int, outcome: Outcome | Unreachable) -> str | None:
    """Claim and apply, as one visit does."""
    row = instance_row(database, instance_id)
    assert row.next_check_at is not None
    taken = claim(a_book(database), instance_id, row.next_check_at)
    assert taken is not None
    return apply(a_book(database), taken, outcome, row.next_check_at)


def story(database: Database, instance_id: int) -> list[tuple[str | None, str]]:
    with database.read() as session:
        chosen = select(StatusTransition).where(StatusTransition.instance_id == instance_id)
        rows = session.scalars(chosen.order_by(StatusTransition.id)).all()
        return [(row.from_status, row.to_status) for row in rows]


def events(database: Database, instance_id: int) -> list[OutboxEvent]:
    with database.read() as session:
        chosen = select(OutboxEvent).where(
            OutboxEvent.instance_id == instance_id,
            OutboxEvent.event == "app_instance.status_changed",
        )
        return list(session.scalars(chosen.order_by(OutboxEvent.id)))


def an_owned_instance(database: Database, **changes: Any) -> int:
    with database.write() as session:
        return make_instance_row(session, group=make_group(session), **changes).id


def test_a_whole_way_to_the_claim_is_told_without_a_gap(database: Database) -> None:
    instance_id = an_owned_instance(database)
    while instance_row(database, instance_id).next_check_at is not None:
        visit(database, instance_id, Done())
    told = story(database, instance_id)
    assert told[0] == ("pending-pre-create", "pre-create-running")
    assert told[-1] == ("polydock-claim-completed", "running-healthy-claimed")
    assert all(before[1] == after[0] for before, after in pairwise(told))
    assert len(told) == 3 * 7  # each stage: running, completed, and what follows


def test_each_status_has_its_event_numbered_from_one_without_a_gap(database: Database) -> None:
    instance_id = an_owned_instance(database)
    for outcome in (Done(), Failed("no"), Unreachable("away", NOW), Done(), Done()):
        visit(database, instance_id, outcome)
    rows = events(database, instance_id)
    assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))
    assert instance_row(database, instance_id).event_sequence == len(rows)
    told = [(r.payload["previous_status"], r.payload["current_status"]) for r in rows]
    assert told == story(database, instance_id)


def test_sequences_of_two_instances_do_not_mix(database: Database) -> None:
    first, second = new_instance(database), new_instance(database)
    for instance_id in (first, second, first):
        visit(database, instance_id, Done())
    for instance_id in (first, second):
        numbers = [row.sequence for row in events(database, instance_id)]
        assert numbers == list(range(1, len(numbers) + 1))


def test_an_event_carries_ids_and_statuses_only(database: Database) -> None:
    instance_id = an_owned_instance(database, user_email="ada@example.com")
    visit(database, instance_id, Done())
    assert set(events(database, instance_id)[0].payload) == {
        "app_instance_id",
        "app_instance_uuid",
        "store_app_id",
        "previous_status",
        "current_status",
        "timestamp",
    }


def test_when_the_transaction_fails_neither_status_nor_story_is_written(
    database: Database,
) -> None:
    instance_id = new_instance(database)

    def broken() -> None:
        with database.write() as session:
            row = session.get_one(AppInstance, instance_id)
            write(session, row, enter("create", NOW), Writing(NOW))
            session.flush()
            raise RuntimeError("the worker dies here")

    with pytest.raises(RuntimeError):
        broken()
    assert instance_row(database, instance_id).status == "pending-pre-create"
    with database.read() as session:
        for table in (StatusTransition, OutboxEvent, InstanceLog):
            assert session.scalar(select(func.count()).select_from(table)) == 0


def test_a_failure_is_an_error_in_the_instances_log(database: Database) -> None:
    instance_id = new_instance(database)
    visit(database, instance_id, Failed("Lagoon said no", is_final=True))
    with database.read() as session:
        (line,) = session.scalars(select(InstanceLog)).all()
    assert (line.level, line.stage, line.message) == ("error", "pre-create", "Lagoon said no")
    assert line.attempt == 1


def test_a_message_of_any_length_is_cut_to_2000_bytes(database: Database) -> None:
    instance_id = new_instance(database)
    visit(database, instance_id, Failed("ü" * 3000))
    message = instance_row(database, instance_id).status_message
    assert len(message.encode()) <= 2000
    assert message.endswith("ü...")


def test_an_upgrade_remembers_the_running_status_it_left(database: Database) -> None:
    instance_id = new_instance(database, status="running-healthy-unclaimed")
    with database.write() as session:
        row = session.get_one(AppInstance, instance_id)
        write(session, row, enter("pre-upgrade", NOW), Writing(NOW))
    assert instance_row(database, instance_id).running_before == "running-healthy-unclaimed"


@pytest.mark.parametrize("stage", [stage.name for stage in LIFECYCLE])
def test_entering_a_stage_gives_it_a_deadline_and_makes_it_due(
    sqlite_database: Database, stage: str
) -> None:
    instance_id = new_instance(sqlite_database, status="running-healthy-claimed")
    with sqlite_database.write() as session:
        row = session.get_one(AppInstance, instance_id)
        write(session, row, enter(stage, NOW), Writing(NOW))
    row = instance_row(sqlite_database, instance_id)
    assert row.next_check_at == NOW
    assert row.deadline is not None
    assert row.deadline > NOW


def test_a_transition_leads_to_the_hand_over_that_did_it(database: Database) -> None:
    instance_id = new_instance(database)
    change_row(database, instance_id, handover_id="h-1")
    visit(database, instance_id, Done())
    with database.read() as session:
        assert set(session.scalars(select(StatusTransition.handover_id))) == {"h-1"}


def test_a_removal_begins_the_grace_time_once(database: Database) -> None:
    instance_id = new_instance(database, status="pending-post-remove")
    visit(database, instance_id, Done())
    row = instance_row(database, instance_id)
    assert (row.removed_at, row.purge_eligible_at) == (NOW, NOW + timedelta(days=14))
