"""The one door through which a status is written.

A `Change` of `lifecycle.transitions` becomes: the row's new state, a transition row and an outbox
event for each status walked through, a log line, and what arriving there brings with it. All of it
in the caller's transaction.
"""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from polydock_pipelines.db.arrivals import arrive
from polydock_pipelines.db.models.instances import AppInstance, InstanceLog, StatusTransition
from polydock_pipelines.db.outbox import STATUS_CHANGED, tell_instance
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle.status import RUNNING
from polydock_pipelines.lifecycle.table import FAILED, STAGES, STATUSES, UNSTABLE, WISHES, Wish
from polydock_pipelines.lifecycle.transitions import Change, deadline

LONGEST_MESSAGE = 2000
AFTER_OUTAGE = timedelta(minutes=10)
"""What a stage has left at least when Lagoon is back: a polled one was not looked at meanwhile."""


def write(session: Session, row: AppInstance, change: Change, how: Writing) -> None:
    """Write *change* to *row* and tell about it."""
    attempt = row.attempt
    if change.stage is not None:
        _enter(row, change.stage, how.now)
    for status in change.statuses:
        _walk(session, row, status, how)
    row.attempt = change.attempt
    _place(row, change, how.now)
    line = change.line or change.message
    if line:
        _tell(session, row, line, how, attempt)


def _enter(row: AppInstance, name: str, now: datetime) -> None:
    stage = STAGES[name]
    row.stage_since, row.deadline = now, deadline(stage, now)
    row.generation += stage.new_generation
    if row.wanted is not None and WISHES[Wish(row.wanted)] == name:
        row.wanted = None
    if STATUSES[row.status] in RUNNING:
        row.running_before = row.status


def _walk(session: Session, row: AppInstance, status: str, how: Writing) -> None:
    before, row.status = row.status, status
    session.add(
        StatusTransition(
            instance_id=row.id,
            from_status=before,
            to_status=status,
            attempt=row.attempt,
            handover_id=row.handover_id,
            created_at=how.now,
        )
    )
    tell_instance(session, row, STATUS_CHANGED, before, how.now)
    arrive(session, row, before, how)


def _place(row: AppInstance, change: Change, now: datetime) -> None:
    row.updated_at = now
    if change.message:
        row.status_message = shorten(change.message)
    if change.stage is not None or row.status not in UNSTABLE:
        row.waits_for = row.unreachable_since = None  # what held the last stage back
    if row.status not in UNSTABLE:
        row.next_check_at = row.deadline = None
        return
    if change.is_endpoint_away and change.due_at and row.deadline:
        moved = row.deadline + (change.due_at - now)  # its clock stands still while Lagoon is away
        row.deadline = max(moved, change.due_at + AFTER_OUTAGE)
    row.next_check_at = change.due_at or row.next_check_at


def _tell(session: Session, row: AppInstance, message: str, how: Writing, attempt: int) -> None:
    level = how.level or ("error" if row.status in FAILED else "info")
    add_log(session, row, message, now=how.now, level=level, stage=how.stage, attempt=attempt)


def add_log(
    session: Session,
    row: AppInstance,
    message: str,
    *,
    now: datetime,
    level: str = "info",
    stage: str | None = None,
    attempt: int | None = None,
) -> None:
    """Add a line to the instance's own story."""
    session.add(
        InstanceLog(
            instance_id=row.id,
            level=level,
            stage=stage,
            attempt=attempt,
            message=shorten(message),
            handover_id=row.handover_id,
            created_at=now,
        )
    )


def shorten(text: str) -> str:
    """Cut to 2,000 bytes of UTF-8, never within a character."""
    raw = text.encode()
    if len(raw) <= LONGEST_MESSAGE:
        return text
    return raw[: LONGEST_MESSAGE - 3].decode(errors="ignore") + "..."
