"""The ledger of what stands outside because of an instance, and the secrets that are kept for it.

All in the caller's transaction, who holds the instance's lease or its debts.
"""

from datetime import datetime

from sqlalchemy import delete, exists, select, tuple_
from sqlalchemy.orm import Session, aliased

from polydock_pipelines.db.models.instances import InstanceHolding, KeptValue
from polydock_pipelines.db.places import kept_value
from polydock_pipelines.db.vault import Vault
from polydock_pipelines.lifecycle.holding import Holding, HoldingKind
from polydock_pipelines.lifecycle.secret import Secret

LONGEST_PROBLEM = 1000


def holdings_of(
    session: Session, instance_id: int, *, owed_only: bool = False
) -> tuple[Holding, ...]:
    """Return what an instance holds, or may; in the order in which it was first meant."""
    other = aliased(InstanceHolding)
    is_shared = exists().where(
        other.kind == InstanceHolding.kind,
        other.name == InstanceHolding.name,
        other.instance_id != InstanceHolding.instance_id,
        other.returned_at.is_(None),
        tuple_(other.meant_at, other.id) > tuple_(InstanceHolding.meant_at, InstanceHolding.id),
    )
    chosen = (
        select(InstanceHolding, is_shared)
        .where(InstanceHolding.instance_id == instance_id, InstanceHolding.returned_at.is_(None))
        .order_by(InstanceHolding.id)
    )
    if owed_only:
        chosen = chosen.where(InstanceHolding.owed_since.is_not(None))
    return tuple(_holding(row, is_shared=shared) for row, shared in session.execute(chosen))


def _holding(row: InstanceHolding, *, is_shared: bool) -> Holding:
    return Holding(
        HoldingKind(row.kind),
        row.name,
        row.owner,
        external_id=row.external_id,
        region_id=row.region_id,
        budget_usd=row.budget_usd,
        meant_at=row.meant_at,
        is_shared=is_shared,
    )


def _row(session: Session, instance_id: int, holding: Holding) -> InstanceHolding | None:
    return session.scalar(
        select(InstanceHolding).where(
            InstanceHolding.instance_id == instance_id,
            InstanceHolding.kind == holding.kind.value,
            InstanceHolding.name == holding.name,
        )
    )


def hold(session: Session, instance_id: int, holding: Holding, now: datetime) -> None:
    """Enter *holding*, or amend its entry; one that was given back stands again."""
    row = _row(session, instance_id, holding)
    if row is None:
        row = InstanceHolding(
            instance_id=instance_id, kind=holding.kind.value, name=holding.name, problem=""
        )
        session.add(row)
    row.owner, row.external_id = holding.owner, holding.external_id
    row.region_id, row.budget_usd = holding.region_id, holding.budget_usd
    row.meant_at, row.returned_at, row.owed_since = now, None, None


def let_go(session: Session, instance_id: int, holding: Holding) -> None:
    """Strike out what was never made."""
    row = _row(session, instance_id, holding)
    if row is not None:
        session.delete(row)


def give_back(session: Session, instance_id: int, holding: Holding, now: datetime) -> None:
    """Close the entry: it stands no more."""
    row = _row(session, instance_id, holding)
    if row is not None:
        row.returned_at, row.problem = now, ""


def owe(session: Session, instance_id: int, holding: Holding, problem: str, now: datetime) -> None:
    """Make the entry a debt, with what stands in the way of giving it back."""
    row = _row(session, instance_id, holding)
    if row is not None:
        row.owed_since = row.owed_since or now
        row.problem = problem[:LONGEST_PROBLEM]


def keep(session: Session, instance_id: int, name: str, value: Secret, vault: Vault) -> None:
    """Keep a secret under *name*, in place of what was kept there."""
    row = session.scalar(
        select(KeptValue).where(KeptValue.instance_id == instance_id, KeptValue.name == name)
    )
    if row is None:
        row = KeptValue(instance_id=instance_id, name=name)
        session.add(row)
    row.value = vault.seal(kept_value(row), value)


def forget(session: Session, instance_id: int) -> None:
    """Forget the secrets that were kept for an instance that is no more."""
    session.execute(delete(KeptValue).where(KeptValue.instance_id == instance_id))
