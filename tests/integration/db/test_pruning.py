"""What goes of our own tables, and what stays, on both databases."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from polydock_pipelines.actions.prune import Keep, own_piles, plan, prune
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import (
    AppInstance,
    InstanceIntent,
    InstanceLog,
    StatusTransition,
)
from polydock_pipelines.db.models.mails import Email
from polydock_pipelines.db.models.operations import Handover, OutboxEvent
from polydock_pipelines.db.pruning import believed_shown, show_again
from tests.fakes.clock import START
from tests.makers import change_row, instance_row, make_registration, new_instance

NOW = START + timedelta(days=365)
OLD = NOW - timedelta(days=91)
YOUNG = NOW - timedelta(days=89)
STORY = (InstanceLog, StatusTransition, OutboxEvent, Email)
STEPS = 5


def never() -> bool:
    return False


def prune_own(database: Database, most: int = 1000) -> dict[str, int]:
    """Prune, and return how much of each went."""
    pruned = prune(own_piles(database, Keep(), NOW, most), never)
    return {one.name: one.deleted for one in pruned if one.deleted}


def with_story(database: Database, at: datetime = OLD, **row: Any) -> int:
    """Add an instance and a story of STEPS rows in each table, an hour between two."""
    instance_id = new_instance(database, **{"status": "removed", "removed_at": at, **row})
    change_row(database, instance_id, updated_at=at)
    with database.write() as session:
        session.add(
            InstanceIntent(instance_id=instance_id, effect="project", key="x", intended_at=at)
        )
        for step in range(STEPS):
            common: dict[str, Any] = {
                "instance_id": instance_id,
                "created_at": at - timedelta(hours=STEPS - step),
            }
            session.add(InstanceLog(level="info", message="done", **common))
            session.add(StatusTransition(to_status=f"step-{step}", **common))
            session.add(OutboxEvent(event="e", sequence=step + 1, payload={}, **common))
            session.add(
                Email(
                    kind="ready",
                    recipient="ada@example.com",
                    occasion=f"life {step}",
                    wanted_at=at,
                    **common,
                )
            )
    return instance_id


def story_of(database: Database, instance_id: int) -> list[int]:
    """Return how many rows each table has of an instance."""
    with database.read() as session:
        return [
            session.scalar(
                select(func.count()).select_from(table).where(table.instance_id == instance_id)
            )
            or 0
            for table in STORY
        ]


def add_handover(database: Database, name: str, at: datetime) -> None:
    with database.write() as session:
        session.add(Handover(id=name, kind="provision", source="signups", created_at=at))


def test_the_story_of_an_instance_removed_long_ago_goes_and_its_intents_stay(
    database: Database,
) -> None:
    instance_id = with_story(database)
    gone = {
        "instance logs": STEPS,
        "mails": STEPS,
        "outbox events": STEPS,
        "transitions": STEPS,
    }
    assert prune_own(database) == gone
    assert story_of(database, instance_id) == [0] * 4
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(InstanceIntent)) == 1
        assert session.get(AppInstance, instance_id) is not None
    assert prune_own(database) == {}


@pytest.mark.parametrize(
    "row",
    [
        {"status": "running-healthy-claimed", "removed_at": None},
        {"status": "deploy-failed", "removed_at": None},
        {"status": "purge-failed"},
        {"status": "pending-purge"},
        {"at": YOUNG},
    ],
)
def test_a_story_that_goes_on_or_ended_lately_stays_whole(
    row: dict[str, Any], database: Database
) -> None:
    instance_id = with_story(database, **row)
    assert prune_own(database) == {}
    assert story_of(database, instance_id) == [STEPS] * 4


def test_a_story_stays_whole_while_something_happened_lately(database: Database) -> None:
    instance_id = with_story(database)
    change_row(database, instance_id, updated_at=YOUNG)
    assert prune_own(database) == {}
    assert story_of(database, instance_id) == [STEPS] * 4


def test_a_story_goes_from_the_oldest_on_so_that_the_rest_has_no_gaps(database: Database) -> None:
    instance_id = with_story(database)
    assert prune_own(database, most=2) == {
        "instance logs": 2,
        "mails": 2,
        "outbox events": 2,
        "transitions": 2,
    }
    with database.read() as session:
        left = session.scalars(
            select(StatusTransition.to_status)
            .where(StatusTransition.instance_id == instance_id)
            .order_by(StatusTransition.id)
        ).all()
    assert left == ["step-2", "step-3", "step-4"]
    assert [sum(prune_own(database, most=2).values()) for _ in range(3)] == [8, 4, 0]


def test_hand_overs_go_with_the_runs_that_took_them_up(database: Database) -> None:
    add_handover(database, "old", NOW - timedelta(days=15))
    add_handover(database, "young", NOW - timedelta(days=13))
    assert prune_own(database) == {"hand-overs": 1}
    with database.read() as session:
        assert list(session.scalars(select(Handover.id))) == ["young"]


def test_events_of_signups_that_led_to_no_instance_go_by_their_own_age(database: Database) -> None:
    with database.write() as session:
        registration = make_registration(session).id
        for at in (OLD, YOUNG):
            session.add(
                OutboxEvent(event="e", registration_id=registration, payload={}, created_at=at)
            )
    assert prune_own(database) == {"outbox events": 1}
    with database.read() as session:
        assert list(session.scalars(select(OutboxEvent.created_at))) == [YOUNG]


def test_each_batch_is_a_transaction_and_no_larger_than_it_may_be(database: Database) -> None:
    for number in range(25):
        add_handover(database, f"{number:02}", OLD + timedelta(minutes=number))
    (handovers, *_) = own_piles(database, Keep(), NOW, 1000)
    assert (handovers.batch, handovers.take(10), handovers.due()) == (1000, 10, 15)
    assert handovers.oldest() == OLD + timedelta(minutes=10)


def test_a_plan_counts_what_is_too_old(database: Database) -> None:
    with_story(database)
    with_story(database, at=YOUNG)
    add_handover(database, "old", OLD)
    assert plan(own_piles(database, Keep(), NOW, 1)) == {
        "hand-overs": 1,
        "instance logs": STEPS,
        "mails": STEPS,
        "outbox events": STEPS,
        "transitions": STEPS,
    }


def test_an_instance_is_believed_shown_until_it_is_shown_again(sqlite_database: Database) -> None:
    shown: dict[str, Any] = {
        "status": "running-healthy-claimed",
        "shown_status": "running-healthy-claimed",
        "has_partition": True,
        "now": OLD,
    }
    mine = new_instance(sqlite_database, **shown)
    for other in ({"shown_status": None}, {"has_partition": False}, {"now": NOW}):
        new_instance(sqlite_database, **(shown | other))
    uuid = instance_row(sqlite_database, mine).uuid
    assert believed_shown(sqlite_database, NOW) == {uuid}
    show_again(sqlite_database, [uuid])
    assert believed_shown(sqlite_database, NOW) == set()
