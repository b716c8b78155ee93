"""Requests a minute are read off a count that was looked at now and then."""

import pytest

from benchmarks.removals import most_in


@pytest.mark.parametrize(
    ("seen", "most"),
    [
        ([], 0),
        ([(0, 5)], 0),
        ([(0, 0), (30, 40)], 40),
        ([(0, 0), (60, 100), (120, 300)], 200),
        ([(0, 0), (30, 0), (45, 90), (120, 90)], 90),
        ([(0, 0), (40, 0), (80, 400), (120, 400)], 400),
        ([(0, 0), (90, 180)], 120),
    ],
    ids=["nothing", "one look", "less than a minute", "two", "a burst", "between", "even"],
)
def test_the_most_in_a_minute(seen: list[tuple[float, int]], most: float) -> None:
    assert most_in(seen, 60) == most
