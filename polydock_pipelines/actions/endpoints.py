"""Endpoints that are away: note it, probe them, and go on when they are back.

What opens a circuit is not one lost answer but an endpoint that does not answer the simplest
question either. So a request that fails for one instance only holds back nobody else.
"""

from datetime import datetime

from polydock_pipelines.db.circuits import (
    LAGOON,
    Away,
    away,
    barred,
    close_circuit,
    grant_probe,
    open_circuit,
    take_probe,
)
from polydock_pipelines.db.leases import Book
from polydock_pipelines.ports import Clock, CommandResult, Container, EndpointError, Lagoon, Shell


def note(book: Book, lagoon: Lagoon, error: EndpointError, now: datetime) -> str | None:
    """Open the circuit of the endpoint that *error* speaks of; None when it answers after all."""
    if error.endpoint == LAGOON and not _is_open(book, LAGOON) and _answers(lagoon):
        return None
    open_circuit(book.db, error.endpoint, book.credential, str(error), now)
    return error.endpoint


def lagoon_away(book: Book, lagoon: Lagoon, now: datetime) -> str:
    """Return why Lagoon is not to be asked now; empty when it may be.

    When it is time, and in one process of all, ask it first.
    """
    gone = _find(book, LAGOON)
    if gone is None:
        return ""
    if take_probe(book.db, LAGOON, book.credential, now) and _answers(lagoon):
        close_circuit(book.db, LAGOON, book.credential, now)
        return ""
    return gone.sentence()


def probe_others(book: Book, now: datetime) -> None:
    """Let one instance try each of the other endpoints that is away, when it is time."""
    with book.db.read() as session:
        others = [one.endpoint for one in away(session, book.credential) if one.endpoint != LAGOON]
    for endpoint in others:
        grant_probe(book.db, endpoint, book.credential, now)


def _answers(lagoon: Lagoon) -> bool:
    try:
        lagoon.ping()
    except EndpointError:
        return False
    return True


def _find(book: Book, endpoint: str) -> Away | None:
    with book.db.read() as session:
        return next((a for a in away(session, book.credential) if a.endpoint == endpoint), None)


def _is_open(book: Book, endpoint: str) -> bool:
    return _find(book, endpoint) is not None


class GuardedShell:
    """A shell that does not try a server that is away, unless this instance is its probe."""

    def __init__(self, shell: Shell, book: Book, instance_id: int, clock: Clock) -> None:
        self._shell = shell
        self._book = book
        self._instance_id = instance_id
        self._clock = clock

    def endpoint(self, at: Container) -> str:
        """See `ports.Shell.endpoint`."""
        return self._shell.endpoint(at)

    def run(self, at: Container, script: str) -> CommandResult:
        """See `ports.Shell.run`."""
        endpoint, book = self._shell.endpoint(at), self._book
        reason = barred(book.db, endpoint, book.credential, self._instance_id)
        if reason:
            raise EndpointError(reason, endpoint=endpoint)
        result = self._shell.run(at, script)
        close_circuit(book.db, endpoint, book.credential, self._clock.now())
        return result
