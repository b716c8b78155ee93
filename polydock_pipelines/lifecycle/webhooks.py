"""When a webhook's message is tried, put off and given up, and what waits behind it.

The pauses are those that Standard Webhooks 1.0.0 proposes: a message is tried for three days.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

SUCCESS = range(200, 300)
GONE = 410
"""The receiver wants nothing any more, by its own word."""
PAUSES = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=h) for h in (2, 5, 10, 14, 20, 24)),
)
"""After the first, second, … failed attempt."""
MOST_ATTEMPTS = len(PAUSES) + 1
JITTER = 0.1
"""So much longer at most, as a part: what failed together shall not come back together."""
LONGEST_RETRY_AFTER = timedelta(hours=24)
"""More than this nobody may put us off: the message would be stale, its secret perhaps another."""
HOLDS_FOR_ATTEMPTS = 3
"""From this failed attempt on, later events of its instance overtake it."""
DISABLED_AFTER = timedelta(days=5)
"""An address that failed for so long, and took nothing meanwhile, is not tried any more."""


class DeliveryState(StrEnum):
    """Where the message of one event to one webhook stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True)
class Next:
    """What follows an attempt."""

    state: DeliveryState
    due_at: datetime | None = None
    """Of the next attempt, while it is pending."""
    is_refused_for_good: bool = False
    """The webhook is to be disabled at once."""


def after_attempt(
    attempt: int,
    status: int | None,
    now: datetime,
    *,
    chance: float,
    retry_after: timedelta | None = None,
) -> Next:
    """Return what follows the *attempt*th attempt, counted from 1, that ended at *now*.

    *status* is the HTTP status of the answer, None when there was none. *chance*, from 0 to 1,
    draws the jitter. What a receiver asks for (Retry-After) makes a pause longer, never shorter.
    """
    if status in SUCCESS:
        return Next(DeliveryState.DELIVERED)
    if status == GONE:
        return Next(DeliveryState.FAILED, is_refused_for_good=True)
    if attempt >= MOST_ATTEMPTS:
        return Next(DeliveryState.FAILED)
    pause = PAUSES[attempt - 1] * (1 + JITTER * chance)
    asked = min(retry_after or timedelta(0), LONGEST_RETRY_AFTER)
    return Next(DeliveryState.PENDING, due_at=now + max(pause, asked))


def holds_back(state: DeliveryState, failed_attempts: int) -> bool:
    """Whether later events of the same instance wait for this one, at the same webhook."""
    return state is DeliveryState.PENDING and failed_attempts < HOLDS_FOR_ATTEMPTS


def is_past_hope(failing_since: datetime | None, now: datetime) -> bool:
    """Whether a webhook is to be disabled that failed at *now*, and took nothing since then."""
    return failing_since is not None and now - failing_since >= DISABLED_AFTER
