"""What an instance costs when many come at once: processor time and the rate, by size.

The cost is the processor time of every process of the stack, runs that ended included, from the
first signup until the last run ended and the asset shows every claim; the local Lagoon is no part
of the product and is left out. A run costs about two processor seconds whatever it holds, so a few
signups cost more each than many; "flat" is therefore held as: from no size to a larger one does the
cost of an instance rise by more than 30 %. Every size is printed, so that the fall is seen as well.
"""

import time
from dataclasses import dataclass

from benchmarks import people, processes
from benchmarks.figures import Figure, at_most, largest_rise, plain
from benchmarks.plan import Plan
from benchmarks.stacks import fresh_stack
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.showing import unshown

SLOWEST_PER_S = 1.5
"""Instances a second below which a size is given up."""
AT_LEAST_S = 180.0
SHOWN_WITHIN_S = 600.0


@dataclass(frozen=True)
class Cost:
    """What one size cost."""

    size: int
    cpu_s: float
    """An instance."""
    seconds: float
    """Until the last was claimed."""


def measure(plan: Plan) -> list[Figure]:
    """Return what an instance costs at each size, each in a fresh stack."""
    costs = [_of(size) for size in plan.sizes.cost]
    found: list[Figure] = []
    for cost in costs:
        found.append(plain(f"cost an instance at {cost.size} signups", cost.cpu_s, "CPU s"))
        rate = cost.size / cost.seconds
        found.append(plain(f"rate at {cost.size} signups", rate, "instances/s"))
    rise = largest_rise([cost.cpu_s for cost in costs])
    span = f"{costs[0].size} to {costs[-1].size} signups"
    found.append(at_most(f"cost an instance, {span}: largest rise with size", rise, "%", 30))
    return found


def _wait_for_the_asset(database: Database) -> None:
    """Wait until Dagster shows every claim: the catch-up is paid for as well."""
    end = time.monotonic() + SHOWN_WITHIN_S
    while unshown(database, 1) and time.monotonic() < end:
        time.sleep(0.5)


def _of(size: int) -> Cost:
    print(f"    {size} signups", flush=True)
    patience_s = AT_LEAST_S + size / SLOWEST_PER_S
    with fresh_stack() as up, up.database() as database:
        before, began = processes.cpu(up.pid), time.time()
        taken = people.sign_up(up, size)
        if taken < size:
            raise RuntimeError(f"only {taken} of {size} signups were taken")
        every_s = 0.5 if size < 1_000 else 3.0
        if not people.wait_for(database, people.all_claimed(size), patience_s, every_s):
            raise RuntimeError(f"not all of {size} signups were claimed")
        people.wait_for_runs(up)
        _wait_for_the_asset(database)
        spent = processes.cpu(up.pid) - before
        seconds = people.claimed(database)[-1] - began
    print(f"    {size}: {spent.ours / size:.3f} CPU s each, {size / seconds:.2f}/s", flush=True)
    return Cost(size, spent.ours / size, seconds)
