"""The one clock: real, shifted or fast. All our processes and the simulator read the same.

A fast clock has a fast calendar only. Leases, pauses and deadlines are measured against things that
keep real time, such as builds and heartbeats; trials, their grace and their mails go by the
calendar (docs/adr/0011).
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

FASTEST = 1_000_000.0
"""Eleven days a second; beyond it the calendar ends within the hour."""


class ClockError(ValueError):
    """POLYDOCK_CLOCK is not understood."""


@dataclass(frozen=True)
class Clock:
    """Time shifted by *offset_s*, whose calendar runs *rate* times as fast from *epoch_s* on."""

    offset_s: float = 0.0
    rate: float = 1.0
    epoch_s: float = 0.0
    """Unix seconds at which a fast calendar and the real one showed the same."""

    def now(self) -> datetime:
        """Return the time, aware UTC."""
        return datetime.fromtimestamp(time.time() + self.offset_s, UTC)

    def calendar(self, now: datetime) -> datetime:
        """Return what the calendar shows at *now*: the same, unless the clock is a fast one."""
        if self.rate == 1.0:
            return now
        epoch = datetime.fromtimestamp(self.epoch_s + self.offset_s, UTC)
        return epoch + (now - epoch) * self.rate

    @property
    def is_real(self) -> bool:
        """Whether this is the time on the wall."""
        return self.offset_s == 0.0 and self.rate == 1.0


def parse_clock(text: str) -> Clock:
    """Return the clock of a setting: '', `offset:SECONDS` or `rate:FACTOR[@UNIX_SECONDS]`.

    A fast clock without its start begins now; `polydock up` passes the start on, so that all
    processes agree.
    """
    if not text:
        return Clock()
    try:
        clock = _clock(text)
        clock.calendar(clock.now())
    except (ValueError, OverflowError, OSError):
        raise ClockError(
            f"expected offset:SECONDS or rate:FACTOR[@UNIX_SECONDS], got {text!r}"
        ) from None
    return clock


def _clock(text: str) -> Clock:
    word, _, value = text.partition(":")
    factor, _, start = value.partition("@")
    if word == "offset":
        return Clock(offset_s=float(value))
    if word == "rate" and 0 < float(factor) <= FASTEST:
        return Clock(rate=float(factor), epoch_s=float(start) if start else time.time())
    raise ValueError
