"""The instances that wait for something Lagoon does."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Row, and_, or_, select

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.handovers import unhanded
from polydock_pipelines.db.leases import is_free
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.lifecycle.table import LIFECYCLE, Kind, leg_of, stage_of
from polydock_pipelines.lifecycle.transitions import running

WAITING = tuple(running(stage.name) for stage in LIFECYCLE if stage.polled_by)
BY_KIND = {
    kind: tuple(s for s in WAITING if (owner := leg_of(s)) and owner[0] is kind)
    for kind in Kind
    if any((owner := leg_of(s)) and owner[0] is kind for s in WAITING)
}
MOST = 4000
"""So many rows at one look; those whose deadline is nearest."""

COLUMNS = (
    AppInstance.id,
    AppInstance.status,
    AppInstance.build_bulk_id,
    AppInstance.lagoon_project_id,
    AppInstance.branch,
    AppInstance.deadline,
)
"""Six of fifty: loading thousands of whole rows took ten times as long as finding them."""
Found = Row[tuple[int, str, str | None, int | None, str, datetime | None]]


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


def rows_waiting(
    db: Database, now: datetime, lets: Mapping[Kind, ColumnElement[bool]] | None = None
) -> list[WaitingRow]:
    """Return what waits for Lagoon and is held by nobody: a look that has its own time is left.

    Only what *lets* lets of each kind; without it, all.
    """
    chosen = (
        select(*COLUMNS)
        .where(
            _those(lets),
            AppInstance.next_check_at == AppInstance.deadline,
            is_free(now),
            unhanded(now),
        )
        .order_by(AppInstance.deadline)
        .limit(MOST)
    )
    with db.read() as session:
        return [_row(row) for row in session.execute(chosen)]


def _those(lets: Mapping[Kind, ColumnElement[bool]] | None) -> ColumnElement[bool]:
    if lets is None:
        return AppInstance.status.in_(WAITING)
    parts = [and_(AppInstance.status.in_(statuses), lets[k]) for k, statuses in BY_KIND.items()]
    return or_(*parts)


def _row(found: Found) -> WaitingRow:
    id_, status, bulk_id, project_id, branch, deadline = found
    stage = stage_of(status)
    assert stage is not None  # noqa: S101 - WAITING holds statuses of polled stages only
    assert stage.polled_by is not None  # noqa: S101
    return WaitingRow(id_, stage.polled_by[0], bulk_id, project_id, branch, deadline)
