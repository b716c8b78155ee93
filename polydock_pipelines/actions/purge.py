"""From a removal to the end of its Lagoon project, or back again; and old failures swept away."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, text
from sqlalchemy.orm import Session

from polydock_pipelines.actions.operate import Asked, ask_removal, asked, find
from polydock_pipelines.actions.trials import CHUNK, Round, in_chunks
from polydock_pipelines.db.arrivals import set_dates
from polydock_pipelines.db.door import add_log, write
from polydock_pipelines.db.leases import Book, is_held
from polydock_pipelines.db.models.instances import PURGE_AHEAD, AppInstance
from polydock_pipelines.db.places import admin_password
from polydock_pipelines.db.trials import Fallen, is_any, locked, purges_due, stale_failures
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle import naming
from polydock_pipelines.lifecycle.status import Resting
from polydock_pipelines.lifecycle.table import Kind, Wish, stage_of
from polydock_pipelines.lifecycle.transitions import (
    NotAllowedError,
    cancel_purge,
    confirm_gone,
    failed,
    restore,
    wish,
)
from polydock_pipelines.lifecycle.trials import TrialDates
from polydock_pipelines.lifecycle.work import Work
from polydock_pipelines.ports import Lagoon

OVERDUE_AFTER = timedelta(days=1)
"""So long after it was due a purge stands out."""


def is_purge_due(book: Book, now: datetime) -> bool:
    """Whether the grace of a removed instance is over."""
    lets = book.gate(now).lets_begin(Work.PURGE)
    with book.db.read() as session:
        return is_any(session, purges_due(book.calendar(now)).where(lets))


def begin_due_purges(book: Book, now: datetime) -> Round:
    """Begin the purge of every instance whose grace is over, the oldest first.

    Not while purges are paused: who looks whether they are meant can then still restore.
    """
    due = purges_due(book.calendar(now)).where(book.gate(now).lets_begin(Work.PURGE))

    def chunk(session: Session, how: Writing) -> tuple[list[Fallen], int]:
        rows = locked(session, due, CHUNK)
        fallen = [Fallen(r.id, r.uuid, r.name, r.purge_eligible_at or how.today) for r in rows]
        for row in rows:
            _begin(session, row, "its grace is over", how)
        return fallen, 0

    return in_chunks(book, now, chunk)


def _begin(session: Session, row: AppInstance, line: str, how: Writing) -> None:
    change = wish(row.status, Wish.PURGE, how.now)
    if change is not None:
        add_log(session, row, line, now=how.now)
        write(session, row, change, how)


@dataclass(frozen=True)
class Overdue:
    """An instance whose project ought to be gone."""

    uuid: str
    name: str
    status: str
    since: datetime
    """When its purge was due, by the calendar."""
    message: str


def overdue_purges(book: Book, now: datetime) -> list[Overdue]:
    """Return purges that failed, or that are more than a day late; the oldest first."""
    today = book.calendar(now)
    late = today - OVERDUE_AFTER
    is_late = AppInstance.purge_eligible_at <= late
    chosen = (
        select(
            AppInstance.uuid,
            AppInstance.name,
            AppInstance.status,
            AppInstance.purge_eligible_at,
            AppInstance.status_message,
        )
        .where(
            text(PURGE_AHEAD),
            AppInstance.purge_eligible_at <= today,  # as of one that failed: it spares the rest
            or_(is_late, AppInstance.status == failed("purge")),
        )
        .order_by(AppInstance.purge_eligible_at, AppInstance.id)
        .limit(500)
    )
    with book.db.read() as session:
        return [
            Overdue(uuid, name, status, since or late, message)
            for uuid, name, status, since, message in session.execute(chosen)
        ]


def purge_instance(book: Book, which: str, now: datetime, *, by: str, reason: str = "") -> Asked:
    """Delete an instance's Lagoon project without grace; one that lives is removed first.

    Where a purge failed, it is tried anew. NotAllowedError.
    """
    with book.db.write() as session:
        row, how = find(session, which), book.writing(now)
        line = asked("purge", by, reason)
        if row.purged_at is not None:
            return _answer(row, "it is purged already")
        is_news = row.force_purge_requested_at is None
        row.force_purge_requested_at = row.force_purge_requested_at or how.today
        if _is_at(row, Kind.PURGE) and row.status != failed("purge"):
            return _answer(row, "its purge is under way already")
        if not _is_removed(row) and not _is_at(row, Kind.PURGE):
            if is_news and wish(row.status, Wish.REMOVE, how.now) is None:
                add_log(session, row, line, now=how.now)  # a removal under way says nothing anew
            note = ask_removal(session, row, line, how)
            return _answer(row, f"{note}; its project goes right after")
        row.purge_eligible_at = min(row.purge_eligible_at or how.today, how.today)
        _begin(session, row, line, how)
        return _answer(row, "its purge begins within seconds")


def call_off_purge(book: Book, which: str, now: datetime, *, by: str, reason: str = "") -> Asked:
    """Give its grace back to an instance whose purge has not begun. NotAllowedError.

    Where the grace is over already, it begins anew.
    """
    with book.db.write() as session:
        row, how = find(session, which), book.writing(now)
        change = None if is_held(row, now) else cancel_purge(row.status, row.attempt)
        is_forced = row.force_purge_requested_at is not None and not _is_at(row, Kind.PURGE)
        if row.purged_at is not None or (change is None and not is_forced):
            is_what = "purged" if row.purged_at else row.status
            raise NotAllowedError(f"{row.name} is {is_what}: no purge waits to begin")
        row.force_purge_requested_at = None
        add_log(session, row, asked("its grace back", by, reason), now=now)
        if change is not None:
            row.handed_until = None
            write(session, row, change, how)
        if row.removed_at is not None:
            end = row.removed_at + book.grace
            row.purge_eligible_at = end if end > how.today else how.today + book.grace
        return _answer(row, "it is purged when its grace is over")


def confirm_purged(
    book: Book, lagoon: Lagoon, which: str, now: datetime, *, by: str, reason: str = ""
) -> Asked:
    """End a purge on somebody's word that the project is gone. NotAllowedError when it is not.

    Lagoon is asked all the same: a project that it shows as ours is not gone.
    """
    with book.db.read() as session:
        row = find(session, which)
    project = lagoon.projects.project_by_name(row.name)
    if project is not None and row.lagoon_project_id in (None, project.id):
        raise NotAllowedError(
            f"Lagoon still shows the project {project.name} (id {project.id}); "
            f"`polydock instances purge {row.name}` deletes it"
        )
    with book.db.write() as session:
        row = find(session, which)
        if row.purged_at is not None:
            return _answer(row, "it is purged already")
        if is_held(row, now):
            raise NotAllowedError(f"a run is at work on {row.name}; try again in a minute")
        change = confirm_gone(row.status)
        row.lease_token = row.lease_until = row.handed_until = None
        add_log(session, row, asked("gone, they say:", by, reason), now=now)
        write(session, row, change, book.writing(now))
        return _answer(row, "it counts as purged")


def restore_instance(book: Book, which: str, now: datetime, *, by: str, reason: str = "") -> Asked:
    """Build a removed instance anew in its project, with new credentials and a new trial.

    Within its grace only: NotAllowedError.
    """
    with book.db.write() as session:
        row = find(session, which)
        if row.purged_at is not None:
            raise NotAllowedError(f"{row.name} is purged; a new signup makes another")
        if is_held(row, now):
            raise NotAllowedError(f"a run is at work on {row.name}; try again in a minute")
        change = restore(row.status, row.attempt, now)
        if row.lagoon_project_id is None:
            raise NotAllowedError(f"{row.name} never had a project; a new signup makes another")
        row.life += 1
        row.generation += 1
        row.removed_at = row.purge_eligible_at = row.force_purge_requested_at = None
        row.trial_started_at, row.trial_completed = None, False
        row.login_url = row.login_valid_until = row.app_url = row.wanted = None
        row.admin_password = book.db.vault.seal(admin_password(row), naming.admin_password())
        row.handed_until = None
        set_dates(row, TrialDates())
        add_log(session, row, asked("restore", by, reason), now=now)
        write(session, row, change, book.writing(now))
        note = "it is built anew, without its data; its trial begins again with the claim"
        return _answer(row, note if row.is_trial else "it is built anew, without its data")


def _answer(row: AppInstance, note: str) -> Asked:
    return Asked(row.uuid, row.name, row.status, note)


def _is_removed(row: AppInstance) -> bool:
    return row.status == Resting.REMOVED


def _is_at(row: AppInstance, kind: Kind) -> bool:
    stage = stage_of(row.status)
    return stage is not None and stage.kind is kind


def is_failure_stale(book: Book, retention: timedelta, now: datetime) -> bool:
    """Whether a failed instance has waited long enough for somebody to retry it."""
    with book.db.read() as session:
        return is_any(session, stale_failures(now - retention))


def sweep_failures(book: Book, retention: timedelta, now: datetime) -> Sequence[Fallen]:
    """Remove what failed *retention* ago and nobody retried, its project at once after it.

    Each row is locked and looked at again: one that somebody took on meanwhile is left alone.
    """

    def chunk(session: Session, how: Writing) -> tuple[list[Fallen], int]:
        rows = locked(session, stale_failures(how.now - retention), CHUNK)
        fallen = [Fallen(row.id, row.uuid, row.name, row.updated_at) for row in rows]
        for row in rows:
            row.force_purge_requested_at = row.force_purge_requested_at or how.today
            line = f"failed {retention.days} days ago and nobody retried it: removed"
            ask_removal(session, row, line, how)
        return fallen, 0

    return in_chunks(book, now, chunk).fallen
