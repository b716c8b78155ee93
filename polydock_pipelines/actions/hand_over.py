"""Give due instances to runs: what sensors, the intake and operators call."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from polydock_pipelines.db import handovers
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.handovers import Chunk
from polydock_pipelines.lifecycle.table import LIFECYCLE, Kind, statuses_of
from polydock_pipelines.lifecycle.transitions import pending

MOST_UNSTARTED = 2
NEW = (pending(LIFECYCLE[0].name),)
"""The status of a request that nobody has begun."""


def hand_over_new(db: Database, now: datetime, source: str) -> list[Chunk]:
    """Hand over all new requests."""
    return _unless_waiting(db, Kind.PROVISION, now, source, NEW)


def hand_over_due(db: Database, kind: Kind, now: datetime, source: str) -> list[Chunk]:
    """Hand over everything else of *kind* that is due."""
    others = tuple(s for s in statuses_of(kind) if s not in NEW)
    return _unless_waiting(db, kind, now, source, others)


def hand_over_ended(
    db: Database, by_kind: Mapping[Kind, Sequence[int]], now: datetime, source: str
) -> list[Chunk]:
    """Hand over instances whose remote work ended, although their own time has not come."""
    chunks: list[Chunk] = []
    for kind, ids in by_kind.items():
        handovers.bring_forward(db, ids, now)
        chunks += hand_over_due(db, kind, now, source)
    return chunks


def _unless_waiting(
    db: Database, kind: Kind, now: datetime, source: str, statuses: Sequence[str]
) -> list[Chunk]:
    """Hand nothing over while runs of the kind wait to begin: those will take what is due."""
    if handovers.unstarted(db, kind, now) >= MOST_UNSTARTED:
        return []
    return handovers.hand_over(db, kind, now, source=source, statuses=statuses)
