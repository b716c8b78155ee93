"""Which instances are due, and which run has them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from polydock_pipelines.db import handovers
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.handovers import BEFORE_START, PER_RUN, WHILE_ALIVE, Chunk, hand_over
from polydock_pipelines.db.leases import claim
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.operations import Handover
from polydock_pipelines.lifecycle.table import FAILED, STABLE, Kind, statuses_of
from tests.fakes.clock import START as NOW
from tests.makers import (
    a_book,
    change_row,
    instance_row,
    make_group,
    make_instance_row,
    make_store_app,
    new_instance,
)

SECOND = timedelta(seconds=1)
PROVISION = statuses_of(Kind.PROVISION)


def give(database: Database, now=NOW, **options: Any) -> list[Chunk]:
    return hand_over(database, Kind.PROVISION, now, source="test", **options)


def members(database: Database, chunk: Chunk) -> list[int]:
    return handovers.members(database, chunk.handover_id, PROVISION)


def many(database: Database, number: int) -> list[int]:
    with database.write() as session:
        app = make_store_app(session)
        return [make_instance_row(session, app).id for _ in range(number)]


# -- hand-over


def test_a_due_instance_is_handed_over_once(database: Database) -> None:
    instance_id = new_instance(database)
    (chunk,) = give(database)
    row = instance_row(database, instance_id)
    assert (row.handover_id, row.handed_until) == (chunk.handover_id, NOW + BEFORE_START)
    assert (chunk.size, chunk.instance_uuid) == (1, row.uuid)
    assert give(database) == []


def test_a_hand_over_whose_run_never_began_is_replaced(database: Database) -> None:
    instance_id = new_instance(database)
    (first,) = give(database)
    assert give(database, NOW + BEFORE_START - SECOND) == []
    (second,) = give(database, NOW + BEFORE_START)
    assert members(database, first) == []
    assert members(database, second) == [instance_id]


@pytest.mark.parametrize("status", sorted(STABLE | FAILED))
def test_what_rests_or_failed_is_handed_to_nobody(sqlite_database: Database, status: str) -> None:
    new_instance(sqlite_database, status=status)
    assert [hand_over(sqlite_database, kind, NOW, source="test") for kind in Kind] == [[]] * 5


def test_what_is_held_not_due_or_another_kinds_is_left(database: Database) -> None:
    held = new_instance(database)
    assert claim(a_book(database), held, NOW) is not None
    new_instance(database, next_check_at=NOW + SECOND)
    new_instance(database, status="deploy-running")
    assert give(database) == []


def test_a_lease_that_ran_out_is_due_again(database: Database) -> None:
    instance_id = new_instance(database)
    claim(a_book(database), instance_id, NOW)
    (chunk,) = give(database, NOW + timedelta(minutes=2))
    assert members(database, chunk) == [instance_id]


def test_a_person_comes_before_the_pool_and_then_the_oldest(database: Database) -> None:
    with database.write() as session:
        app, group = make_store_app(session), make_group(session)
        old = make_instance_row(session, app, next_check_at=NOW - 60 * SECOND).id
        older = make_instance_row(session, app, next_check_at=NOW - 90 * SECOND).id
        person = make_instance_row(session, app, group=group).id
        early = make_instance_row(session, app, group=group, next_check_at=NOW - SECOND).id
    with database.read() as session:
        assert list(session.scalars(handovers.due(Kind.PROVISION, NOW))) == [
            early,
            person,
            older,
            old,
        ]
    (chunk,) = give(database, limit=3)
    assert set(members(database, chunk)) == {early, person, older}


def test_few_go_to_one_run_and_many_to_several_each_once(database: Database) -> None:
    ids = many(database, 3 * PER_RUN)
    chunks = give(database, chunks=2)
    assert len(chunks) == 2
    found = [instance_id for chunk in chunks for instance_id in members(database, chunk)]
    assert sorted(found) == ids
    assert all(chunk.instance_uuid is None for chunk in chunks)


def test_hand_overs_at_the_same_time_give_each_instance_to_one_run(database: Database) -> None:
    ids = many(database, 100)

    def race(number: int) -> list[Chunk]:
        # Each sees another part of the queue, as a sensor, the intake and a run that joins do.
        return give(database, chunks=4, limit=40 + 20 * number)

    for _ in range(4):
        with ThreadPoolExecutor(8) as pool:
            chunks = [chunk for made in pool.map(race, range(8)) for chunk in made]
        found = [instance_id for chunk in chunks for instance_id in members(database, chunk)]
        assert sorted(found) == ids
        assert sum(chunk.size for chunk in chunks) == len(ids)
        for chunk in chunks:
            handovers.give_back(database, chunk.handover_id)


def test_hand_overs_and_builds_that_end_do_not_wait_for_each_other_for_ever(
    database: Database,
) -> None:
    ids = many(database, 400)

    def race(number: int) -> None:
        if number % 2:
            handovers.bring_forward(database, ids[:: -1 - number % 3], NOW)
        else:
            give(database, limit=150 + 47 * number)

    for _ in range(4):
        with database.write() as session:
            session.execute(update(AppInstance).values(handed_until=None))
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(race, range(8)))


def test_only_the_wanted_statuses_are_handed_over(database: Database) -> None:
    new_instance(database)
    due = new_instance(database, status="pending-create")
    (chunk,) = give(database, statuses=("pending-create",))
    assert members(database, chunk) == [due]


# -- a run that begins and lives


def test_a_run_joins_what_else_is_due_up_to_its_room(database: Database) -> None:
    first = new_instance(database)
    (chunk,) = give(database)
    later = many(database, 3)
    assert handovers.join(database, chunk.handover_id, Kind.PROVISION, NOW, 2) == 2
    assert members(database, chunk) == [first, *later[:2]]
    assert instance_row(database, later[0]).handed_until == NOW + WHILE_ALIVE
    assert handovers.join(database, chunk.handover_id, Kind.PROVISION, NOW, 0) == 0


def test_a_run_does_not_take_what_another_was_given(database: Database) -> None:
    new_instance(database)
    give(database)
    assert handovers.join(database, "another", Kind.PROVISION, NOW, 10) == 0


def test_a_heartbeat_keeps_the_rows_of_its_run_only(database: Database) -> None:
    mine, let_go = many(database, 2)
    (chunk,) = give(database)
    other = new_instance(database, handover_id="other", handed_until=NOW + SECOND)
    change_row(database, let_go, handed_until=None)
    later = NOW + 30 * SECOND
    handovers.start(database, chunk.handover_id, Kind.PROVISION, "run-1", NOW)
    handovers.beat(database, chunk.handover_id, later)
    assert instance_row(database, mine).handed_until == later + WHILE_ALIVE
    assert instance_row(database, let_go).handed_until is None
    assert instance_row(database, other).handed_until == NOW + SECOND
    with database.read() as session:
        assert session.get_one(Handover, chunk.handover_id).beat_at == later


def test_what_is_given_back_goes_to_the_next_run_at_once(database: Database) -> None:
    instance_id = new_instance(database)
    (chunk,) = give(database)
    handovers.give_back(database, chunk.handover_id)
    (again,) = give(database)
    assert members(database, again) == [instance_id]


def test_a_run_that_ends_lets_go_of_its_rows(database: Database) -> None:
    instance_id = new_instance(database)
    (chunk,) = give(database)
    handovers.start(database, chunk.handover_id, Kind.PROVISION, "run-1", NOW)
    handovers.end(database, chunk.handover_id, NOW + SECOND)
    assert instance_row(database, instance_id).handed_until is None
    with database.read() as session:
        row = session.get_one(Handover, chunk.handover_id)
        assert (row.run_id, row.started_at, row.ended_at) == ("run-1", NOW, NOW + SECOND)


def test_a_run_that_ended_by_itself_lets_go_of_its_rows_too(database: Database) -> None:
    instance_id = new_instance(database)
    (chunk,) = give(database)
    handovers.start(database, chunk.handover_id, Kind.PROVISION, "run-1", NOW)
    handovers.end_of_run(database, "another run", NOW)
    assert instance_row(database, instance_id).handed_until is not None
    handovers.end_of_run(database, "run-1", NOW)
    assert instance_row(database, instance_id).handed_until is None


def test_a_launchpad_run_brings_a_hand_over_of_its_own(database: Database) -> None:
    handovers.start(database, "mine", Kind.REMOVE, "run-9", NOW)
    with database.read() as session:
        row = session.scalars(select(Handover)).one()
        assert (row.id, row.kind, row.source) == ("mine", "remove", "launchpad")


def test_runs_that_wait_to_begin_are_counted_for_a_while(database: Database) -> None:
    many(database, 2 * PER_RUN)
    first, _ = give(database, chunks=2)
    assert handovers.unstarted(database, Kind.PROVISION, NOW) == 2
    assert handovers.unstarted(database, Kind.REMOVE, NOW) == 0
    handovers.start(database, first.handover_id, Kind.PROVISION, "run-1", NOW)
    assert handovers.unstarted(database, Kind.PROVISION, NOW) == 1
    assert handovers.unstarted(database, Kind.PROVISION, NOW + BEFORE_START) == 0


def test_an_instance_whose_build_ended_becomes_due_unless_somebody_holds_it(
    database: Database,
) -> None:
    later = NOW + timedelta(hours=1)
    waiting = new_instance(database, status="deploy-running", next_check_at=later)
    busy = new_instance(
        database,
        status="deploy-running",
        next_check_at=later,
        lease_token="t",
        lease_until=NOW + SECOND,
    )
    handovers.bring_forward(database, [waiting, busy], NOW)
    with database.read() as session:
        rows = session.scalars(select(AppInstance)).all()
        times = {row.id: row.next_check_at for row in rows}
    assert times == {waiting: NOW, busy: later}


def test_one_that_came_to_rest_since_somebody_looked_is_not_woken(database: Database) -> None:
    resting = new_instance(database, status="running-healthy-claimed")
    handovers.bring_forward(database, [resting], NOW)
    assert instance_row(database, resting).next_check_at is None
