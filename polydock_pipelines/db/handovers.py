"""Which instances are due, and which run they were given to.

`hand_over` marks the rows of a chunk with a fresh id; the run finds them by it. A run that died
before it began is replaced by the next hand-over, because the mark ends by itself.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, func, or_, select, update
from sqlalchemy.orm import Session

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.gates import has_no_build_to_begin
from polydock_pipelines.db.leases import is_free
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.operations import Handover
from polydock_pipelines.lifecycle.table import FAILED, Kind, statuses_of

BEFORE_START = timedelta(seconds=45)
"""For a run that was asked for, to start; `keep_queued` renews it while it is in a queue."""
WHILE_ALIVE = timedelta(seconds=45)
"""For a run that works; it renews every 15 seconds."""
PER_RUN = 50
"""A burst larger than this is dealt out to more than one run."""


@dataclass(frozen=True)
class Chunk:
    """Instances given to one run."""

    handover_id: str
    kind: Kind
    size: int
    source: str
    """Who asked for the run: a sensor, the intake."""
    instance_uuid: str | None = None
    """Set when it is a single one."""


def unhanded(now: datetime) -> ColumnElement[bool]:
    """Whether no run that may be alive was given the row."""
    return or_(AppInstance.handed_until.is_(None), AppInstance.handed_until <= now)


def is_one_of(names: Sequence[str]) -> ColumnElement[bool]:
    """Whether the row has one of these uuids or project names."""
    return or_(AppInstance.uuid.in_(names), AppInstance.name.in_(names))


def due(kind: Kind, now: datetime, statuses: Sequence[str] | None = None) -> Select[tuple[int]]:
    """Select the ids of due instances of *kind* that nobody holds: people first, then oldest."""
    return (
        select(AppInstance.id)
        .where(
            AppInstance.status.in_(statuses or statuses_of(kind)),
            AppInstance.next_check_at <= now,
            is_free(now),
            unhanded(now),
        )
        .order_by(AppInstance.priority, AppInstance.next_check_at, AppInstance.id)
    )


def is_any_due(
    db: Database, kind: Kind, now: datetime, statuses: Sequence[str] | None = None
) -> bool:
    """Return whether an instance of *kind* is due: most ticks find none, and shall cost little."""
    with db.read() as session:
        return session.scalar(due(kind, now, statuses).limit(1)) is not None


def hand_over(
    db: Database,
    kind: Kind,
    now: datetime,
    *,
    source: str,
    chunks: int = 4,
    limit: int = 2000,
    statuses: Sequence[str] | None = None,
    lets: ColumnElement[bool] | None = None,
    room: int | None = None,
) -> list[Chunk]:
    """Give due instances of *kind* to at most *chunks* runs; oldest first, people before all.

    Only those that *lets* lets, and at most *room* that begin with a build. One run up to PER_RUN
    instances: starting a run costs as much as working twenty.
    """
    with db.write() as session:
        wanted = _wanted(session, due(kind, now, statuses), limit, lets, room)
        parts = _split(wanted, min(chunks, -(-len(wanted) // PER_RUN)))
        made = [_hand(session, kind, part, now, source) for part in parts]
        return [chunk for chunk in made if chunk is not None]


def _wanted(
    session: Session,
    chosen: Select[tuple[int]],
    limit: int,
    lets: ColumnElement[bool] | None,
    room: int | None,
) -> list[int]:
    if lets is not None:
        chosen = chosen.where(lets)
    if room is None:
        return list(session.scalars(_unlocked(chosen.limit(limit))))
    others = list(session.scalars(_unlocked(chosen.where(has_no_build_to_begin()).limit(limit))))
    builds = _unlocked(chosen.where(~has_no_build_to_begin()).limit(min(room, limit)))
    return (others + list(session.scalars(builds)))[:limit]


def bring_forward(db: Database, ids: Sequence[int], now: datetime) -> None:
    """Make instances due whose remote work ended before their time came."""
    with db.write() as session:
        for start_at in range(0, len(ids), 500):
            part = select(AppInstance.id).where(AppInstance.id.in_(ids[start_at : start_at + 500]))
            ids_now = list(session.scalars(_unlocked(part)))
            # One that came to rest since somebody looked has no owner and gets none.
            is_under_way = AppInstance.next_check_at.is_not(None)
            session.execute(
                update(AppInstance)
                .where(AppInstance.id.in_(ids_now), is_free(now), is_under_way)
                .values(next_check_at=now)
                .execution_options(synchronize_session=False)
            )


def _unlocked(chosen: Select[tuple[int]]) -> Select[tuple[int]]:
    """Lock what is chosen and leave out what others have locked.

    Two hand-overs that wait for each other's rows would be a deadlock on Postgres; what is left out
    is found at the next tick. SQLite has one writer and needs none of this.
    """
    return chosen.with_for_update(skip_locked=True)


def _split(ids: list[int], chunks: int) -> list[list[int]]:
    """Deal out, so that each chunk begins with some of the oldest."""
    return [part for n in range(chunks) if (part := ids[n::chunks])]


def _hand(session: Session, kind: Kind, ids: list[int], now: datetime, source: str) -> Chunk | None:
    handover_id = str(uuid.uuid4())
    taken = mark(session, ids, handover_id, now, now + BEFORE_START)
    if not taken:
        return None
    session.add(
        Handover(
            id=handover_id,
            kind=kind.value,
            source=source,
            size=len(taken),
            created_at=now,
            expected_until=now + BEFORE_START,
        )
    )
    return Chunk(handover_id, kind, len(taken), source, taken[0] if len(taken) == 1 else None)


def mark(
    session: Session, ids: Sequence[int], handover_id: str, now: datetime, until: datetime
) -> list[str]:
    """Mark those of *ids* that nobody holds; return their uuids."""
    taken: list[str] = []
    for start in range(0, len(ids), 500):
        taken += session.scalars(
            update(AppInstance)
            .where(AppInstance.id.in_(ids[start : start + 500]), is_free(now), unhanded(now))
            .values(handover_id=handover_id, handed_until=until)
            .returning(AppInstance.uuid)
            .execution_options(synchronize_session=False)
        )
    return taken


def start(db: Database, handover_id: str, kind: Kind, run_id: str, now: datetime) -> None:
    """Note that a run took up its hand-over; a Launchpad run brings an id of its own."""
    with db.write() as session:
        row = session.get(Handover, handover_id)
        if row is None:
            row = Handover(id=handover_id, kind=kind.value, source="launchpad", created_at=now)
            session.add(row)
        row.run_id, row.started_at, row.beat_at = run_id, now, now


def join(
    db: Database,
    handover_id: str,
    kind: Kind,
    now: datetime,
    limit: int,
    *,
    lets: ColumnElement[bool] | None = None,
    room: int | None = None,
) -> int:
    """Add other due instances of *kind* to a run that has begun; return how many came."""
    with db.write() as session:
        ids = _wanted(session, due(kind, now), limit, lets, room)
        return len(mark(session, ids, handover_id, now, now + WHILE_ALIVE))


def beat(db: Database, handover_id: str, now: datetime) -> None:
    """Show that the run lives, and keep its rows."""
    with db.write() as session:
        session.execute(update(Handover).where(Handover.id == handover_id).values(beat_at=now))
        session.execute(
            update(AppInstance)
            .where(AppInstance.handover_id == handover_id, AppInstance.handed_until > now)
            .values(handed_until=now + WHILE_ALIVE)
            .execution_options(synchronize_session=False)
        )


def members(db: Database, handover_id: str, statuses: Sequence[str]) -> list[int]:
    """Return the instances of a hand-over that stand in one of *statuses*, people first."""
    with db.read() as session:
        return list(
            session.scalars(
                select(AppInstance.id)
                .where(AppInstance.handover_id == handover_id, AppInstance.status.in_(statuses))
                .order_by(AppInstance.priority, AppInstance.id)
            )
        )


@dataclass(frozen=True)
class FailedRow:
    """An instance that failed for good."""

    id: int
    uuid: str
    name: str
    status: str
    message: str


def failed_among(db: Database, ids: Collection[int]) -> list[FailedRow]:
    """Return those of *ids* that failed for good."""
    if not ids:
        return []
    columns = (
        AppInstance.id,
        AppInstance.uuid,
        AppInstance.name,
        AppInstance.status,
        AppInstance.status_message,
    )
    with db.read() as session:
        chosen = select(*columns).where(AppInstance.id.in_(ids), AppInstance.status.in_(FAILED))
        return [FailedRow(*row) for row in session.execute(chosen)]


def give_back(db: Database, handover_id: str, statuses: Sequence[str] = ()) -> None:
    """Let go of the rows of a hand-over that will not be worked, or not any more.

    With *statuses*, of those that stand there only.
    """
    which = [AppInstance.handover_id == handover_id]
    if statuses:
        which.append(AppInstance.status.in_(statuses))
    with db.write() as session:
        session.execute(
            update(AppInstance)
            .where(*which)
            .values(handed_until=None)
            .execution_options(synchronize_session=False)
        )


def end(db: Database, handover_id: str, now: datetime) -> None:
    """Note that a run ended, and let go of what is left of its rows."""
    give_back(db, handover_id)
    with db.write() as session:
        session.execute(update(Handover).where(Handover.id == handover_id).values(ended_at=now))


def end_of_run(db: Database, run_id: str, now: datetime) -> None:
    """Note that a run ended, whatever hand-over it took up."""
    with db.read() as session:
        ids = session.scalars(select(Handover.id).where(Handover.run_id == run_id)).all()
    for handover_id in ids:
        end(db, handover_id, now)


def unstarted(db: Database, kind: Kind, now: datetime) -> int:
    """Return how many hand-overs of *kind* wait for their run to begin."""
    with db.read() as session:
        return (
            session.scalar(
                select(func.count())
                .select_from(Handover)
                .where(
                    Handover.kind == kind.value,
                    Handover.started_at.is_(None),
                    Handover.ended_at.is_(None),
                    Handover.expected_until > now,
                )
            )
            or 0
        )


@dataclass(frozen=True)
class OpenHandover:
    """A hand-over that has not ended."""

    id: str
    run_id: str | None
    """None: no run has taken it up."""
    created_at: datetime
    beat_at: datetime | None


def open_handovers(db: Database) -> list[OpenHandover]:
    """Return the hand-overs that have not ended, oldest first."""
    with db.read() as session:
        rows = session.execute(
            select(Handover.id, Handover.run_id, Handover.created_at, Handover.beat_at)
            .where(Handover.ended_at.is_(None))
            .order_by(Handover.created_at)
        )
        return [OpenHandover(*row) for row in rows]


def keep_queued(db: Database, handover_ids: Sequence[str], now: datetime) -> None:
    """Keep the rows of runs that wait in Dagster's queue."""
    if not handover_ids:
        return
    until = now + BEFORE_START
    with db.write() as session:
        session.execute(
            update(Handover).where(Handover.id.in_(handover_ids)).values(expected_until=until)
        )
        session.execute(
            update(AppInstance)
            .where(AppInstance.handover_id.in_(handover_ids), AppInstance.handed_until.is_not(None))
            .values(handed_until=until)
            .execution_options(synchronize_session=False)
        )


def abandon(db: Database, handover_id: str, now: datetime) -> None:
    """End a hand-over whose run is dead: its rows and the leases on them are free at once.

    Should a part of the run live on all the same, it finds its leases gone and writes nothing.
    """
    with db.write() as session:
        session.execute(
            update(AppInstance)
            .where(AppInstance.handover_id == handover_id, AppInstance.handed_until.is_not(None))
            .values(lease_token=None, lease_until=None)
            .execution_options(synchronize_session=False)
        )
    end(db, handover_id, now)


def beats(db: Database, run_ids: Sequence[str]) -> dict[str, datetime]:
    """Return when each run last showed that it lives; those that never did are left out."""
    with db.read() as session:
        rows = session.execute(
            select(Handover.run_id, Handover.beat_at).where(Handover.run_id.in_(run_ids))
        )
        return {run_id: at for run_id, at in rows if run_id and at}
