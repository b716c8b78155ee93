"""The instances that wait for something Lagoon does."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.handovers import unhanded
from polydock_pipelines.db.leases import is_free
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.lifecycle.table import LIFECYCLE, Kind, stage_of
from polydock_pipelines.lifecycle.transitions import running

WAITING = tuple(running(stage.name) for stage in LIFECYCLE if stage.polled_by)
MOST = 4000
"""So many rows at one look; those whose deadline is nearest."""


@dataclass(frozen=True)
class WaitingRow:
    """What is needed to ask Lagoon about one instance."""

    id: int
    kind: Kind
    bulk_id: str | None
    project_id: int | None
    branch: str
    deadline: datetime | None

    @property
    def is_removal(self) -> bool:
        """Whether an environment is going away, rather than a build running."""
        return self.kind is Kind.REMOVE

    def is_overdue(self, now: datetime) -> bool:
        """Whether its deadline passed."""
        return self.deadline is not None and self.deadline <= now


def rows_waiting(db: Database, now: datetime) -> list[WaitingRow]:
    """Return what waits for Lagoon and is held by nobody: a look that has its own time is left."""
    chosen = (
        select(AppInstance)
        .where(
            AppInstance.status.in_(WAITING),
            AppInstance.next_check_at == AppInstance.deadline,
            is_free(now),
            unhanded(now),
        )
        .order_by(AppInstance.deadline)
        .limit(MOST)
    )
    with db.read() as session:
        return [_row(row) for row in session.scalars(chosen)]


def _row(row: AppInstance) -> WaitingRow:
    stage = stage_of(row.status)
    assert stage is not None  # noqa: S101 - WAITING holds statuses of polled stages only
    assert stage.polled_by is not None  # noqa: S101
    return WaitingRow(
        id=row.id,
        kind=stage.polled_by[0],
        bulk_id=row.build_bulk_id,
        project_id=row.lagoon_project_id,
        branch=row.branch,
        deadline=row.deadline,
    )
