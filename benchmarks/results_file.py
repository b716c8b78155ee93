"""The file that `make bench` leaves: what was measured, where, at which commit, from which seed.

It is written after each measurement, so that a bench that is cut short leaves what it has.
"""

import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure

RESULTS = Path(__file__).parent / "results" / "latest.json"


@dataclass
class Results:
    """Figures by the measurement that they come from, in the order in which they were made."""

    machine: str
    commit: str
    seed: int
    by_measurement: dict[str, list[Figure]] = field(default_factory=dict[str, list[Figure]])
    failures: dict[str, str] = field(default_factory=dict[str, str])
    """Why a measurement gave no figures."""

    def put(self, measurement: str, figures: Sequence[Figure]) -> None:
        """Take the figures of a measurement in place of its earlier ones."""
        self.failures.pop(measurement, None)
        self.by_measurement[measurement] = list(figures)

    def fail(self, measurement: str, why: str) -> None:
        """Note that a measurement failed; its earlier figures would be taken for its own."""
        self.by_measurement.pop(measurement, None)
        self.failures[measurement] = why

    def value(self, name: str) -> float | None:
        """Return the value of a figure, if it was measured."""
        found = (f for of in self.by_measurement.values() for f in of if f.name == name)
        return next((figure.value for figure in found), None)

    def as_json(self) -> dict[str, Any]:
        """Return the file's content (INTERFACE.md), each figure with its measurement."""
        return {
            "machine": self.machine,
            "commit": self.commit,
            "seed": self.seed,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "results": [
                {**asdict(figure), "measurement": name}
                for name, figures in self.by_measurement.items()
                for figure in figures
            ],
            "failures": self.failures,
        }

    def write(self, path: Path = RESULTS) -> None:
        """Write the file whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(self.as_json(), indent=2, ensure_ascii=False) + "\n")
        draft.replace(path)


def read(path: Path = RESULTS) -> dict[str, Any]:
    """Return the file's content."""
    return json.loads(path.read_text())


def from_json(found: Mapping[str, Any]) -> Results:
    """Return what a file holds."""
    results = Results(found["machine"], found["commit"], found["seed"])
    results.failures.update(found.get("failures", {}))
    for one in found["results"]:
        values = dict(one)
        group = values.pop("measurement", "")
        results.by_measurement.setdefault(group, []).append(Figure(**values))
    return results


def begin(seed: int, *, partial: bool, path: Path = RESULTS) -> Results:
    """Return the results to add to.

    A partial bench goes on with the file's when machine and commit are the same; any other begins
    anew: figures of two commits side by side would lie.
    """
    fresh = Results(machine(), commit(), seed)
    if not (partial and path.exists()):
        return fresh
    earlier = from_json(read(path))
    is_same = (earlier.machine, earlier.commit) == (fresh.machine, fresh.commit)
    return earlier if is_same else fresh


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
