"""What a trial's calendar has due, taken in chunks: reminders to write, trials to end and remove.

Each chunk is one transaction over rows that it locks, oldest first; what others hold is left to
them. A row leaves a list by the very write that does what was due, so nothing is done twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select, text
from sqlalchemy.orm import InstrumentedAttribute, Session

from polydock_pipelines.apps.registry import APP_TYPES
from polydock_pipelines.db.mails import Wanted, write_mails
from polydock_pipelines.db.models.instances import PURGE_AHEAD, TRIAL_OPEN, TRIAL_OVER, AppInstance
from polydock_pipelines.db.models.offers import StoreApp
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle.mails import MailKind
from polydock_pipelines.lifecycle.status import Resting
from polydock_pipelines.lifecycle.table import FAILED, STATUSES, Kind, Wish, stage_of
from polydock_pipelines.lifecycle.trials import Extending, Trial, extended_end

LEAVING = (
    Resting.REMOVED.value,
    *(s for s in STATUSES if (stage := stage_of(s)) and stage.kind in (Kind.REMOVE, Kind.PURGE)),
)
"""On the way out already, or out."""
SWEPT = tuple(
    s
    for s in sorted(FAILED)
    if (stage := stage_of(s)) and stage.kind in (Kind.PROVISION, Kind.ACTIVATE, Kind.REMOVE)
)
"""Failures that are removed when nobody retries them."""
DATES: dict[MailKind, InstrumentedAttribute[datetime | None]] = {
    MailKind.MIDTRIAL: AppInstance.midtrial_email_at,
    MailKind.ONE_DAY_LEFT: AppInstance.one_day_left_email_at,
}
"""Which column says when a reminder is due."""


@dataclass(frozen=True)
class Fallen:
    """An instance for which something fell due."""

    id: int
    uuid: str
    name: str
    at: datetime
    """When, by the calendar."""


def reminders_due(kind: MailKind, today: datetime) -> Select[tuple[AppInstance]]:
    """Select the instances whose reminder of *kind* is due, the oldest first."""
    column = DATES[kind]
    return select(AppInstance).where(column <= today).order_by(column, AppInstance.id)


def ends_due(today: datetime) -> Select[tuple[AppInstance]]:
    """Select the trials whose end has come and that nobody removes yet."""
    return (
        select(AppInstance)
        .where(text(TRIAL_OPEN), AppInstance.trial_ends_at <= today, _stays())
        .order_by(AppInstance.trial_ends_at, AppInstance.id)
    )


def removals_due() -> Select[tuple[AppInstance]]:
    """Select the ended trials that nobody takes away, in whatever state they are.

    One that is asked to go after the step in hand is left to that; where the step failed, nobody
    goes on with it.
    """
    is_asked = AppInstance.wanted == Wish.REMOVE.value
    goes_by_itself = and_(is_asked, AppInstance.status.not_in(FAILED))
    return (
        select(AppInstance)
        .where(text(TRIAL_OVER), _stays(), or_(AppInstance.wanted.is_(None), ~goes_by_itself))
        .order_by(AppInstance.trial_ends_at, AppInstance.id)
    )


def purges_due(today: datetime) -> Select[tuple[AppInstance]]:
    """Select the removed instances whose grace is over, the oldest first."""
    return (
        select(AppInstance)
        .where(
            text(PURGE_AHEAD),
            AppInstance.purge_eligible_at <= today,
            AppInstance.status == Resting.REMOVED.value,
        )
        .order_by(AppInstance.purge_eligible_at, AppInstance.id)
    )


def stale_failures(before: datetime) -> Select[tuple[AppInstance]]:
    """Select what failed on its way up or out before *before*, the oldest first.

    Not upgrades: the app they left may still run, and its trial ends by itself. Not purges: those
    need a person.
    """
    return (
        select(AppInstance)
        .where(AppInstance.status.in_(SWEPT), AppInstance.updated_at < before)
        .order_by(AppInstance.updated_at, AppInstance.id)
    )


def _stays() -> ColumnElement[bool]:
    return AppInstance.status.not_in(LEAVING)


def extending(app: StoreApp) -> Extending:
    """Return how far the person of a trial may extend it: what app and app type allow."""
    longest = APP_TYPES[app.app_type].longest_trial_days
    limits = [days for days in (app.trial_max_days, longest) if days is not None]
    return Extending(app.trial_extension_days, min(limits, default=None))


def may_be_extended(row: AppInstance, app: StoreApp) -> bool:
    """Whether the person of a trial may have more time."""
    if row.trial_started_at is None or row.trial_ends_at is None:
        return False
    trial = Trial(row.trial_started_at, row.trial_ends_at)
    return extended_end(trial, extending(app)) is not None


def is_any(session: Session, chosen: Select[Any]) -> bool:
    """Whether there is one at all: most ticks find none, and shall cost little."""
    return session.execute(chosen.with_only_columns(AppInstance.id).limit(1)).first() is not None


def locked(
    session: Session, chosen: Select[tuple[AppInstance]], limit: int
) -> Sequence[AppInstance]:
    """Lock and return at most *limit* of what is chosen and nobody else has locked."""
    return session.scalars(chosen.limit(limit).with_for_update(skip_locked=True)).all()


def write_reminders(
    session: Session, kind: MailKind, how: Writing, limit: int
) -> tuple[list[Fallen], int]:
    """Write the mails of a chunk; return whose they are, and how many mails."""
    column = DATES[kind].key
    rows = locked(session, reminders_due(kind, how.today), limit)
    at = {row.id: getattr(row, column) for row in rows}
    made = write_mails(session, rows, Wanted(kind, at), how.now)
    for row in rows:
        setattr(row, column, None)
    return [Fallen(row.id, row.uuid, row.name, at[row.id]) for row in rows], made


def end_trials(session: Session, how: Writing, limit: int) -> tuple[list[Fallen], int]:
    """End the trials of a chunk: the mail that says so is written with it, and so never lost.

    Return whose they are, and how many mails.
    """
    rows = locked(session, ends_due(how.today), limit)
    at = {row.id: row.trial_ends_at for row in rows if row.trial_ends_at is not None}
    made = write_mails(session, rows, Wanted(MailKind.TRIAL_COMPLETE, at), how.now)
    for row in rows:
        row.trial_completed = True
        row.midtrial_email_at = row.one_day_left_email_at = None
    return [Fallen(row.id, row.uuid, row.name, at[row.id]) for row in rows], made
