"""Move the end of a trial, or turn it into an instance that is kept."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from polydock_pipelines.actions.operate import Asked, asked, find
from polydock_pipelines.apps.registry import APP_TYPES
from polydock_pipelines.db.arrivals import set_dates, switches_of
from polydock_pipelines.db.door import add_log, write
from polydock_pipelines.db.leases import Book, is_held
from polydock_pipelines.db.mails import written_in_this_life
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.offers import StoreApp
from polydock_pipelines.db.trials import LEAVING, extending
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle.table import Wish
from polydock_pipelines.lifecycle.transitions import call_back
from polydock_pipelines.lifecycle.trials import (
    DAY,
    Trial,
    TrialDates,
    TrialError,
    extended_end,
    moved,
)


@dataclass(frozen=True)
class End:
    """A trial's end as somebody asks for it: a moment, or so many days after the end it has."""

    at: datetime | None = None
    """By the calendar, aware."""
    days: int | None = None


def extend_trial(
    book: Book, which: str, end: End, now: datetime, *, by: str, reason: str = ""
) -> Asked:
    """Give a trial another end. TrialError when it has none to move, or that one is past."""
    with book.db.write() as session:
        row = find(session, which)
        trial = _trial(session, row, book.writing(now))
        new_end = _end(trial, end)
        _move(session, row, trial, new_end, book.writing(now))
        add_log(session, row, asked(f"{_until(row)},", by, reason), now=now)
        return Asked(row.uuid, row.name, row.status, _until(row))


def _end(trial: Trial, end: End) -> datetime:
    try:
        return end.at or trial.ends_at + timedelta(days=end.days or 0)
    except OverflowError:
        raise TrialError(f"no calendar goes on for {end.days} days; give fewer") from None


def keep_instance(book: Book, which: str, now: datetime, *, by: str, reason: str = "") -> Asked:
    """Turn a trial into an instance that nothing ends. TrialError when it is on its way out."""
    with book.db.write() as session:
        row = find(session, which)
        if not row.is_trial:
            return Asked(row.uuid, row.name, row.status, "it is kept already")
        _call_back(session, row, book.writing(now))
        row.is_trial = row.trial_completed = False
        set_dates(row, TrialDates())
        row.updated_at = now
        add_log(session, row, asked("keeping it", by, reason), now=now)
        return Asked(row.uuid, row.name, row.status, "it is kept; nothing ends it any more")


@dataclass(frozen=True)
class Offer:
    """What a person who opens the page of an extension is shown."""

    app_name: str
    instance_name: str
    ends_at: datetime
    extended_end: datetime | None
    """None: it cannot be extended, or not again."""


def read_offer(book: Book, uuid: str, now: datetime) -> Offer | None:
    """Return what the person may have; None when there is no trial of that uuid that runs."""
    with book.db.read() as session:
        row = session.query(AppInstance).filter_by(uuid=uuid).one_or_none()
        if row is None:
            return None
        try:
            trial = _trial(session, row)
        except TrialError:
            return None
        if _has_ended(row, trial, book.calendar(now)):
            return None
        app = session.get_one(StoreApp, row.store_app_id)
        return Offer(app.name, row.name, trial.ends_at, extended_end(trial, extending(app)))


def extend_by_person(book: Book, uuid: str, seen_end: datetime, now: datetime) -> datetime:
    """Extend a trial as its person asks on the page that showed *seen_end*; return the new end.

    Pressing the button twice extends once: the second press speaks of an end that is no more.
    """
    with book.db.write() as session:
        row = find(session, uuid)
        trial = _trial(session, row)
        if _has_ended(row, trial, book.calendar(now)):
            raise TrialError("This trial has ended.")
        if trial.ends_at > seen_end:
            return trial.ends_at
        end = extended_end(trial, extending(session.get_one(StoreApp, row.store_app_id)))
        if end is None:
            raise TrialError("This trial cannot be extended any further.")
        _move(session, row, trial, end, book.writing(now))
        add_log(session, row, f"{_until(row)}, by the person's link", now=now)
        return end


def _has_ended(row: AppInstance, trial: Trial, today: datetime) -> bool:
    """Whether it is too late for its person; an operator may still give it another end."""
    return row.trial_completed or trial.ends_at <= today


def _trial(session: Session, row: AppInstance, how: Writing | None = None) -> Trial:
    """Return the trial that runs; with *how*, a removal that has not begun is called off."""
    if not row.is_trial:
        raise TrialError(f"{row.name} is no trial: nothing ends it")
    if how is None:
        _refuse_leaving(row)
    else:
        _call_back(session, row, how)
    if row.trial_started_at is None or row.trial_ends_at is None:
        raise TrialError(f"{row.name} is {row.status}: its trial has not begun, or has no end")
    return Trial(row.trial_started_at, row.trial_ends_at, written_in_this_life(session, row))


def _call_back(session: Session, row: AppInstance, how: Writing) -> None:
    """Take a removal back that was asked for and that nobody has begun. TrialError when it is."""
    can_turn = not is_held(row, how.now)
    change = call_back(row.status, row.running_before, row.attempt) if can_turn else None
    if change is not None:
        row.handed_until = None
        write(session, row, change, how)
    elif row.status not in LEAVING and row.wanted == Wish.REMOVE.value:
        row.wanted = None
        add_log(session, row, "its removal was called off", now=how.now)
    _refuse_leaving(row)


def _refuse_leaving(row: AppInstance) -> None:
    if row.status in LEAVING or row.wanted == Wish.REMOVE.value:
        what = "purged" if row.purged_at else row.status
        raise TrialError(
            f"{row.name} is {what}: its removal cannot be undone by that; "
            "within the grace period `polydock instances restore` builds it anew"
        )


def _move(session: Session, row: AppInstance, trial: Trial, end: datetime, how: Writing) -> None:
    app = session.get_one(StoreApp, row.store_app_id)
    longest = APP_TYPES[app.app_type].longest_trial_days
    if longest is not None and end > trial.started_at + longest * DAY:
        latest = trial.started_at + longest * DAY
        raise TrialError(
            f"an app of the type {app.app_type} lasts {longest} days at most, so until "
            f"{latest:%Y-%m-%d %H:%M} UTC"
        )
    set_dates(row, moved(trial, end, switches_of(app), how.today))
    row.trial_completed, row.updated_at = False, how.now


def _until(row: AppInstance) -> str:
    return f"its trial ends {row.trial_ends_at:%Y-%m-%d %H:%M:%S} UTC"
