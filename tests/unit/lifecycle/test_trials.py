from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polydock_pipelines.lifecycle.trials import MailSwitches, TrialDates, dates_until, trial_dates

BOTH = MailSwitches(midtrial=True, one_day_left=True)
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def test_the_midtrial_mail_falls_due_at_half_time_and_the_other_a_day_before_the_end() -> None:
    dates = trial_dates(NOON, 14, BOTH)
    assert dates == TrialDates(NOON + 14 * DAY, NOON + 7 * DAY, NOON + 13 * DAY)


def test_an_odd_number_of_days_has_its_half_time_at_night() -> None:
    assert trial_dates(NOON, 3, BOTH).midtrial_at == datetime(2026, 5, 6, 0, tzinfo=UTC)


@pytest.mark.parametrize("days", [1, 0.5, 0.1])
def test_a_trial_of_a_day_or_less_is_reminded_once_at_half_time(days: float) -> None:
    dates = trial_dates(NOON, days, BOTH)
    assert dates.one_day_left_at == NOON + days * DAY / 2
    assert dates.midtrial_at is None


def test_a_short_trial_without_the_last_reminder_keeps_the_midtrial_one() -> None:
    dates = trial_dates(NOON, 1, MailSwitches(midtrial=True))
    assert dates.midtrial_at == NOON + DAY / 2
    assert dates.one_day_left_at is None


def test_a_trial_of_two_days_is_reminded_once_because_both_fall_together() -> None:
    dates = trial_dates(NOON, 2, BOTH)
    assert dates == TrialDates(NOON + 2 * DAY, None, NOON + DAY)


def test_a_trial_of_a_little_more_than_a_day_is_not_reminded_twice() -> None:
    dates = trial_dates(NOON, 1.5, BOTH)
    assert dates == TrialDates(NOON + 1.5 * DAY, None, NOON + 0.5 * DAY)


def test_switches_that_are_off_leave_only_the_end() -> None:
    assert trial_dates(NOON, 14, MailSwitches()) == TrialDates(NOON + 14 * DAY)


@pytest.mark.parametrize("days", [None, 0, -1, 0.0])
def test_without_days_nothing_falls_due(days: float | None) -> None:
    assert trial_dates(NOON, days, BOTH) == TrialDates()


@pytest.mark.parametrize(
    "start",
    [datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)],
    ids=["summer time begins", "summer time ends"],
)
def test_a_day_has_24_hours_also_when_clocks_change(start: datetime) -> None:
    dates = trial_dates(start, 2, BOTH)
    assert dates.ends_at == start + timedelta(hours=48)
    assert dates.ends_at is not None
    berlin = ZoneInfo("Europe/Berlin")
    assert dates.ends_at.astimezone(berlin).hour != start.astimezone(berlin).hour


def test_a_trial_goes_through_a_leap_day() -> None:
    dates = trial_dates(datetime(2028, 2, 27, 12, tzinfo=UTC), 4, BOTH)
    assert dates.midtrial_at == datetime(2028, 2, 29, 12, tzinfo=UTC)
    assert dates.ends_at == datetime(2028, 3, 2, 12, tzinfo=UTC)


@given(
    start=st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    hours=st.integers(1, 24 * 400),
    midtrial=st.booleans(),
    one_day_left=st.booleans(),
)
def test_reminders_come_in_order_and_within_the_trial(
    start: datetime,
    hours: int,
    midtrial: bool,  # noqa: FBT001
    one_day_left: bool,  # noqa: FBT001
) -> None:
    end = start + timedelta(hours=hours)
    dates = dates_until(start, end, MailSwitches(midtrial, one_day_left))
    reminders = [at for at in (dates.midtrial_at, dates.one_day_left_at) if at is not None]
    assert all(start < at < end for at in reminders)
    assert reminders == sorted(set(reminders))
    assert (dates.one_day_left_at is not None) is one_day_left
    assert bool(reminders) is (midtrial or one_day_left)
