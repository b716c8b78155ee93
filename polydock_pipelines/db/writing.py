"""When a change is written, and how its story is told."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

GRACE = timedelta(days=14)
Calendar = Callable[[datetime], datetime]
"""From the time to what the calendar shows then (clock.py)."""


def by_the_clock(now: datetime) -> datetime:
    """Return *now*: the calendar of every clock that is not a fast one."""
    return now


@dataclass(frozen=True)
class Writing:
    """When it happens and how the story is told."""

    now: datetime
    grace: timedelta = GRACE
    """Between a removal and the purge of its Lagoon project."""
    level: str = ""
    """Of the log line; empty: error for a failure, else info."""
    stage: str | None = None
    """What the log line speaks of."""
    calendar: Calendar = by_the_clock

    @property
    def today(self) -> datetime:
        """Return what the calendar shows: trials, grace and mails go by it."""
        return self.calendar(self.now)
