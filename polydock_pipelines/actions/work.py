"""Work a chunk of instances through the legs of one run: threads, heartbeats, an end in time."""

import logging
import threading
import time
import traceback
from collections.abc import Collection, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from polydock_pipelines.actions.advance import LeaseWatch, Visit, advance
from polydock_pipelines.actions.hand_over import allowed
from polydock_pipelines.actions.operate import upgrade_instance
from polydock_pipelines.db import handovers
from polydock_pipelines.db.database import NO_DATABASE
from polydock_pipelines.db.leases import Book, renew
from polydock_pipelines.lifecycle.table import Kind, leg_of, legs_of, statuses_of
from polydock_pipelines.ports import Ports

LOG = logging.getLogger(__name__)
THREADS = 8
CHUNK = 500
"""At most so many instances in one run."""
STOP_TAKING_AFTER_S = 120.0
"""From the run's start: what is begun by then ends well before `MAX_RUNTIME_S`."""
BEAT_EVERY_S = 15.0
MOST_TRACES = 3


@dataclass(frozen=True)
class Leg:
    """One op of a run: which rows it works, and how."""

    kind: Kind
    name: str
    handover_id: str
    run_id: str

    @property
    def statuses(self) -> tuple[str, ...]:
        """Return the statuses that this leg works."""
        return tuple(s for s in statuses_of(self.kind) if leg_of(s) == (self.kind, self.name))

    @property
    def later_statuses(self) -> tuple[str, ...]:
        """Return the statuses that the legs after this one work."""
        legs = legs_of(self.kind)
        after = legs[legs.index(self.name) + 1 :]
        owners = {s: leg_of(s) for s in statuses_of(self.kind)}
        return tuple(s for s, owner in owners.items() if owner and owner[1] in after)

    @property
    def is_first(self) -> bool:
        """Whether the run begins here, and so may take more rows."""
        return legs_of(self.kind)[0] == self.name


@dataclass
class LegReport:
    """What a leg did."""

    leg: str
    visits: list[Visit] = field(default_factory=list[Visit])
    given_back: int = 0
    """Rows that were left for another run, because time was up."""
    bugs: list[str] = field(default_factory=list[str])
    """Errors that nobody expected, by kind and place; their texts may hold anything."""
    held_back: list[str] = field(default_factory=list[str])
    """What circuits and brakes had to say when the leg ended."""
    going_on: int = 0
    """Instances of the chunk that stand in a later leg, whether they came from this one or not."""

    def last_visits(self) -> list[Visit]:
        """Return the last visit of each instance."""
        return list({v.instance_id: v for v in self.visits}.values())


def _place(bug: BaseException) -> str:
    """Say where a bug is: the last of our own lines that it came through."""
    lines = traceback.extract_tb(bug.__traceback__)
    ours = [line for line in lines if "polydock_pipelines" in line.filename] or list(lines)
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "an unknown place"


def ask_for(
    book: Book, ports: Ports, leg: Leg, instances: Sequence[str], *, by: str, reason: str
) -> None:
    """Ask for what the run's job does, where an operator must: an upgrade of each instance."""
    if leg.kind is not Kind.UPGRADE:
        return
    for which in instances:
        upgrade_instance(book.db, which, ports.clock.now(), by=by, reason=reason)


def begin_run(book: Book, ports: Ports, leg: Leg, only: Sequence[str] = ()) -> int:
    """Take up the hand-over, and every other due row of the kind that nobody holds.

    *only*: uuids or project names, no others. Return how many instances the run begins with.
    """
    now = ports.clock.now()
    handovers.start(book.db, leg.handover_id, leg.kind, leg.run_id, now)
    mine = handovers.members(book.db, leg.handover_id, statuses_of(leg.kind))
    left, what = max(CHUNK - len(mine), 0), allowed(book, leg.kind, now)
    lets = what.lets & handovers.is_one_of(only) if only else what.lets
    return len(mine) + handovers.join(
        book.db, leg.handover_id, leg.kind, now, left, lets=lets, room=what.room
    )


def work_leg(book: Book, ports: Ports, leg: Leg, *, running_s: float = 0.0) -> LegReport:
    """Take each instance of the chunk that stands in this leg as far as the leg goes.

    *running_s*: how long the run is under way. Never raises for one instance: a bug in a step is
    noted, and the others go on.
    """
    ids = handovers.members(book.db, leg.handover_id, leg.statuses)
    report = LegReport(leg.name)
    stop_at = time.monotonic() + STOP_TAKING_AFTER_S - running_s
    with _heartbeat(book, ports, leg) as watch, ThreadPoolExecutor(THREADS) as pool:
        walk = partial(_walk, book, ports, leg, watch=watch, stop_at=stop_at)
        worked = [pool.submit(walk, instance_id=i) for i in ids]
        bugs = [bug for future in as_completed(worked) if (bug := future.exception())]
        for future in worked:
            if future.exception() is None:
                visits = future.result()
                report.visits += visits or []
                report.given_back += visits is None
    report.visits += _given_up(book, leg, set(ids) - {v.instance_id for v in report.visits})
    report.bugs = [f"{type(bug).__name__} at {_place(bug)}" for bug in bugs]
    for bug in bugs[:MOST_TRACES]:
        # Without the error's own text, which may hold what nobody should read.
        trace = "".join(traceback.format_tb(bug.__traceback__))
        LOG.error("a bug in %s: %s\n%s", leg.name, type(bug).__name__, trace)
    if report.given_back:
        handovers.give_back(book.db, leg.handover_id, leg.statuses)
    report.held_back = book.gate(ports.clock.now()).sentences()
    report.going_on = len(handovers.members(book.db, leg.handover_id, leg.later_statuses))
    return report


def _given_up(book: Book, leg: Leg, unvisited: Collection[int]) -> list[Visit]:
    """Tell of those that failed without a step, since their attempts were spent."""
    return [
        Visit(one.id, one.uuid, one.name, leg.name, "failed", one.status, one.message, 0.0)
        for one in handovers.failed_among(book.db, unvisited)
    ]


def _walk(
    book: Book, ports: Ports, leg: Leg, *, instance_id: int, watch: LeaseWatch, stop_at: float
) -> list[Visit] | None:
    """Advance one instance while it stays in the leg; None when time was up before it began."""
    if time.monotonic() > stop_at:
        return None
    visits: list[Visit] = []
    while True:
        visit = advance(
            book, ports, instance_id, handover_id=leg.handover_id, kind=leg.kind, on_lease=watch
        )
        if visit is None:
            return visits
        visits.append(visit)
        if visit.outcome != "done" or visit.status not in leg.statuses:
            return visits


@contextmanager
def _heartbeat(book: Book, ports: Ports, leg: Leg) -> Generator[LeaseWatch]:
    """Renew the leases we hold and the rows we were given, while the leg works."""
    watch, stop = LeaseWatch(), threading.Event()

    def beat() -> None:
        while not stop.wait(BEAT_EVERY_S):
            now = ports.clock.now()
            try:
                renew(book, watch.tokens(), now)
                handovers.beat(book.db, leg.handover_id, now)
            except NO_DATABASE:
                LOG.warning("%s: the database did not take the heartbeat; trying again", leg.name)

    thread = threading.Thread(target=beat, name=f"heartbeat-{leg.name}", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        stop.set()
        thread.join()


def end_run(book: Book, ports: Ports, run_id: str) -> None:
    """Let go of what is left."""
    handovers.end_of_run(book.db, run_id, ports.clock.now())
