"""What may be worked right now: brakes, circuits and places for builds, looked up in one go."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, false, func, not_, or_, select, true
from sqlalchemy.orm import Session

from polydock_pipelines.db.brakes import Paused, of_store, paused, store_of
from polydock_pipelines.db.buckets import LAGOON_OPERATIONS
from polydock_pipelines.db.circuits import LAGOON, Away, away, not_waiting_for
from polydock_pipelines.db.models.guards import Bucket
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.lifecycle.table import LIFECYCLE, STAGES, WISHES, Kind, Stage, Wish, leg_of
from polydock_pipelines.lifecycle.transitions import pending, running
from polydock_pipelines.lifecycle.work import ALL, WORK_OF, Work

LONGEST_BACKLOG = timedelta(seconds=10)
"""Nothing new is begun while Lagoon operations are booked further ahead."""
BUILD_BEGINS = tuple(pending(s.name) for s in LIFECYCLE if s.takes_a_build)
BUILDS = tuple(running(s.name) for s in LIFECYCLE if s.takes_a_build)


@dataclass(frozen=True)
class Limits:
    """What settings allow; 0 is no limit."""

    removal_alarm: int = 200
    """Removals, and purges, within an hour before they pause themselves."""
    builds_at_once: int = 0
    lagoon_ops_per_minute: int = 0
    purge_attempts: int = STAGES[WISHES[Wish.PURGE]].attempts

    def attempts(self, stage: Stage) -> int:
        """Return how often *stage* may fail."""
        return self.purge_attempts if stage.kind is Kind.PURGE else stage.attempts


@dataclass(frozen=True)
class Gate:
    """What holds work back at this moment."""

    away: tuple[Away, ...] = ()
    paused: tuple[Paused, ...] = ()
    is_throttled: bool = False

    def why(self, kind: Kind) -> str:
        """Return why nothing of *kind* may be worked anywhere; empty when some may."""
        for one in self.away:
            if one.endpoint == LAGOON:
                return one.sentence()
        pulled = self.why_paused(WORK_OF[kind])
        if pulled:
            return pulled
        if self.is_throttled:
            return (
                "as many Lagoon operations are under way as POLYDOCK_LAGOON_OPS_PER_MINUTE allows"
            )
        return ""

    def lets_begin(self, work: Work) -> ColumnElement[bool]:
        """Whether no brake keeps *work* from being begun for a row; nobody else is asked."""
        if self.why_paused(work):
            return false()
        conditions = [not_(of_store(brake.store)) for brake in self.brakes(work)]
        return and_(true(), *conditions)

    def why_paused(self, work: Work) -> str:
        """Return the brake that stops *work* everywhere; empty when none does."""
        return next((one.sentence() for one in self.brakes(work) if not one.store), "")

    def sentences(self) -> list[str]:
        """Return everything that holds work back, for an operator."""
        return [one.sentence() for one in (*self.away, *self.paused)]

    def lets(self, kind: Kind) -> ColumnElement[bool]:
        """Whether a row that *kind* owns may be worked."""
        if self.why(kind):
            return false()
        conditions = [not_(of_store(brake.store)) for brake in self.brakes(WORK_OF[kind])]
        if self.away:
            conditions.append(not_waiting_for([one.endpoint for one in self.away]))
        return and_(*conditions) if conditions else AppInstance.id.is_not(None)

    def why_not(self, session: Session, row: AppInstance) -> str:
        """Return why *row* is held back; empty when it is not, or rests."""
        owner = leg_of(row.status)
        if owner is None:
            return ""
        stores = {"", store_of(session, row)}
        brakes = [b.sentence() for b in self.brakes(WORK_OF[owner[0]]) if b.store in stores]
        gone = [a.sentence() for a in self.away if a.endpoint in (LAGOON, row.waits_for)]
        return "; ".join([*gone, *brakes])

    def refuses(self, session: Session, row: AppInstance, kind: Kind) -> bool:
        """Whether *row*, which *kind* owns, may not be worked."""
        if self.why(kind) or row.waits_for in {one.endpoint for one in self.away}:
            return True
        stores = {brake.store for brake in self.brakes(WORK_OF[kind])}
        return bool(stores) and store_of(session, row) in stores

    def brakes(self, work: Work) -> list[Paused]:
        """Return what stops *work*, everywhere or in a store."""
        return [brake for brake in self.paused if brake.work in (ALL, work)]


def read_gate(session: Session, credential: str, limits: Limits, now: datetime) -> Gate:
    """Return what holds work back for a process with *credential*."""
    return Gate(
        tuple(away(session, credential)),
        tuple(paused(session)),
        _is_throttled(session, limits, now),
    )


def gate_of_all(session: Session, now: datetime) -> Gate:
    """Return what holds work back for whoever does it: for those who only look, or ask for it."""
    return Gate(tuple(away(session, now=now)), tuple(paused(session)))


def _is_throttled(session: Session, limits: Limits, now: datetime) -> bool:
    if not limits.lagoon_ops_per_minute:
        return False
    row = session.get(Bucket, LAGOON_OPERATIONS)
    return row is not None and row.booked_until > now + LONGEST_BACKLOG


def room_for_builds(session: Session, limits: Limits) -> int | None:
    """Return how many more builds may begin; None: as many as come."""
    if not limits.builds_at_once:
        return None
    return max(limits.builds_at_once - builds_under_way(session), 0)


def builds_under_way(session: Session) -> int:
    """Return how many instances wait for a build in Lagoon."""
    counted = select(func.count()).select_from(AppInstance).where(AppInstance.status.in_(BUILDS))
    return session.scalar(counted) or 0


def is_free_to_build(session: Session, row: AppInstance, limits: Limits) -> bool:
    """Whether *row*, should it be about to start a build, finds a place for it."""
    if row.status not in BUILD_BEGINS or not limits.builds_at_once:
        return True
    if session.get_bind().dialect.name == "postgresql":
        # One at a time counts: the lock goes with the transaction.
        session.execute(select(func.pg_advisory_xact_lock(BUILDS_LOCK)))
    return room_for_builds(session, limits) != 0


BUILDS_LOCK = 0x706F6C79
"""Of Postgres, for whoever counts builds; any number that nobody else uses."""


def has_no_build_to_begin() -> ColumnElement[bool]:
    """Whether a row does not begin with a build."""
    return or_(AppInstance.status.not_in(BUILD_BEGINS), AppInstance.wanted.is_not(None))
