"""Seal every secret anew with the first key."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.places import SEALED, SealedColumn

BATCH = 200


def rotate_keys(db: Database) -> int:
    """Return how many secrets were sealed anew. VaultError names the first that cannot be read.

    In batches of their own transactions, so that nobody waits long; repeating it is harmless.
    """
    return sum(_rotate(db, sealed) for sealed in SEALED)


def _rotate(db: Database, sealed: SealedColumn) -> int:
    count, last = 0, 0
    while True:
        with db.write() as session:
            rows, last = _batch(db, session, sealed, last)
        if last == 0:
            return count
        count += rows


def _batch(db: Database, session: Session, sealed: SealedColumn, after: int) -> tuple[int, int]:
    """Reseal the next rows; return how many there were and the last id, 0 at the end."""
    model_id = sealed.model.__table__.c.id
    # Locked: what a claim or the catalogue writes meanwhile must not be overwritten.
    rows = session.scalars(
        select(sealed.model)
        .where(model_id > after)
        .order_by(model_id)
        .limit(BATCH)
        .with_for_update()
    ).all()
    resealed = 0
    for row in rows:
        value = getattr(row, sealed.column)
        if value and (sealed.only_if is None or getattr(row, sealed.only_if)):
            setattr(row, sealed.column, db.vault.reseal(sealed.place(row), value))
            resealed += 1
    return resealed, (getattr(rows[-1], "id") if rows else 0)  # noqa: B009 - each model has one
