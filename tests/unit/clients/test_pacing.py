"""A pace: who would wait too long is told so, and asks anew the next time."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from polydock_pipelines.clients.pacing import LONGEST_WAIT, Pace
from polydock_pipelines.ports import ThrottledError

NOW, LATE = timedelta(), LONGEST_WAIT + timedelta(seconds=1)


def a_pace(per_minute: int, turns: list[timedelta], slept: Callable[[float], None]) -> Pace:
    left = iter(turns)
    return Pace(per_minute, lambda _count: next(left), slept, of="a thing")


def test_a_turn_that_has_come_is_not_waited_for() -> None:
    slept = list[float]()
    pace = a_pace(60, [NOW, NOW], slept.append)
    pace.wait()
    pace.wait()
    assert slept == []


def test_a_turn_that_is_near_is_waited_for() -> None:
    slept = list[float]()
    a_pace(60, [timedelta(seconds=9)], slept.append).wait()
    assert len(slept) == 1
    assert 0 < slept[0] <= 9


def test_who_was_too_early_asks_anew_the_next_time() -> None:
    slept = list[float]()
    pace = a_pace(1200, [LATE, LATE, NOW], slept.append)
    for _ in range(2):
        with pytest.raises(ThrottledError, match="a thing"):
            pace.wait()
    for _ in range(10):  # half a second's worth at a time
        pace.wait()
    assert slept == []
