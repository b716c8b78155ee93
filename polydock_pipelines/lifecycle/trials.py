"""When a trial's mails and its end fall due. All times aware UTC; days are 24 hours."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from polydock_pipelines.lifecycle.mails import MailKind

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


class TrialError(Exception):
    """A trial cannot be moved or kept as somebody asked; the text says what is possible."""


@dataclass(frozen=True)
class Trial:
    """A trial that runs."""

    started_at: datetime
    ends_at: datetime
    written: Collection[MailKind] = ()
    """What was written in this life and is not written again."""


def moved(trial: Trial, end: datetime, mails: MailSwitches, now: datetime) -> TrialDates:
    """Return the dates of a trial whose end is moved to *end*: only what lies ahead.

    What was written is not written again, save the last-day reminder, which speaks of one end.
    TrialError for an end that is past.
    """
    if end <= now:
        raise TrialError(
            f"{end:%Y-%m-%d %H:%M:%S} UTC is past; give an end that is to come, or remove it"
        )
    dates = dates_until(trial.started_at, end, mails)
    has_midtrial = MailKind.MIDTRIAL not in trial.written
    return TrialDates(
        ends_at=end,
        midtrial_at=_ahead(dates.midtrial_at, now) if has_midtrial else None,
        one_day_left_at=_ahead(dates.one_day_left_at, now) or _at_once(trial, dates, now),
    )


def _at_once(trial: Trial, dates: TrialDates, now: datetime) -> datetime | None:
    """Return now where the last day has begun and nobody was ever told that it would."""
    is_told = MailKind.ONE_DAY_LEFT in trial.written
    return None if is_told or dates.one_day_left_at is None else now


def _ahead(moment: datetime | None, now: datetime) -> datetime | None:
    return moment if moment is not None and moment > now else None


@dataclass(frozen=True)
class Extending:
    """How far a person may extend a trial without asking anybody."""

    days: int | None = None
    """By so much at a time; None: not at all."""
    max_days: int | None = None
    """So long may a trial become, from its start on; None: no limit."""


def extended_end(trial: Trial, rule: Extending) -> datetime | None:
    """Return the end that a trial gets when its person extends it; None when they may not."""
    if rule.days is None:
        return None
    end = trial.ends_at + rule.days * DAY
    if rule.max_days is not None:
        end = min(end, trial.started_at + rule.max_days * DAY)
    return end if end > trial.ends_at else None
