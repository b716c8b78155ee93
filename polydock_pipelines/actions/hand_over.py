"""Give due instances to runs: what sensors, the intake and operators call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement

from polydock_pipelines.db import handovers
from polydock_pipelines.db.gates import room_for_builds
from polydock_pipelines.db.handovers import Chunk
from polydock_pipelines.db.leases import Book
from polydock_pipelines.lifecycle.table import LIFECYCLE, Kind, statuses_of
from polydock_pipelines.lifecycle.transitions import pending

MOST_UNSTARTED = 2
NEW = (pending(LIFECYCLE[0].name),)
"""The status of a request that nobody has begun."""


def hand_over_new(book: Book, now: datetime, source: str) -> list[Chunk]:
    """Hand over all new requests."""
    return _unless_waiting(book, Kind.PROVISION, now, source, NEW)


def hand_over_due(book: Book, kind: Kind, now: datetime, source: str) -> list[Chunk]:
    """Hand over everything else of *kind* that is due."""
    others = tuple(s for s in statuses_of(kind) if s not in NEW)
    return _unless_waiting(book, kind, now, source, others)


def hand_over_ended(
    book: Book, by_kind: Mapping[Kind, Sequence[int]], now: datetime, source: str
) -> list[Chunk]:
    """Hand over instances whose remote work ended, although their own time has not come."""
    chunks: list[Chunk] = []
    for kind, ids in by_kind.items():
        handovers.bring_forward(book.db, ids, now)
        chunks += hand_over_due(book, kind, now, source)
    return chunks


def _unless_waiting(
    book: Book, kind: Kind, now: datetime, source: str, statuses: Sequence[str]
) -> list[Chunk]:
    """Hand nothing over while runs of the kind wait to begin: those will take what is due."""
    if not handovers.is_any_due(book.db, kind, now, statuses):
        return []
    if handovers.unstarted(book.db, kind, now) >= MOST_UNSTARTED:
        return []
    what = allowed(book, kind, now)
    return handovers.hand_over(
        book.db, kind, now, source=source, statuses=statuses, lets=what.lets, room=what.room
    )


@dataclass(frozen=True)
class Allowed:
    """Which due rows of a kind may be handed over."""

    lets: ColumnElement[bool]
    room: int | None
    """For rows that begin with a build; None: as many as come."""


def allowed(book: Book, kind: Kind, now: datetime) -> Allowed:
    """Return what circuits, brakes and limits leave of *kind*."""
    with book.db.read() as session:
        return Allowed(book.gate(now).lets(kind), room_for_builds(session, book.limits))
