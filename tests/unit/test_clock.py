"""The one clock and the setting that shifts it."""

from datetime import UTC, datetime, timedelta

import pytest

from polydock_pipelines.clock import Clock, ClockError, parse_clock


def now() -> datetime:
    return datetime.now(UTC)


def test_without_a_setting_it_is_the_time_on_the_wall() -> None:
    clock = parse_clock("")
    assert clock.is_real
    assert abs(clock.now() - now()) < timedelta(seconds=1)
    assert clock.now().tzinfo is UTC


@pytest.mark.parametrize("seconds", [3600, -86400.5, 0])
def test_an_offset_shifts_it(seconds: float) -> None:
    clock = parse_clock(f"offset:{seconds}")
    shifted = clock.now() - now()
    assert abs(shifted - timedelta(seconds=seconds)) < timedelta(seconds=1)
    assert clock.is_real is (seconds == 0)


def test_a_rate_makes_it_run_from_a_shared_start() -> None:
    start = now().timestamp() - 10
    clock = parse_clock(f"rate:3600@{start}")
    assert abs((clock.calendar(now()).timestamp() - start) - 36_000) < 3600
    assert clock == parse_clock(f"rate:3600@{start}")
    assert not clock.is_real


def test_a_rate_without_a_start_begins_now() -> None:
    assert abs(parse_clock("rate:1000").calendar(now()) - now()) < timedelta(seconds=60)


def test_only_the_calendar_is_fast() -> None:
    start = now().timestamp() - 10
    assert abs(parse_clock(f"rate:3600@{start}").now() - now()) < timedelta(seconds=1)


@pytest.mark.parametrize("text", ["", "offset:86400"])
def test_other_clocks_have_the_calendar_of_their_time(text: str) -> None:
    clock = parse_clock(text)
    moment = clock.now()
    assert clock.calendar(moment) == moment


def test_a_rate_of_one_is_real_time() -> None:
    assert parse_clock("rate:1").is_real


@pytest.mark.parametrize(
    "text",
    [
        "fast",
        "offset",
        "offset:",
        "offset:soon",
        "offset:nan",
        "offset:inf",
        "offset:-1e300",
        "offset:1e12",
        "rate:",
        "rate:x",
        "rate:0",
        "rate:-2",
        "rate:nan",
        "rate:inf",
        "rate:1e12",
        "rate:2@x",
        "rate:2@nan",
        "rate:2@1e300",
        "speed:2",
        "2",
    ],
)
def test_what_is_no_clock_is_refused_and_the_shape_is_told(text: str) -> None:
    with pytest.raises(ClockError, match="expected offset:SECONDS or rate:FACTOR"):
        parse_clock(text)


def test_two_readers_of_one_clock_agree() -> None:
    one, other = Clock(rate=100, epoch_s=5), Clock(rate=100, epoch_s=5)
    assert abs(one.now() - other.now()) < timedelta(seconds=10)
