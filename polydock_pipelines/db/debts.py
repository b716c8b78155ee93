"""Entries of the ledger that are owed: their instances are removed, and they still stand."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, text, update

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.holdings import LONGEST_PROBLEM, give_back, holdings_of
from polydock_pipelines.db.models.instances import OWED, AppInstance, InstanceHolding
from polydock_pipelines.lifecycle.holding import Holding

MOST_SHOWN = 500


@dataclass(frozen=True)
class Debt:
    """One thing that is owed, for an operator."""

    instance: str
    """The project's name."""
    instance_uuid: str
    kind: str
    name: str
    since: datetime
    problem: str


def due(db: Database, limit: int, lets: ColumnElement[bool]) -> list[int]:
    """Return the ids of instances that owe something, those first that wait longest for a try.

    *lets*: only those that a gate lets through.
    """
    tried = func.min(func.coalesce(InstanceHolding.tried_at, InstanceHolding.owed_since))
    chosen = (
        select(InstanceHolding.instance_id)
        .join(AppInstance, AppInstance.id == InstanceHolding.instance_id)
        .where(text(OWED), lets)
        .group_by(InstanceHolding.instance_id)
        .order_by(tried, InstanceHolding.instance_id)
        .limit(limit)
    )
    with db.read() as session:
        return list(session.scalars(chosen))


def of(db: Database, instance_id: int) -> tuple[Holding, ...]:
    """Return what an instance owes right now."""
    with db.read() as session:
        return holdings_of(session, instance_id, owed_only=True)


def all_of(db: Database) -> list[Debt]:
    """Return what is owed, the oldest first; at most MOST_SHOWN."""
    chosen = (
        select(InstanceHolding, AppInstance.name, AppInstance.uuid)
        .join(AppInstance, AppInstance.id == InstanceHolding.instance_id)
        .where(text(OWED))
        .order_by(InstanceHolding.owed_since, InstanceHolding.id)
        .limit(MOST_SHOWN)
    )
    with db.read() as session:
        return [
            Debt(name, uuid, row.kind, row.name, row.owed_since, row.problem)
            for row, name, uuid in session.execute(chosen)
            if row.owed_since is not None
        ]


def close(db: Database, instance_id: int, holding: Holding, now: datetime) -> None:
    """Close an entry: it stands no more."""
    with db.write() as session:
        give_back(session, instance_id, holding, now)


def any_owed(db: Database) -> bool:
    """Whether anything is owed."""
    with db.read() as session:
        return session.scalar(select(InstanceHolding.id).where(text(OWED)).limit(1)) is not None


def count(db: Database) -> int:
    """Return how many things are owed."""
    with db.read() as session:
        return session.scalar(select(func.count(InstanceHolding.id)).where(text(OWED))) or 0


def note(db: Database, instance_id: int, problem: str, now: datetime) -> None:
    """Write on an instance's debts why they could not be settled, and when that was tried."""
    with db.write() as session:
        session.execute(
            update(InstanceHolding)
            .where(InstanceHolding.instance_id == instance_id, text(OWED))
            .values(problem=problem[:LONGEST_PROBLEM], tried_at=now)
        )
