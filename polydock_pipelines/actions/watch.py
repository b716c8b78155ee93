"""Which builds ended and which environments are gone: one bulk look for all that wait."""

from dataclasses import dataclass, field
from datetime import datetime

from polydock_pipelines.actions.endpoints import lagoon_away, note
from polydock_pipelines.db.leases import Book
from polydock_pipelines.db.waiting import WaitingRow, rows_waiting
from polydock_pipelines.lifecycle.table import Kind
from polydock_pipelines.ports import EndpointError, EnvironmentRef, Lagoon, PortError

MOST_ENVIRONMENTS = 200


@dataclass(frozen=True)
class Ended:
    """Instances whose remote work ended or whose deadline passed, by the kind of run they need."""

    by_kind: dict[Kind, list[int]] = field(default_factory=dict[Kind, list[int]])
    looked_at: int = 0
    trouble: str = ""
    """Why Lagoon could not be asked."""


def look(book: Book, lagoon: Lagoon, now: datetime) -> Ended:
    """Look at everything that Lagoon works on for us, unless it is away; probe it then."""
    trouble = lagoon_away(book, lagoon, now)
    if trouble:
        return Ended(trouble=trouble)
    try:
        return ended(book, lagoon, now)
    except EndpointError as error:
        note(book, error, now, ping=lagoon.ping)
        return Ended(trouble=str(error))
    except PortError as error:
        return Ended(trouble=str(error))


def ended(book: Book, lagoon: Lagoon, now: datetime) -> Ended:
    """Look at everything that Lagoon works on for us. EndpointError when it cannot be asked.

    People wait for builds, nobody for a removal: trouble with environments hides no ended build.
    """
    gate = book.gate(now)
    waiting = rows_waiting(book.db, now, {kind: gate.lets(kind) for kind in Kind})
    builds = [row for row in waiting if row.bulk_id and not row.is_removal]
    leaving = [row for row in waiting if row.is_removal]
    done = _ended_builds(builds, lagoon, now)
    try:
        done += _gone(_turn(leaving, now), lagoon, now)
    except PortError:
        if not builds:
            raise
    by_kind: dict[Kind, list[int]] = {}
    for row in done:
        by_kind.setdefault(row.kind, []).append(row.id)
    return Ended(by_kind, len(waiting))


def _turn(rows: list[WaitingRow], now: datetime) -> list[WaitingRow]:
    """Return at most MOST_ENVIRONMENTS of *rows*, others at each look: each costs a check."""
    if len(rows) <= MOST_ENVIRONMENTS:
        return rows
    start = int(now.timestamp()) * MOST_ENVIRONMENTS % len(rows)
    return (rows + rows)[start : start + MOST_ENVIRONMENTS]


def _ended_builds(rows: list[WaitingRow], lagoon: Lagoon, now: datetime) -> list[WaitingRow]:
    """Return those that are over. Missing among the running is not ended: ask for these by id."""
    if not rows:
        return []
    running = {build.bulk_id for build in lagoon.deployments.running()}
    unsure = [row.bulk_id for row in rows if row.bulk_id and row.bulk_id not in running]
    found = lagoon.deployments.by_bulk_ids(unsure, partial=True) if unsure else {}
    over = {
        key for key, builds in found.items() if builds and not any(b.is_running for b in builds)
    }
    return [row for row in rows if row.bulk_id in over or row.is_overdue(now)]


def _gone(rows: list[WaitingRow], lagoon: Lagoon, now: datetime) -> list[WaitingRow]:
    """Return those whose environment stands no more."""
    refs = {
        row.id: EnvironmentRef(row.project_id, row.branch)
        for row in rows
        if row.project_id is not None
    }
    if not refs:
        return [row for row in rows if row.is_overdue(now)]
    standing = lagoon.environments.standing(list(refs.values()))
    return [
        row
        for row in rows
        if row.is_overdue(now) or (row.id in refs and refs[row.id] not in standing)
    ]
