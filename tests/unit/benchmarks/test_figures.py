"""What a figure says of its goal, and the sums behind some."""

import pytest

from benchmarks.figures import (
    at_least,
    at_most,
    largest_rise,
    median,
    percentile,
    plain,
    times_as_fast,
)


def test_a_figure_says_whether_its_goal_is_met() -> None:
    assert (at_most("a", 5.0, "s", 5).met, at_most("a", 5.1, "s", 5).met) == (True, False)
    assert (at_least("a", 5.0, "s", 5).met, at_least("a", 4.9, "s", 5).met) == (True, False)
    assert (plain("a", 1.0, "s").goal, plain("a", 1.0, "s").met) == (None, None)


def test_a_rate_beside_a_rival_is_held_against_the_ratio() -> None:
    figure = times_as_fast("ours", 5.0, "/s", rival=0.4, goal=10)
    assert (figure.ratio, figure.met, figure.rival) == (12.5, True, 0.4)
    assert times_as_fast("ours", 5.0, "/s", rival=0.6, goal=10).met is False


@pytest.mark.parametrize(("percent", "value"), [(50, 2), (75, 3), (76, 4), (95, 4), (100, 4)])
def test_a_percentile_is_a_value_that_was_measured(percent: int, value: int) -> None:
    assert percentile([4, 1, 3, 2], percent) == value


def test_the_median_is_the_middle() -> None:
    assert median([9, 1, 2]) == 2


def test_a_cost_that_falls_does_not_rise() -> None:
    assert largest_rise([4.0, 1.0, 0.5]) == 0.0
    assert largest_rise([4.0]) == 0.0


def test_a_rise_counts_from_the_cheapest_smaller_size() -> None:
    assert largest_rise([4.0, 1.0, 1.5]) == pytest.approx(50.0)
