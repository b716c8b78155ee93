"""When a webhook's message is tried again, and what waits behind it."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polydock_pipelines.lifecycle.webhooks import (
    DISABLED_AFTER,
    JITTER,
    MOST_ATTEMPTS,
    PAUSES,
    DeliveryState,
    Next,
    after_attempt,
    holds_back,
    is_past_hope,
)
from tests.fakes.clock import START

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
FAILURES = [None, 301, 302, 307, 400, 401, 404, 429, 500, 502, 503, 599]
AFTER = {
    1: "0:00:05",
    2: "0:05:00",
    3: "0:30:00",
    4: "2:00:00",
    5: "5:00:00",
    6: "10:00:00",
    7: "14:00:00",
    8: "20:00:00",
    9: "1 day, 0:00:00",
}


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
@pytest.mark.parametrize("attempt", [1, MOST_ATTEMPTS])
def test_any_2xx_is_taken(status: int, attempt: int) -> None:
    assert after_attempt(attempt, status, START, chance=0) == Next(DeliveryState.DELIVERED)


@pytest.mark.parametrize("status", FAILURES)
@pytest.mark.parametrize(("attempt", "pause"), AFTER.items())
def test_everything_else_is_tried_again(status: int | None, attempt: int, pause: str) -> None:
    follows = after_attempt(attempt, status, START, chance=0)
    assert follows.state is DeliveryState.PENDING
    assert follows.due_at is not None
    assert str(follows.due_at - START) == pause
    assert not follows.is_refused_for_good


@pytest.mark.parametrize("status", FAILURES)
def test_after_the_tenth_attempt_it_has_failed(status: int | None) -> None:
    assert MOST_ATTEMPTS == 10
    given_up = after_attempt(10, status, START, chance=0.5, retry_after=HOUR)
    assert given_up == Next(DeliveryState.FAILED)


def test_a_message_is_tried_for_three_days() -> None:
    assert 3 * DAY < sum(PAUSES, timedelta()) < 4 * DAY < DISABLED_AFTER


@pytest.mark.parametrize("attempt", [1, 5, 10])
def test_410_ends_it_at_once_and_the_webhook_with_it(attempt: int) -> None:
    ended = after_attempt(attempt, 410, START, chance=0, retry_after=HOUR)
    assert ended == Next(DeliveryState.FAILED, is_refused_for_good=True)


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (timedelta(0), 5 * SECOND),
        (SECOND, 5 * SECOND),  # sooner than we would have come
        (HOUR, HOUR),
        (DAY, DAY),
        (DAY + SECOND, DAY),
        (365 * DAY, DAY),
    ],
)
def test_a_receiver_may_put_us_off_but_not_for_ever(asked: timedelta, granted: timedelta) -> None:
    follows = after_attempt(1, 429, START, chance=0, retry_after=asked)
    assert follows.due_at == START + granted


@given(
    attempt=st.integers(1, MOST_ATTEMPTS - 1),
    chance=st.floats(0, 1),
    later=st.timedeltas(timedelta(0), 36_500 * DAY),
)
def test_jitter_makes_a_pause_a_tenth_longer_at_most(
    attempt: int, chance: float, later: timedelta
) -> None:
    now = START + later
    due_at = after_attempt(attempt, 500, now, chance=chance).due_at
    assert due_at is not None
    assert PAUSES[attempt - 1] <= due_at - now <= PAUSES[attempt - 1] * (1 + JITTER)


@pytest.mark.parametrize(
    ("state", "failed_attempts", "holds"),
    [
        (DeliveryState.PENDING, 0, True),
        (DeliveryState.PENDING, 2, True),
        (DeliveryState.PENDING, 3, False),  # about five minutes after it was to go
        (DeliveryState.PENDING, 9, False),
        (DeliveryState.DELIVERED, 0, False),
        (DeliveryState.FAILED, 0, False),
        (DeliveryState.FAILED, 10, False),
    ],
)
def test_an_event_holds_later_ones_back_until_its_third_failure(
    state: DeliveryState, failed_attempts: int, *, holds: bool
) -> None:
    assert holds_back(state, failed_attempts) is holds


@pytest.mark.parametrize(
    ("failing_for", "is_over"),
    [
        (None, False),
        (timedelta(0), False),
        (-DAY, False),  # the clock went back
        (DISABLED_AFTER - SECOND, False),
        (DISABLED_AFTER, True),
    ],
)
def test_five_days_without_one_success_are_enough(
    failing_for: timedelta | None, *, is_over: bool
) -> None:
    since = None if failing_for is None else START - failing_for
    assert is_past_hope(since, START) is is_over
