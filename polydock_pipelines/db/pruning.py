"""Rows of ours that nobody needs any more, taken away from the oldest on, a batch a transaction.

The story of an instance that lives is never touched. That of a removed one goes when nothing has
happened to it since, and each of its tables from the oldest row on: what is left has no gaps. Its
intents stay, because they prove which Lagoon project is ours until that is purged.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import AppInstance, InstanceLog, StatusTransition
from polydock_pipelines.db.models.mails import Email
from polydock_pipelines.db.models.operations import Handover, OutboxEvent
from polydock_pipelines.db.showing import ALWAYS_SHOWN
from polydock_pipelines.lifecycle.status import Resting

Written = (
    type[Handover] | type[InstanceLog] | type[OutboxEvent] | type[StatusTransition] | type[Email]
)


@dataclass(frozen=True)
class OldRows:
    """Rows of one table that are too old; `actions.prune` calls it a pile."""

    db: Database
    name: str
    model: Written
    is_old: ColumnElement[bool]
    order: InstrumentedAttribute[Any]
    """By which the oldest come first, from an index."""
    most: int
    batch: int = 1000

    def due(self) -> int:
        """Return how many are too old."""
        with self.db.read() as session:
            counted = select(func.count()).select_from(self.model).where(self.is_old)
            return session.scalar(counted) or 0

    def oldest(self) -> datetime | None:
        """Return when the oldest row of the table was written, too old or not."""
        with self.db.read() as session:
            return session.scalar(select(self.model.created_at).order_by(self.order).limit(1))

    def take(self, most: int) -> int:
        """Delete at most *most* of the oldest; return how many."""
        oldest = select(self.model.id).where(self.is_old).order_by(self.order).limit(most)
        with self.db.write() as session:
            # Two at once share the work on Postgres, instead of waiting for each other.
            ids = list(session.scalars(oldest.with_for_update(of=self.model, skip_locked=True)))
            gone = delete(self.model).where(self.model.id.in_(ids))
            session.execute(gone.execution_options(synchronize_session=False))
            return len(ids)


def old_handovers(db: Database, before: datetime, most: int) -> OldRows:
    """Return the hand-overs made before *before*; the runs that took them up are gone as well."""
    is_old = Handover.created_at < before
    return OldRows(db, "hand-overs", Handover, is_old, Handover.created_at, most)


def old_stories(db: Database, before: datetime, most: int) -> list[OldRows]:
    """Return the rows of stories that ended before *before*, table by table.

    Deliveries will refer to events, so they will stand in front of them.
    """
    over = select(AppInstance.id).where(_is_over(before))
    of_nobody = and_(OutboxEvent.instance_id.is_(None), OutboxEvent.created_at < before)
    logs, steps = InstanceLog.instance_id.in_(over), StatusTransition.instance_id.in_(over)
    events = or_(OutboxEvent.instance_id.in_(over), of_nobody)
    return [
        OldRows(db, "instance logs", InstanceLog, logs, InstanceLog.id, most),
        OldRows(db, "outbox events", OutboxEvent, events, OutboxEvent.id, most),
        OldRows(db, "mails", Email, Email.instance_id.in_(over), Email.id, most),
        OldRows(db, "transitions", StatusTransition, steps, StatusTransition.id, most),
    ]


def _is_over(before: datetime) -> ColumnElement[bool]:
    """Whether an instance was removed, and nothing has happened to it since *before*."""
    return and_(
        AppInstance.status == Resting.REMOVED.value,
        AppInstance.removed_at < before,
        AppInstance.updated_at < before,
    )


def believed_shown(db: Database, before: datetime) -> set[str]:
    """Return the uuids of instances whose arrival was shown, and to which nothing happened since.

    Those only that `showing.unshown` would show again.
    """
    with db.read() as session:
        return set(
            session.scalars(
                select(AppInstance.uuid).where(
                    AppInstance.has_partition,
                    AppInstance.status.in_(ALWAYS_SHOWN),
                    AppInstance.shown_status == AppInstance.status,
                    AppInstance.updated_at < before,
                )
            )
        )


def show_again(db: Database, uuids: list[str]) -> None:
    """Let the catch-up show where these stand: what showed it has been deleted."""
    with db.write() as session:
        session.execute(
            update(AppInstance)
            .where(AppInstance.uuid.in_(uuids))
            .values(shown_status=None)
            .execution_options(synchronize_session=False)
        )
