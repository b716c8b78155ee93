"""Figures and their table; the file that `make bench` leaves."""

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "latest.json"


@dataclass(frozen=True)
class Figure:
    """One measured value, and the goal it is held against (None: no goal is set)."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    met: bool | None = None
    rival: float | None = None
    ratio: float | None = None


def at_most(name: str, value: float, unit: str, goal: float) -> Figure:
    """Return a figure that is good when small."""
    return Figure(name, round(value, 3), unit, goal, value <= goal)


def at_least(name: str, value: float, unit: str, goal: float) -> Figure:
    """Return a figure that is good when large."""
    return Figure(name, round(value, 3), unit, goal, value >= goal)


def plain(name: str, value: float, unit: str) -> Figure:
    """Return a figure without a goal."""
    return Figure(name, round(value, 3), unit)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value that *percent* of *values* do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = max(1, -(-percent * len(ordered) // 100))
    return ordered[rank - 1]


def median(values: Sequence[float]) -> float:
    """Return the middle value."""
    return statistics.median(values)


def write(figures: Sequence[Figure], seed: int) -> None:
    """Write what was measured, where and at which commit."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    found = {
        "machine": machine(),
        "commit": commit(),
        "seed": seed,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "results": [asdict(figure) for figure in figures],
    }
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")


def show(figures: Sequence[Figure]) -> None:
    """Print the table."""
    print(f"\n{machine()}, commit {commit()}\n")
    width = max(len(figure.name) for figure in figures)
    for figure in figures:
        goal = "" if figure.goal is None else f"goal {figure.goal:g}"
        met = {None: "", True: "met", False: "MISSED"}[figure.met]
        print(f"{figure.name:<{width}}  {figure.value:>10.2f} {figure.unit:<14} {goal:<12} {met}")


def machine() -> str:
    """Say what this machine is, without its name."""
    gibibytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    python = platform.python_version()
    return f"{cores} cores, {gibibytes:.0f} GiB, {platform.machine()}, Python {python}"


def commit() -> str:
    """Return the short hash of the checkout, with + when it holds more."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        dirty = subprocess.run(
            ["git", "status", "--porcelain"], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}{'+' if dirty else ''}"
