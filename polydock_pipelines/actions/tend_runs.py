"""Look after the runs that were given instances: the dead are replaced, the silent ended.

Leases and hand-overs decide who works, and they run out by themselves. This makes good sooner,
because Dagster often knows that a run is dead; and it sees what Dagster does not: a run that is
STARTED for ever, because the code server died with its worker.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from polydock_pipelines.db import handovers
from polydock_pipelines.db.handovers import OpenHandover
from polydock_pipelines.db.leases import Book

SILENT_AFTER = timedelta(seconds=60)
"""A run beats every 15 seconds."""
LOST_AFTER = timedelta(seconds=20)
"""A hand-over without a run by then was lost between a sensor's tick and Dagster's queue."""


class RunState(StrEnum):
    """As much of Dagster's run statuses as matters here."""

    QUEUED = "queued"
    STARTING = "starting"
    STARTED = "started"
    ENDED = "ended"


@dataclass(frozen=True)
class RunSeen:
    """A run as Dagster shows it."""

    run_id: str
    handover_id: str | None
    """None for a run from the Launchpad."""
    state: RunState
    since: datetime
    """When it was started; before that, when it was made."""


@dataclass(frozen=True)
class Tended:
    """What was done, and which runs are to be ended."""

    silent: tuple[RunSeen, ...] = ()
    ended: tuple[str, ...] = ()
    """Hand-overs whose rows are free again."""


def tend_runs(book: Book, runs: Sequence[RunSeen], now: datetime) -> Tended:
    """Keep the rows of queued runs, free those of dead ones, and name the silent.

    *runs*: all that Dagster has not ended, and those of `open_handovers` that it has.
    """
    by_handover = {run.handover_id or run.run_id: run for run in runs}
    by_run = {run.run_id: run for run in runs}
    queued: list[str] = []
    over: list[str] = []
    for one in handovers.open_handovers(book.db):
        run = by_run.get(one.run_id or "") or by_handover.get(one.id)
        if run is not None and run.state is RunState.QUEUED:
            queued.append(one.id)
        elif _is_over(one, run, now):
            over.append(one.id)
    handovers.keep_queued(book.db, queued, now)
    for handover_id in over:
        handovers.abandon(book.db, handover_id, now)
    return Tended(tuple(_silent(book, by_run, now)), tuple(over))


def _is_over(one: OpenHandover, run: RunSeen | None, now: datetime) -> bool:
    if run is not None:
        return run.state is RunState.ENDED
    if one.beat_at is not None:
        return now - one.beat_at > SILENT_AFTER  # it may be a run of another Dagster
    return now - one.created_at > LOST_AFTER


def _silent(book: Book, runs: Mapping[str, RunSeen], now: datetime) -> list[RunSeen]:
    """Return the runs that Dagster believes at work, and that have shown no life for a minute."""
    started = [run for run in runs.values() if run.state is RunState.STARTED]
    beats = handovers.beats(book.db, [run.run_id for run in started])
    return [run for run in started if now - beats.get(run.run_id, run.since) > SILENT_AFTER]
