"""`make bench`: measure, print a table with machine, commit and seed, write it as JSON.

Each measurement has a stack of its own. One that fails is told and noted, and the others go on.
"""

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace

from benchmarks import (
    cost,
    crowd,
    due_query,
    history,
    idle,
    mails,
    naive_rival,
    recovery,
    removals,
    results_file,
    signups,
    trial_queries,
)
from benchmarks.figures import Figure
from benchmarks.plan import COST_SIZES, SMALL, Plan, Sizes
from benchmarks.results_file import Results

MEASUREMENTS: dict[str, Callable[[Plan], list[Figure]]] = {
    "single": signups.single,
    "burst": signups.burst,
    "naive": naive_rival.measure,
    "idle": idle.measure,
    "due": due_query.measure,
    "trials": trial_queries.measure,
    "mails": mails.measure,
    "removals": removals.measure,
    "crowd": crowd.measure,
    "recovery": recovery.measure,
    "history": history.measure,
    "cost": cost.measure,
}


def main() -> None:
    """Run the measurements that were asked for; all by default."""
    asked = _arguments()
    chosen = asked.only or list(MEASUREMENTS)
    results = results_file.begin(asked.seed, partial=bool(asked.only))
    plan = Plan(_sizes(asked), asked.seed, results)
    print(f"{results.machine}, commit {results.commit}, seed {asked.seed}", flush=True)
    for name in chosen:
        _measure(name, plan)
        results.write()
    _show(results, chosen)
    sys.exit(1 if results.failures.keys() & set(chosen) else 0)


def _measure(name: str, plan: Plan) -> None:
    print(f"\n{name} …", flush=True)
    began = time.monotonic()
    try:
        found = MEASUREMENTS[name](plan)
    except Exception as error:  # noqa: BLE001 - one that fails must not lose the others
        plan.results.fail(name, f"{type(error).__name__}: {error}")
        traceback.print_exc()
        print(f"  FAILED: {plan.results.failures[name]}", flush=True)
        return
    plan.results.put(name, found)
    _table(found)
    print(f"  ({time.monotonic() - began:.0f} s)", flush=True)


def _show(results: Results, chosen: Sequence[str]) -> None:
    print(f"\n{results.machine}, commit {results.commit}, seed {results.seed}")
    for name in chosen:
        print(f"\n{name}")
        _table(results.by_measurement.get(name, []))
        if name in results.failures:
            print(f"  FAILED: {results.failures[name]}")
    print(f"\nwritten to {results_file.RESULTS.name}")


def _table(figures: Sequence[Figure]) -> None:
    width = max((len(figure.name) for figure in figures), default=0)
    for figure in figures:
        goal = "" if figure.goal is None else f"goal {figure.goal:g}"
        met = {None: "", True: "met", False: "MISSED"}[figure.met]
        beside = "" if figure.rival is None else f"  rival {figure.rival:g}: {figure.ratio:g} times"
        print(
            f"  {figure.name:<{width}}  {figure.value:>10.2f} {figure.unit:<12} "
            f"{goal:<11} {met}{beside}",
            flush=True,
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=_names, help=f"some of {','.join(MEASUREMENTS)}")
    parser.add_argument("--seed", type=int, default=1, help="of pauses, names and killed moments")
    parser.add_argument("--small", action="store_true", help="tiny sizes, to see that it works")
    parser.add_argument("--single", type=int, help="signups one by one")
    parser.add_argument("--burst", type=int, help="signups at once")
    parser.add_argument("--crowd", type=int, help="builds in flight")
    parser.add_argument("--rows", type=int, help="instances in a large database")
    parser.add_argument("--mails", type=int, help="mails due in the same minute")
    parser.add_argument("--removals", type=int, help="trials that end at once")
    parser.add_argument("--largest", type=int, help="signups up to which the cost is measured")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = sorted(set(names) - set(MEASUREMENTS))
    if unknown:
        raise argparse.ArgumentTypeError(
            f"no measurement {unknown[0]!r}; there are {', '.join(MEASUREMENTS)}"
        )
    return names


def _sizes(asked: argparse.Namespace) -> Sizes:
    plain = ("single", "burst", "crowd", "rows", "mails", "removals")
    given = {name: getattr(asked, name) for name in plain}
    changes = {name: value for name, value in given.items() if value is not None}
    if asked.largest is not None:
        smaller = [size for size in COST_SIZES if size < asked.largest]
        changes["cost"] = (*smaller, asked.largest)
    return replace(SMALL if asked.small else Sizes(), **changes)


if __name__ == "__main__":
    main()
