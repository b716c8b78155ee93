"""What Dagster's asset `app_instances` has yet to be told."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import func, select, text, update

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import UNSHOWN, AppInstance
from polydock_pipelines.lifecycle.status import Resting
from polydock_pipelines.lifecycle.table import FAILED

ALWAYS_SHOWN = (Resting.HEALTHY_CLAIMED.value, Resting.REMOVED.value, *sorted(FAILED))
"""Statuses that get a materialization of their own, however large the chunk was."""


@dataclass(frozen=True)
class Unshown:
    """An instance whose arrival the asset does not show yet."""

    uuid: str
    name: str
    status: str
    message: str


def take_partitions(db: Database, handover_id: str, limit: int) -> list[str]:
    """Return the uuids of a hand-over that need a partition key and get one below *limit*."""
    with db.read() as session:
        have = session.scalar(
            select(func.count()).select_from(AppInstance).where(AppInstance.has_partition)
        )
    with db.write() as session:
        rows = session.scalars(
            select(AppInstance)
            .where(AppInstance.handover_id == handover_id, AppInstance.has_partition.is_(False))
            .limit(max(limit - (have or 0), 0))
        ).all()
        for row in rows:
            row.has_partition = True
        return [row.uuid for row in rows]


def purged_with_partition(db: Database, limit: int) -> list[str]:
    """Return the uuids of at most *limit* purged instances whose partition key has yet to go."""
    with db.read() as session:
        chosen = select(AppInstance.uuid).where(
            AppInstance.has_partition,
            AppInstance.status == Resting.REMOVED.value,
            AppInstance.purged_at.is_not(None),
        )
        return list(session.scalars(chosen.limit(limit)))


def forget_partitions(db: Database, uuids: Collection[str]) -> None:
    """Note that Dagster does not know these any more."""
    with db.write() as session:
        session.execute(
            update(AppInstance)
            .where(AppInstance.uuid.in_(uuids))
            .values(has_partition=False)
            .execution_options(synchronize_session=False)
        )


def mark_shown(db: Database, shown: Mapping[str, str]) -> None:
    """Note the statuses (by uuid) that materializations were made for."""
    with db.write() as session:
        for uuid, status in shown.items():
            session.execute(
                update(AppInstance).where(AppInstance.uuid == uuid).values(shown_status=status)
            )


def unshown(db: Database, limit: int) -> list[Unshown]:
    """Return at most *limit* instances with a partition whose arrival is not shown yet."""
    with db.read() as session:
        rows = session.execute(
            select(
                AppInstance.uuid, AppInstance.name, AppInstance.status, AppInstance.status_message
            )
            .where(text(UNSHOWN), AppInstance.status.in_(ALWAYS_SHOWN))
            .limit(limit)
        )
        return [Unshown(*row) for row in rows]


def with_partition(db: Database, uuids: Collection[str]) -> set[str]:
    """Return those of *uuids* that are partitions in Dagster."""
    with db.read() as session:
        return set(
            session.scalars(
                select(AppInstance.uuid).where(
                    AppInstance.uuid.in_(uuids), AppInstance.has_partition
                )
            )
        )
