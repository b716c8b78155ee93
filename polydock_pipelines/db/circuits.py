"""Circuits: which endpoints are away, for all processes at once.

One row an endpoint and credential. While it is open nobody works what needs the endpoint, attempts
and deadlines stand still, and one probe at a time asks whether it is back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, true, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.guards import Circuit
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.postponing import postpone
from polydock_pipelines.ports.mail import SMTP

LAGOON = "lagoon"
"""Every stage needs it, so its circuit holds everything back."""
PROBE_PAUSES = tuple(timedelta(seconds=s) for s in (5, 10, 20, 30))
"""Before the first, second, … probe; the last one holds from there on."""
PAUSES_OF = {SMTP: tuple(timedelta(seconds=s) for s in (30, 60, 120, 300, 600))}
"""Where each probe costs a run."""
UNWATCHED = timedelta(minutes=10)
"""Nobody has used the credential of a circuit whose probe is overdue by so much."""


@dataclass(frozen=True)
class Away:
    """An endpoint that is away."""

    endpoint: str
    since: datetime
    reason: str
    probe_at: datetime
    """When somebody asks again."""

    def sentence(self) -> str:
        """Say it to an operator."""
        return f"{self.endpoint} is away since {self.since:%Y-%m-%d %H:%M:%S} UTC: {self.reason}"


def away(
    session: Session, credential: str | None = None, *, now: datetime | None = None
) -> list[Away]:
    """Return what is away for *credential*; without one, for any that is still in use at *now*."""
    chosen = select(Circuit).where(Circuit.opened_at.is_not(None)).order_by(Circuit.opened_at)
    if credential is not None:
        chosen = chosen.where(Circuit.credential == credential)
    if now is not None:
        chosen = chosen.where(Circuit.probe_at > now - UNWATCHED)
    return [
        Away(row.endpoint, row.opened_at, row.reason, row.probe_at)
        for row in session.scalars(chosen)
        if row.opened_at and row.probe_at
    ]


def open_circuit(db: Database, endpoint: str, credential: str, reason: str, now: datetime) -> None:
    """Note that an endpoint is away, or that it still is."""
    try:
        with db.write() as session:
            row = _row(session, endpoint, credential)
            if row is None:
                row = Circuit(endpoint=endpoint, credential=credential)
                session.add(row)
            if row.opened_at is None:
                row.opened_at, row.probes, row.probe_at = now, 0, now + _pause(endpoint, 0)
            row.reason, row.probe_by = reason, None
    except IntegrityError:
        return  # somebody else noted it first


def _row(session: Session, endpoint: str, credential: str) -> Circuit | None:
    return session.get(Circuit, (endpoint, credential), with_for_update=True)


def _pause(endpoint: str, probes: int) -> timedelta:
    pauses = PAUSES_OF.get(endpoint, PROBE_PAUSES)
    return pauses[min(probes, len(pauses) - 1)]


def take_probe(db: Database, endpoint: str, credential: str, now: datetime) -> bool:
    """Whether the caller may ask the endpoint now; one in all processes may, each time."""
    with db.write() as session:
        row = _row(session, endpoint, credential)
        if row is None or row.opened_at is None or row.probe_at is None or row.probe_at > now:
            return False
        row.probes += 1
        row.probe_at = now + _pause(endpoint, row.probes)
        return True


def grant_probe(db: Database, endpoint: str, credential: str, now: datetime) -> bool:
    """Let the instance that waits longest for *endpoint* try it; close it when nobody waits."""
    with db.write() as session:
        row = _row(session, endpoint, credential)
        if row is None or row.opened_at is None or row.probe_at is None or row.probe_at > now:
            return False
        first = session.scalar(
            select(AppInstance)
            .where(AppInstance.waits_for == endpoint)
            .order_by(AppInstance.priority, AppInstance.stage_since, AppInstance.id)
            .limit(1)
        )
        if first is None:
            row.opened_at, row.closed_at, row.probe_by = None, now, None
            return False
        first.waits_for, first.next_check_at = None, now
        row.probes += 1
        row.probe_at, row.probe_by = now + _pause(endpoint, row.probes), first.id
        return True


def barred(db: Database, endpoint: str, credential: str, instance_id: int) -> str:
    """Return why *instance_id* may not try *endpoint* now; empty when it may."""
    with db.read() as session:
        row = session.get(Circuit, (endpoint, credential))
    if row is None or row.opened_at is None or row.probe_by == instance_id:
        return ""
    return row.reason


def close_circuit(db: Database, endpoint: str, credential: str, now: datetime) -> bool:
    """Note that an endpoint is back: what waited goes on, its deadlines moved by the outage."""
    with db.read() as session:
        row = session.get(Circuit, (endpoint, credential))
    if row is None or row.opened_at is None:
        return False
    with db.write() as session:
        row = _row(session, endpoint, credential)
        if row is None or row.opened_at is None:
            return False
        outage = now - row.opened_at
        row.opened_at, row.closed_at, row.probe_by = None, now, None
        postpone(session, _needs(endpoint), outage, now)
        session.execute(
            update(AppInstance)
            .where(AppInstance.waits_for == endpoint)
            .values(waits_for=None, next_check_at=now)
            .execution_options(synchronize_session=False)
        )
        return True


def _needs(endpoint: str) -> ColumnElement[bool]:
    return true() if endpoint == LAGOON else AppInstance.waits_for == endpoint


def not_waiting_for(endpoints: Sequence[str]) -> ColumnElement[bool]:
    """Whether a row waits for none of *endpoints*."""
    return AppInstance.waits_for.is_(None) | AppInstance.waits_for.not_in(endpoints)
