"""A crowd of builds in flight: what the stack takes, and how often a tick asks Lagoon.

Memory is the proportional set size of every process below `polydock up`, the local Lagoon and the
runs included, looked at each second from the first signup until the last claim. The goal is for the
highest while all builds are in flight at once; what four runs at work take before and after that is
told beside it. Requests are told apart by their connection: a tick of the sensor `builds` opens
one, asks for what runs (`deploymentsByFilter`, which nobody else does), and whatever else it asks
goes the same way.
"""

import threading
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx

from benchmarks import people, processes
from benchmarks.figures import Figure, at_least, at_most, median, plain
from benchmarks.plan import Plan
from benchmarks.processes import Share
from benchmarks.stacks import Up, fresh_stack
from polydock_pipelines.db.database import Database

MB = 1000**2
MOST_MB = 1200
BUILDING = "deploy-running"
BUILDS_ASK = "deploymentsByFilter"
WATCH_S = 60.0
"""How long all builds are in flight at once, at least."""
SIGNUPS_PER_S = 4.0
"""So slow are they at worst, on a machine that has other work."""
NEW_TICK = timedelta(seconds=10)
"""The number of a port is given out again; within a tick no such pause happens."""


@dataclass(frozen=True)
class Sample:
    """What the stack took at one moment."""

    at: float
    memory: Share
    runs: int


@dataclass
class Watch:
    """Looks at memory and requests while the crowd is on its way."""

    up: Up
    samples: list[Sample] = field(default_factory=list[Sample])
    posts: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])

    def look(self) -> None:
        """Take a sample, and what is new in the list of requests."""
        memory = processes.memory(self.up.pid)
        self.samples.append(Sample(time.time(), memory, len(processes.runs(self.up.pid))))
        with suppress(httpx.HTTPError):
            url = f"{self.up.simulator}/_sim/state"
            found = httpx.get(url, params={"parts": "posts"}, timeout=10).json()["posts"]
            self.posts |= {post["number"]: post for post in found}


def measure(plan: Plan) -> list[Figure]:
    """Return memory and requests with many builds in flight, and while they end."""
    count = plan.sizes.crowd
    build_s = WATCH_S + 30 + count / SIGNUPS_PER_S
    with (
        fresh_stack(build_seconds=build_s, latency_ms=0) as up,
        up.database() as database,
        _watching(up) as watch,
    ):
        taken = people.sign_up(up, count)
        if taken < count:
            raise RuntimeError(f"only {taken} of {count} signups were taken")
        began, ended = _all_in_flight(database, taken, build_s)
        people.wait_for(database, people.all_claimed(taken), build_s + 300)
        claimed = len(people.claimed(database))
    return _figures(count, watch, (began, ended), claimed)


@contextmanager
def _watching(up: Up) -> Generator[Watch]:
    watch, stop = Watch(up), threading.Event()

    def every_second() -> None:
        while not stop.wait(1):
            watch.look()

    thread = threading.Thread(target=every_second, name="watch", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        stop.set()
        thread.join()


def _all_in_flight(database: Database, count: int, patience_s: float) -> tuple[float, float]:
    """Wait until all builds run and then until the first has ended; return both moments."""
    if not people.wait_for(database, lambda found: found.get(BUILDING, 0) >= count, patience_s):
        raise RuntimeError(f"{count} builds were never in flight at once")
    began = time.time()
    print(f"    all {count} builds are in flight", flush=True)
    people.wait_for(database, lambda found: found.get(BUILDING, 0) < count, patience_s + 60)
    return began, time.time()


def _figures(count: int, watch: Watch, flight: tuple[float, float], claimed: int) -> list[Figure]:
    during = [s for s in watch.samples if flight[0] <= s.at <= flight[1]]
    peak = max(watch.samples, key=lambda sample: sample.memory.everything)
    top = peak.memory.everything / MB
    asked = requests_a_tick(watch.posts.values())
    name = f"{count} builds in flight"
    building = [s.memory.everything / MB for s in during]
    return [
        at_least(f"{name}: claimed in the end", claimed, "instances", count),
        at_most(f"{name}: memory (PSS) while all build, most", max(building), "MB", MOST_MB),
        plain(f"{name}: memory (PSS) while all build, median", median(building), "MB"),
        plain(f"{name}: memory (PSS) on the way in or out, most", top, "MB"),
        plain(f"{name}: of it the local Lagoon's", peak.memory.simulator / MB, "MB"),
        plain(f"{name}: runs at work then", peak.runs, "runs"),
        at_most(f"{name}: requests to Lagoon a tick, most", max(asked), "requests", 5),
        plain(f"{name}: requests to Lagoon a tick, median", median(asked), "requests"),
        plain(f"{name}: ticks looked at", len(asked), "ticks"),
    ]


def requests_a_tick(posts: Iterable[dict[str, Any]]) -> Sequence[int]:
    """Return how many requests each tick of `builds` made."""
    by_connection: dict[str, list[dict[str, Any]]] = {}
    for post in sorted(posts, key=lambda post: post["number"]):
        by_connection.setdefault(post["connection"], []).append(post)
    ticks = [tick for asked in by_connection.values() for tick in _in_ticks(asked)]
    return [len(tick) for tick in ticks if any(BUILDS_ASK in post["fields"] for post in tick)]


def _in_ticks(posts: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Part what one connection asked where it paused."""
    ticks: list[list[dict[str, Any]]] = []
    last: datetime | None = None
    for post in posts:
        at = datetime.fromisoformat(post["at"])
        if last is None or at - last > NEW_TICK:
            ticks.append([])
        ticks[-1].append(post)
        last = at
    return ticks
