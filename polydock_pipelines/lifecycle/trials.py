"""When a trial's mails and its end fall due. All times aware UTC; days are 24 hours."""

from dataclasses import dataclass
from datetime import datetime, timedelta

DAY = timedelta(days=1)


@dataclass(frozen=True)
class MailSwitches:
    """Which reminders the app sends."""

    midtrial: bool = False
    one_day_left: bool = False


@dataclass(frozen=True)
class TrialDates:
    """None where nothing falls due."""

    ends_at: datetime | None = None
    midtrial_at: datetime | None = None
    one_day_left_at: datetime | None = None


def trial_dates(claimed_at: datetime, days: float | None, mails: MailSwitches) -> TrialDates:
    """Return the dates of a trial of *days* that was claimed at *claimed_at*.

    No days, or none left: no trial ends. The last-day reminder of a trial of a day or less comes at
    half time, and then it stands for the midtrial one.
    """
    if not days or days <= 0:
        return TrialDates()
    return dates_until(claimed_at, claimed_at + days * DAY, mails)


def dates_until(start: datetime, end: datetime, mails: MailSwitches) -> TrialDates:
    """Return the dates of a trial from *start* to *end*."""
    length = end - start
    half = start + length / 2
    last_day = end - DAY if length > DAY else half
    midtrial = half if mails.midtrial else None
    one_day_left = last_day if mails.one_day_left else None
    if midtrial and one_day_left and one_day_left <= midtrial:
        midtrial = None
    return TrialDates(end, midtrial, one_day_left)
