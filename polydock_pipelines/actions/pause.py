"""The brake: pause work, everywhere or in one store, and let it go on."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from polydock_pipelines.db import brakes
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.offers import Store
from polydock_pipelines.lifecycle.work import ALL, Work

STORELESS = (Work.EMAILS, Work.WEBHOOKS)
"""Work that is done for all stores together."""


class PauseError(Exception):
    """There is nothing of that name to pause."""


@dataclass(frozen=True)
class Braked:
    """What was asked for, and whether it changed anything."""

    work: str
    store: str
    is_paused: bool
    note: str


def pause(
    db: Database, now: datetime, *, work: str = ALL, store: str = "", by: str, reason: str = ""
) -> Braked:
    """Pause *work*: nothing of it is handed over or begun; the step in hand is finished."""
    _check(db, work, store)
    try:
        with db.write() as session:
            is_new = brakes.pull(session, work, store, now, by=by, reason=reason)
    except IntegrityError:
        is_new = False  # somebody else paused it in this moment
    note = "paused; a step that is at work is finished" if is_new else "was paused already"
    return Braked(work, store, is_paused=True, note=note)


def resume(
    db: Database, now: datetime, *, work: str = ALL, store: str = "", by: str, reason: str = ""
) -> Braked:
    """Let *work* go on; deadlines move by as long as it was paused."""
    _check(db, work, store)
    with db.write() as session:
        was_paused = brakes.let_go(session, work, store, now, by=by, reason=reason)
        others = [brake.sentence() for brake in brakes.paused(session)]
    note = "goes on" if was_paused else "was not paused"
    still = f"; still paused: {'; '.join(others)}" if others else ""
    return Braked(work, store, is_paused=False, note=note + still)


def _check(db: Database, work: str, store: str) -> None:
    known = (ALL, *(one.value for one in Work))
    if work not in known:
        raise PauseError(f"there is no work called {work}; there is {', '.join(known)}")
    if not store:
        return
    if work in STORELESS:
        raise PauseError(f"{work} cannot be paused for one store only; leave the store out")
    with db.read() as session:
        stores = list(session.scalars(select(Store.key).order_by(Store.key)))
    if store not in stores:
        raise PauseError(f"there is no store {store}; there is {', '.join(stores) or 'none'}")
