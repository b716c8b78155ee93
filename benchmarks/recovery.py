"""How soon work goes on after a kill -9, whoever it hits.

A process is killed while instances are under a lease; then is measured how long until one of those
that were held gets its next status. `polydock up` ends when one of its processes ends, and expects
a supervisor that starts it again: so it is started again at once, and its start counts. The local
Lagoon runs apart, since a real one does not die with us, and answers slowly, so that there is work
to die in.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy import select

from benchmarks import people, processes, stacks
from benchmarks.figures import Figure, at_least, at_most
from benchmarks.plan import Plan
from benchmarks.stacks import Up
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import AppInstance, StatusTransition

LATENCY_MS = 500
GOAL_S = 60
GIVE_UP_S = 180.0
HELD_WITHIN_S = 90.0
CLAIMED_WITHIN_S = 300.0

Victims = Callable[[Up], list[psutil.Process]]


def a_child(name: str) -> Victims:
    """Return the victim that has a role."""
    return lambda up: [processes.child(up.pid, name)]


def code_server_and_runs(up: Up) -> list[psutil.Process]:
    """Return the code server and the runs, its children: a pod that goes takes both."""
    return [processes.child(up.pid, processes.CODE_SERVER), *processes.runs(up.pid)]


VICTIMS: dict[str, Victims] = {
    "runs at work": lambda up: processes.runs(up.pid),
    "code server and its runs": code_server_and_runs,
    "daemon": a_child("daemon"),
    "webserver": a_child("webserver"),
    "intake": a_child("intake"),
    "everything at once": lambda up: processes.family(up.pid),
}


@dataclass
class House:
    """A stack that is started again when it ends, as a supervisor would."""

    home: Path
    simulator: str
    extra: Mapping[str, str]
    up: Up

    def start_again(self) -> None:
        """Start the stack in the same home; the one before has ended."""
        self.up = stacks.start(self.home, self.extra, self.simulator)


def measure(plan: Plan) -> list[Figure]:
    """Return the seconds from each kill to progress."""
    chance = random.Random(plan.seed)  # noqa: S311 - moments of a kill, no secrets
    count, found = plan.sizes.recovery, list[Figure]()
    everybody = count * len(VICTIMS)
    with _house() as house, house.up.database() as database:
        for number, (name, victims) in enumerate(VICTIMS.items(), start=1):
            people.sign_up(house.up, count, first=number * 10_000)
            _held(database)
            time.sleep(chance.uniform(0.5, 4.0))
            held = _held(database)
            seconds = _kill(house, database, victims, held)
            print(f"    {name}: {len(held)} held, progress after {seconds:.1f} s", flush=True)
            found.append(at_most(f"kill -9 of {name}: progress after", seconds, "s", GOAL_S))
            people.wait_for(database, people.all_claimed(number * count), CLAIMED_WITHIN_S)
        claimed = len(people.claimed(database))
    return [*found, at_least("claimed after all kills", claimed, "instances", everybody)]


@contextmanager
def _house() -> Generator[House]:
    with stacks.temporary_home() as home, stacks.simulator(home) as (url, extra):
        stacks.change_simulator(url, latency_ms=LATENCY_MS)
        house = House(home, url, extra, stacks.start(home, extra, url))
        try:
            yield house
        finally:
            stacks.stop(house.up.process)


def _held(database: Database) -> list[int]:
    """Wait until runs hold instances; return these."""
    end = time.monotonic() + HELD_WITHIN_S
    while time.monotonic() < end:
        if held := _leased(database):
            return held
        time.sleep(0.1)
    raise RuntimeError("no run ever held an instance, so there was nothing to kill")


def _leased(database: Database) -> list[int]:
    chosen = select(AppInstance.id).where(
        AppInstance.lease_token.is_not(None), AppInstance.lease_until > people.utc(time.time())
    )
    with database.read() as session:
        return list(session.scalars(chosen))


def _kill(house: House, database: Database, victims: Victims, held: list[int]) -> float:
    """Kill, start again what has ended, and return the seconds until one of *held* moved."""
    doomed, runs = victims(house.up), processes.runs(house.up.pid)
    if not doomed:
        raise RuntimeError("there was nothing to kill")
    ends_the_stack = not set(doomed) <= set(runs)
    print(f"    held: {_statuses_of(database, held)}", flush=True)
    killed = since = time.time()
    for process in doomed:
        process.kill()
    if ends_the_stack:
        # Runs go on until the stack has seen the death and stopped them: that is no recovery.
        house.up.process.wait(stacks.STOP_WITHIN_S)
        held, since = _leased(database) or held, time.time()
        house.start_again()
        print(f"    ended after {since - killed:.1f} s, up again {time.time() - since:.1f} s later")
    while time.time() - killed < GIVE_UP_S:
        moved = _moved(database, held, since)
        if moved is not None:
            return moved - killed
        time.sleep(0.1)
    return GIVE_UP_S


def _statuses_of(database: Database, ids: list[int]) -> dict[str, int]:
    """Return where instances stand: one that dies while it starts a build is looked for twice."""
    with database.read() as session:
        chosen = select(AppInstance.status).where(AppInstance.id.in_(ids))
        return dict(Counter(session.scalars(chosen)))


def _moved(database: Database, held: list[int], since: float) -> float | None:
    """Return when one of *held* first got another status."""
    at = StatusTransition.created_at
    chosen = select(at).where(StatusTransition.instance_id.in_(held), at > people.utc(since))
    with database.read() as session:
        found = session.scalars(chosen.order_by(at).limit(1)).first()
    return found.timestamp() if found else None
