"""What a stack costs that has nothing to do: sensors that find nothing, a webserver nobody asks."""

import time

from benchmarks import processes
from benchmarks.figures import Figure, at_most, plain
from benchmarks.plan import Plan
from benchmarks.processes import Share
from benchmarks.stacks import fresh_stack

MB = 1000**2


def measure(plan: Plan) -> list[Figure]:
    """Return the processor time of everything `polydock up` started, while nothing is due."""
    with fresh_stack() as up:
        time.sleep(plan.sizes.idle_warm_s)
        before, began = processes.cpu(up.pid), time.monotonic()
        time.sleep(plan.sizes.idle_s)
        spent, seconds = processes.cpu(up.pid) - before, time.monotonic() - began
        memory = processes.memory(up.pid)
    return [
        *_load(spent, seconds),
        plain("idle stack: memory (PSS)", memory.everything / MB, "MB"),
    ]


def _load(spent: Share, seconds: float) -> list[Figure]:
    whole, lagoon = (100 * part / seconds for part in (spent.everything, spent.simulator))
    return [
        at_most("idle stack: processor, local Lagoon included", whole, "% of a core", 12),
        plain("idle stack: the local Lagoon's part", lagoon, "% of a core"),
    ]
