"""Brakes: work that an operator, or an alarm, has paused for all processes at once."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.guards import Brake
from polydock_pipelines.db.models.instances import AppInstance, StatusTransition
from polydock_pipelines.db.models.offers import Store, StoreApp
from polydock_pipelines.db.postponing import postpone
from polydock_pipelines.lifecycle.table import Kind, stages_of, statuses_of
from polydock_pipelines.lifecycle.transitions import running
from polydock_pipelines.lifecycle.work import ALL, WORK_OF, kinds_of

AN_HOUR = timedelta(hours=1)
ALARM = "the removal alarm"
"""Who pulled a brake that nobody pulled."""


@dataclass(frozen=True)
class Paused:
    """A brake that is pulled."""

    work: str
    store: str
    """Empty: every store."""
    since: datetime
    by: str
    reason: str
    is_alarm: bool

    def sentence(self) -> str:
        """Say it to an operator, with the way back."""
        where = f" in store {self.store}" if self.store else ""
        why = f": {self.reason}" if self.reason else ""
        back = "".join(
            (
                f" --store {self.store}" if self.store else "",
                f" --only {self.work}" if self.work != ALL else "",
            )
        )
        return (
            f"{self.work}{where} paused by {self.by} at {self.since:%Y-%m-%d %H:%M} UTC{why}; "
            f"`polydock resume{back}` lets it go on"
        )


def paused(session: Session) -> list[Paused]:
    """Return the brakes that are pulled."""
    rows = session.scalars(select(Brake).where(Brake.paused_at.is_not(None)))
    return [
        Paused(row.work, row.store, row.paused_at, row.changed_by, row.reason, row.is_alarm)
        for row in rows
        if row.paused_at
    ]


def pull(
    session: Session,
    work: str,
    store: str,
    now: datetime,
    *,
    by: str,
    reason: str,
    is_alarm: bool = False,
) -> bool:
    """Pause *work*; False when it is paused already."""
    row = _row(session, work, store)
    if row is None:
        row = Brake(work=work, store=store)
        session.add(row)
    elif row.paused_at is not None:
        return False
    row.paused_at, row.changed_by, row.reason, row.is_alarm = now, by, reason, is_alarm
    return True


def let_go(session: Session, work: str, store: str, now: datetime, *, by: str, reason: str) -> bool:
    """Resume *work*; deadlines move by as long as it was paused. False when it was not paused."""
    row = _row(session, work, store)
    if row is None or row.paused_at is None:
        return False
    which = AppInstance.status.in_([s for kind in kinds_of(work) for s in statuses_of(kind)])
    if store:
        which &= of_store(store)
    postpone(session, which, now - row.paused_at, now)
    row.paused_at, row.resumed_at, row.changed_by, row.reason = None, now, by, reason
    row.is_alarm = False
    return True


def _row(session: Session, work: str, store: str) -> Brake | None:
    return session.get(Brake, (work, store), with_for_update=True)


def of_store(store: str) -> ColumnElement[bool]:
    """Whether a row is of an app of that store."""
    apps = select(StoreApp.id).join(Store, Store.id == StoreApp.store_id).where(Store.key == store)
    return AppInstance.store_app_id.in_(apps)


def store_of(session: Session, row: AppInstance) -> str | None:
    """Return the key of the store that *row* belongs to."""
    return session.scalar(
        select(Store.key)
        .join(StoreApp, StoreApp.store_id == Store.id)
        .where(StoreApp.id == row.store_app_id)
    )


def alarmed(session: Session, kind: Kind, now: datetime, limit: int) -> bool:
    """Pause *kind* when as many as *limit* of its instances were begun within the hour.

    Counted anew from the moment at which somebody let it go on.
    """
    work = WORK_OF[kind]
    row = _row(session, work, "")
    resumed_at = row.resumed_at if row is not None else None
    since = max(now - AN_HOUR, resumed_at) if resumed_at else now - AN_HOUR
    first = running(stages_of(kind)[0].name)
    begun = session.scalar(
        select(func.count(func.distinct(StatusTransition.instance_id))).where(
            StatusTransition.to_status == first, StatusTransition.created_at > since
        )
    )
    if (begun or 0) < limit:
        return False
    reason = (
        f"{begun} within an hour, POLYDOCK_REMOVAL_ALARM is {limit}; look whether they are meant"
    )
    pull(session, work, "", now, by=ALARM, reason=reason, is_alarm=True)
    return True


def list_paused(db: Database) -> list[Paused]:
    """Return the brakes that are pulled, for those who only look."""
    with db.read() as session:
        return paused(session)
