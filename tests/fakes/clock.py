"""A clock that stands still until it is told to move."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


class FakeClock:
    """`ports.Clock`; `at` may be set, `advance` moves it."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def calendar(self, now: datetime) -> datetime:
        return now

    def advance(self, by: timedelta | float) -> datetime:
        """Move on by a timedelta, or by seconds, and return the new time."""
        self.at += by if isinstance(by, timedelta) else timedelta(seconds=by)
        return self.at
