"""A trial's end that is moved: what lies ahead is reckoned anew, nothing is written twice."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polydock_pipelines.lifecycle.mails import MailKind, occasion
from polydock_pipelines.lifecycle.trials import (
    Extending,
    MailSwitches,
    Trial,
    TrialDates,
    TrialError,
    dates_until,
    extended_end,
    moved,
    trial_dates,
)

BOTH = MailSwitches(midtrial=True, one_day_left=True)
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
ENDS = NOON + 14 * DAY
UNWRITTEN = Trial(NOON, ENDS)


def halved(*kinds: MailKind) -> Trial:
    """Return a trial of which mails of *kinds* were written."""
    return Trial(NOON, ENDS, kinds)


def test_before_half_time_all_that_lies_ahead_moves_along() -> None:
    dates = moved(UNWRITTEN, NOON + 28 * DAY, BOTH, NOON + DAY)
    assert dates == TrialDates(NOON + 28 * DAY, NOON + 14 * DAY, NOON + 27 * DAY)


def test_half_time_is_written_of_once_however_far_the_end_is_moved() -> None:
    dates = moved(halved(MailKind.MIDTRIAL), NOON + 100 * DAY, BOTH, NOON + 8 * DAY)
    assert dates == TrialDates(NOON + 100 * DAY, None, NOON + 99 * DAY)


def test_a_moved_end_gets_a_last_reminder_of_its_own() -> None:
    trial = halved(MailKind.MIDTRIAL, MailKind.ONE_DAY_LEFT)
    dates = moved(trial, NOON + 28 * DAY, BOTH, NOON + 13.5 * DAY)
    assert dates == TrialDates(NOON + 28 * DAY, None, NOON + 27 * DAY)
    kind = MailKind.ONE_DAY_LEFT
    assert occasion(kind, 1, ENDS) != occasion(kind, 1, dates.ends_at)


@pytest.mark.parametrize("kind", [MailKind.READY, MailKind.MIDTRIAL, MailKind.TRIAL_FAILED])
def test_what_speaks_of_a_life_is_the_same_mail_whatever_the_end(kind: MailKind) -> None:
    assert occasion(kind, 1, ENDS) == occasion(kind, 1, NOON)
    assert occasion(kind, 1, ENDS) != occasion(kind, 2, ENDS)


def test_what_is_past_by_the_new_reckoning_is_made_up_for_by_one_last_reminder() -> None:
    now, told = NOON + 8.5 * DAY, replace(UNWRITTEN, written={MailKind.ONE_DAY_LEFT})
    assert moved(UNWRITTEN, NOON + 9 * DAY, BOTH, now) == TrialDates(NOON + 9 * DAY, None, now)
    assert moved(told, NOON + 9 * DAY, BOTH, now) == TrialDates(NOON + 9 * DAY, None, None)


def test_a_reminder_that_falls_on_this_very_moment_is_not_ahead() -> None:
    at_half = moved(UNWRITTEN, NOON + 10 * DAY, BOTH, NOON + 5 * DAY)
    just_before = moved(UNWRITTEN, NOON + 10 * DAY, BOTH, NOON + 5 * DAY - SECOND)
    assert (at_half.midtrial_at, just_before.midtrial_at) == (None, NOON + 5 * DAY)


@pytest.mark.parametrize("end", [NOON + DAY, NOON + DAY - SECOND, NOON - 400 * DAY])
def test_an_end_that_is_past_is_refused_with_a_way_out(end: datetime) -> None:
    with pytest.raises(TrialError, match=r"UTC is past; give an end that is to come, or remove"):
        moved(UNWRITTEN, end, BOTH, NOON + DAY)


def test_switches_that_are_off_stay_off() -> None:
    assert moved(UNWRITTEN, NOON + 28 * DAY, MailSwitches(), NOON) == TrialDates(NOON + 28 * DAY)


@given(
    days=st.integers(1, 60),
    at=st.floats(0, 0.99),
    more=st.integers(1, 24 * 60),
    written=st.sets(st.sampled_from([MailKind.MIDTRIAL, MailKind.ONE_DAY_LEFT])),
)
def test_a_moved_trial_has_only_what_is_ahead_and_in_order(
    days: int, at: float, more: int, written: set[MailKind]
) -> None:
    ends = NOON + days * DAY
    now = NOON + at * days * DAY
    dates = moved(Trial(NOON, ends, written), now + timedelta(hours=more), BOTH, now)
    assert dates.ends_at is not None
    ahead = [a for a in (dates.midtrial_at, dates.one_day_left_at) if a is not None]
    assert all(now <= a < dates.ends_at for a in ahead)
    assert ahead == sorted(set(ahead))
    assert not (MailKind.MIDTRIAL in written and dates.midtrial_at)


# -- by its person


@pytest.mark.parametrize(
    ("rule", "end"),
    [
        (Extending(), None),
        (Extending(max_days=60), None),
        (Extending(7), ENDS + 7 * DAY),
        (Extending(7, 60), ENDS + 7 * DAY),
        (Extending(7, 21), NOON + 21 * DAY),
        (Extending(30, 20), NOON + 20 * DAY),
        (Extending(7, 14), None),
        (Extending(7, 10), None),
    ],
)
def test_a_person_gets_as_much_as_the_app_allows(rule: Extending, end: datetime | None) -> None:
    assert extended_end(UNWRITTEN, rule) == end


@given(days=st.integers(1, 40), most=st.integers(1, 200), presses=st.integers(1, 30))
def test_pressing_on_comes_to_the_most_and_no_further(days: int, most: int, presses: int) -> None:
    trial = UNWRITTEN
    for _ in range(presses):
        end = extended_end(trial, Extending(days, most))
        if end is None:
            break
        assert end > trial.ends_at
        trial = Trial(NOON, end)
    assert trial.ends_at <= NOON + max(most, 14) * DAY


# -- the calendar's odd days

ODD_DAYS = [
    ("Europe/Zurich", datetime(2026, 3, 28, 12, tzinfo=UTC)),
    ("Europe/Zurich", datetime(2026, 10, 24, 12, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 7, 12, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 10, 31, 12, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 12, tzinfo=UTC)),
]


@pytest.mark.parametrize(("zone", "eve"), ODD_DAYS)
def test_a_trial_over_a_change_of_clocks_lasts_its_hours(zone: str, eve: datetime) -> None:
    local = eve.astimezone(ZoneInfo(zone))
    dates = trial_dates(local.astimezone(UTC), 2.5, BOTH)
    assert dates.ends_at is not None
    assert dates.ends_at == eve + timedelta(hours=60)
    assert dates.midtrial_at == eve + timedelta(hours=30)
    assert dates.one_day_left_at == eve + timedelta(hours=36)
    assert dates.ends_at.astimezone(ZoneInfo(zone)).utcoffset() != local.utcoffset()


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        (datetime(2028, 2, 28, 12, tzinfo=UTC), 1, datetime(2028, 2, 29, 12, tzinfo=UTC)),
        (datetime(2028, 2, 29, 12, tzinfo=UTC), 1, datetime(2028, 3, 1, 12, tzinfo=UTC)),
        (datetime(2028, 2, 29, 12, tzinfo=UTC), 366, datetime(2029, 3, 1, 12, tzinfo=UTC)),
        (datetime(2026, 2, 28, 12, tzinfo=UTC), 1, datetime(2026, 3, 1, 12, tzinfo=UTC)),
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), 1, datetime(2027, 1, 1, 23, 59, tzinfo=UTC)),
    ],
)
def test_leap_days_and_years_end_where_the_calendar_says(
    start: datetime, days: int, end: datetime
) -> None:
    assert trial_dates(start, days, BOTH).ends_at == end


@given(
    start=st.datetimes(datetime(2026, 1, 1), datetime(2032, 1, 1), timezones=st.timezones()),  # noqa: DTZ001
    days=st.integers(1, 60),
)
def test_whatever_zone_a_moment_was_said_in_the_dates_are_the_same(
    start: datetime, days: int
) -> None:
    told = start.astimezone(UTC)
    dates = dates_until(told, told + days * DAY, BOTH)
    assert dates.ends_at is not None
    assert dates.ends_at.utcoffset() == timedelta()
    assert (dates.ends_at - told).total_seconds() == days * 86_400
