"""Runs that died, were lost or fell silent: what happens to the instances they were given."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from polydock_pipelines.actions.tend_runs import RunSeen, RunState, tend_runs
from polydock_pipelines.db import handovers
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.leases import apply, claim
from polydock_pipelines.lifecycle.outcome import Done
from polydock_pipelines.lifecycle.table import Kind
from tests.fakes.clock import START as NOW
from tests.makers import a_book, instance_row, new_instance

SECOND = timedelta(seconds=1)
RUN = "run-1"


def handed(database: Database, at: datetime = NOW) -> list[str]:
    chunks = handovers.hand_over(database, Kind.PROVISION, at, source="a test")
    return [chunk.handover_id for chunk in chunks]


def seen(handover_id: str, state: RunState, since: datetime = NOW) -> RunSeen:
    return RunSeen(RUN, handover_id, state, since)


def started(database: Database) -> tuple[int, str]:
    """Return an instance, and the hand-over that a run has taken up."""
    one = new_instance(database)
    (handover_id,) = handed(database)
    handovers.start(database, handover_id, Kind.PROVISION, RUN, NOW)
    return one, handover_id


def tend(database: Database, runs: Sequence[RunSeen], at: datetime) -> tuple[int, int]:
    """Return how many hand-overs ended, and how many runs are silent."""
    tended = tend_runs(a_book(database), runs, at)
    return len(tended.ended), len(tended.silent)


def test_a_queued_run_keeps_its_instances_for_as_long_as_it_waits(database: Database) -> None:
    new_instance(database)
    (handover_id,), at = handed(database), NOW
    for tick in range(1, 121):
        at = NOW + 5 * tick * SECOND
        assert tend(database, [seen(handover_id, RunState.QUEUED)], at) == (0, 0)
        assert handed(database, at) == []
    assert handovers.unstarted(database, Kind.PROVISION, at) == 1


def test_a_hand_over_that_became_no_run_is_free_within_half_a_minute(database: Database) -> None:
    new_instance(database)
    handed(database)
    assert tend(database, [], NOW + 19 * SECOND) == (0, 0)
    assert tend(database, [], NOW + 21 * SECOND) == (1, 0)
    assert len(handed(database, NOW + 21 * SECOND)) == 1


def test_a_dead_run_gives_its_leases_back_and_what_survives_writes_nothing(
    database: Database,
) -> None:
    one, handover_id = started(database)
    lease = claim(a_book(database), one, NOW, handover_id=handover_id)
    assert lease is not None
    soon = NOW + 2 * SECOND
    assert handed(database, soon) == []
    assert tend(database, [seen(handover_id, RunState.ENDED)], soon) == (1, 0)
    assert apply(a_book(database), lease, Done(), soon) is None
    assert len(handed(database, soon)) == 1
    assert instance_row(database, one).attempt == 1


def test_a_run_of_another_dagster_is_left_alone_while_it_beats(database: Database) -> None:
    (_, handover_id), at = started(database), NOW
    for tick in range(1, 41):
        at = NOW + 15 * tick * SECOND
        handovers.beat(database, handover_id, at)
        assert tend(database, [], at + 10 * SECOND) == (0, 0)
    assert tend(database, [], at + 61 * SECOND) == (1, 0)


@pytest.mark.parametrize(("after_s", "silent"), [(59, 0), (61, 1)])
def test_a_run_is_silent_a_minute_after_its_last_beat(
    database: Database, after_s: int, silent: int
) -> None:
    _, handover_id = started(database)
    handovers.beat(database, handover_id, NOW + 30 * SECOND)
    at = NOW + (30 + after_s) * SECOND
    assert tend(database, [seen(handover_id, RunState.STARTED)], at) == (0, silent)


def test_a_run_that_never_beat_is_silent_a_minute_after_its_start(database: Database) -> None:
    new_instance(database)
    (handover_id,) = handed(database)
    run = seen(handover_id, RunState.STARTED, NOW + 10 * SECOND)
    assert tend(database, [run], NOW + 69 * SECOND) == (0, 0)
    assert tend(database, [run], NOW + 71 * SECOND) == (0, 1)


def test_a_run_that_starts_is_left_its_time(database: Database) -> None:
    new_instance(database)
    (handover_id,) = handed(database)
    run = seen(handover_id, RunState.STARTING)
    assert tend(database, [run], NOW + 40 * SECOND) == (0, 0)
    assert handed(database, NOW + 40 * SECOND) == []
    assert len(handed(database, NOW + 46 * SECOND)) == 1
