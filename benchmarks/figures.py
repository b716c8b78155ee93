"""Figures: one measured value each, and what they are held against. Pure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


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


def times_as_fast(name: str, value: float, unit: str, rival: float, goal: float) -> Figure:
    """Return a rate beside a rival's; *goal* is the least ratio of the two."""
    ratio = value / rival
    is_met = ratio >= goal
    return Figure(name, round(value, 3), unit, goal, is_met, round(rival, 3), round(ratio, 1))


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


def largest_rise(costs: Sequence[float]) -> float:
    """Return by how many percent a cost is at most above that of a smaller size; 0: it only falls.

    *costs* in the order of their sizes.
    """
    pairs = [(low, high) for n, low in enumerate(costs) for high in costs[n + 1 :]]
    return max([0.0, *(100 * (high / low - 1) for low, high in pairs)])
