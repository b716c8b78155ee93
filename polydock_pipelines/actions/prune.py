"""Take away history that nobody needs any more: from the oldest on, bounded in number and time.

A pile is one kind of history. Ours are made here; those that Dagster keeps are made at the rim, in
`assets.dagster_history`, because an action does not know Dagster.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.pruning import old_handovers, old_stories


class Pile(Protocol):
    """One kind of history, and what of it is too old."""

    @property
    def name(self) -> str:
        """In the plural, as an operator would say it."""
        ...

    @property
    def most(self) -> int:
        """How many of it may go in one run."""
        ...

    @property
    def batch(self) -> int:
        """How many of it go at once."""
        ...

    def due(self) -> int:
        """Return how many are too old."""
        ...

    def oldest(self) -> datetime | None:
        """Return the age of the oldest one that is kept, too old or not."""
        ...

    def take(self, most: int) -> int:
        """Delete at most *most* of the oldest; return how many. Safe to be cut off anywhere."""
        ...


@dataclass(frozen=True)
class Keep:
    """For how long history is kept."""

    runs: timedelta = timedelta(days=14)
    """Finished runs, and what leads to them."""
    logs: timedelta = timedelta(days=90)
    """The stories of removed instances."""


@dataclass(frozen=True)
class Pruned:
    """What became of one pile."""

    name: str
    deleted: int
    left: int
    """Too old, and yet there: the next run goes on."""
    oldest: datetime | None


def own_piles(db: Database, keep: Keep, now: datetime, most: int) -> list[Pile]:
    """Return what is too old in our own tables; at most *most* rows of each table go in one run."""
    return [old_handovers(db, now - keep.runs, most), *old_stories(db, now - keep.logs, most)]


def plan(piles: Sequence[Pile]) -> dict[str, int]:
    """Return how many of each pile are too old; empty when there is nothing to do."""
    return {pile.name: due for pile in piles if (due := pile.due())}


def prune(piles: Sequence[Pile], is_time_up: Callable[[], bool]) -> list[Pruned]:
    """Take away what is too old, pile by pile, until each is done or the time is up."""
    return [_pruned(pile, _take_away(pile, is_time_up)) for pile in piles]


def look(piles: Sequence[Pile]) -> list[Pruned]:
    """Return what `prune` would find, and delete nothing."""
    return [_pruned(pile, 0) for pile in piles]


def _take_away(pile: Pile, is_time_up: Callable[[], bool]) -> int:
    gone = 0
    while gone < pile.most and not is_time_up():
        wanted = min(pile.batch, pile.most - gone)
        taken = pile.take(wanted)
        gone += taken
        if taken < wanted:
            break
    return gone


def _pruned(pile: Pile, deleted: int) -> Pruned:
    return Pruned(pile.name, deleted, pile.due(), pile.oldest())
