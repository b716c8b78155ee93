"""How large each measurement is, and what those before it found."""

from dataclasses import dataclass, field

from benchmarks.results_file import Results

COST_SIZES = (10, 100, 1_000, 10_000)


@dataclass(frozen=True)
class Sizes:
    """The issue's sizes; `SMALL` ones only show that a measurement works."""

    single: int = 20
    burst: int = 500
    naive: int = 20
    cost: tuple[int, ...] = COST_SIZES[:-1]
    """Without the largest, which takes as long as all else; `--largest 10000` measures it."""
    crowd: int = 1_000
    rows: int = 1_000_000
    looks: int = 50
    due: int = 1_000
    """So many trials fall due at once in each list of the calendar."""
    ticks: int = 20
    mails: int = 10_000
    removals: int = 2_000
    idle_warm_s: float = 30.0
    idle_s: float = 120.0
    history: int = 30
    recovery: int = 32


SMALL = Sizes(
    single=2,
    burst=40,
    naive=4,
    cost=(5, 20, 40),
    crowd=60,
    rows=50_000,
    looks=10,
    due=100,
    ticks=3,
    mails=300,
    removals=20,
    idle_warm_s=5.0,
    idle_s=20.0,
    history=6,
    recovery=16,
)


@dataclass(frozen=True)
class Plan:
    """What a measurement is told."""

    sizes: Sizes
    seed: int
    results: Results = field(repr=False)
    """Of the measurements before it."""
