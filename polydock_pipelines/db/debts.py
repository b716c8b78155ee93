"""Entries of the ledger that are owed: their instances are removed, and they still stand."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text, update

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


def oldest(db: Database, limit: int) -> list[int]:
    """Return the ids of instances that owe something; those that were made first come first."""
    chosen = (
        select(InstanceHolding.instance_id)
        .where(text(OWED))
        .group_by(InstanceHolding.instance_id)
        .order_by(InstanceHolding.instance_id)
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


def note(db: Database, instance_id: int, problem: str) -> None:
    """Write on an instance's debts why they could not be settled."""
    with db.write() as session:
        session.execute(
            update(InstanceHolding)
            .where(InstanceHolding.instance_id == instance_id, text(OWED))
            .values(problem=problem[:LONGEST_PROBLEM])
        )
