"""Ends and purges obey brakes, the alarm and the pace of Lagoon operations; none is lost."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from polydock_pipelines.actions.hand_over import hand_over_due
from polydock_pipelines.actions.pause import pause, resume
from polydock_pipelines.actions.purge import begin_due_purges
from polydock_pipelines.actions.trials import Round, remove_ended_trials
from polydock_pipelines.db import buckets
from polydock_pipelines.db.buckets import LAGOON_OPERATIONS
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.gates import Limits
from polydock_pipelines.db.leases import Book, apply, claim
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.lifecycle.outcome import Done
from polydock_pipelines.lifecycle.table import Kind
from tests.fakes.clock import START
from tests.integration.actions.removed import ELIGIBLE_AT, a_removed
from tests.makers import a_book, make_store_app, make_trial

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
ENDINGS = {Kind.REMOVE: START + timedelta(days=14), Kind.PURGE: ELIGIBLE_AT}
"""When what is worked by a kind of run falls due."""


def begin(kind: Kind) -> Callable[[Book, datetime], Round]:
    """Return what puts the due on their way."""
    return remove_ended_trials if kind is Kind.REMOVE else begin_due_purges


def statuses(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(AppInstance.status)))


endings = pytest.mark.parametrize(("kind", "now"), ENDINGS.items())


def due(database: Database, kind: Kind, now: datetime, count: int, book: Book) -> None:
    """Let so many trials, or graces, be over."""
    with database.write() as session:
        app = make_store_app(session)
        if kind is Kind.REMOVE:
            for _ in range(count):
                make_trial(session, app)
    for _ in range(count if kind is Kind.PURGE else 0):
        a_removed(database)
    begin(kind)(book, now)


def work(book: Book, kind: Kind, now: datetime) -> tuple[int, int]:
    """Hand over what is due and take it; return how many were handed over, and how many begun."""
    chunks = hand_over_due(book, kind, now, "a test")
    with book.db.read() as session:
        ids = [
            *session.scalars(
                select(AppInstance.id)
                .where(AppInstance.handover_id.in_([c.handover_id for c in chunks]))
                .order_by(AppInstance.id)
            )
        ]
    begun = 0
    for one in ids:
        held = claim(book, one, now, kind=kind)
        if held is not None:
            apply(book, held, Done(), now)
            begun += 1
    return sum(chunk.size for chunk in chunks), begun


@endings
def test_too_many_at_once_pause_themselves_until_somebody_looked(
    database: Database, kind: Kind, now: datetime
) -> None:
    book = a_book(database, limits=Limits(removal_alarm=3))
    due(database, kind, now, 5, book)
    assert work(book, kind, now) == (5, 3)
    (brake,) = book.gate(now).paused
    word = "removal" if kind is Kind.REMOVE else "purge"
    assert (brake.work, brake.by, brake.is_alarm) == (word, "the removal alarm", True)
    assert f"`polydock resume --only {word}` lets it go on" in brake.sentence()
    later = now + HOUR / 2
    assert work(book, kind, later) == (0, 0)
    assert resume(database, later, work=word, by="ada").note == "goes on"
    assert work(book, kind, later + SECOND)[1] >= 2
    assert book.gate(later).paused == ()


@endings
def test_a_brake_keeps_what_fell_due_and_its_release_lets_it_go_on(
    database: Database, kind: Kind, now: datetime
) -> None:
    book = a_book(database)
    word = "removal" if kind is Kind.REMOVE else "purge"
    pause(database, now, work=word, by="ada")
    due(database, kind, now, 2, book)
    assert work(book, kind, now + HOUR) == (0, 0)
    assert statuses(database) == {"running-healthy-claimed" if kind is Kind.REMOVE else "removed"}
    resume(database, now + HOUR, work=word, by="ada")
    begin(kind)(book, now + HOUR)
    assert work(book, kind, now + HOUR) == (2, 2)


@endings
def test_while_lagoon_operations_are_booked_ahead_nothing_more_is_begun(
    database: Database, kind: Kind, now: datetime
) -> None:
    book = a_book(database, limits=Limits(lagoon_ops_per_minute=60))
    due(database, kind, now, 2, book)
    buckets.take(database, LAGOON_OPERATIONS, 60, 40, now)
    assert work(book, kind, now) == (0, 0)
    assert "POLYDOCK_LAGOON_OPS_PER_MINUTE" in book.gate(now).why(kind)
    assert work(book, kind, now + 40 * SECOND) == (2, 2)
