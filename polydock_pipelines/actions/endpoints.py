"""Endpoints that are away: note it, probe them, and go on when they are back.

What opens a circuit is not one lost answer but an endpoint that does not answer the simplest
question either. So a request that fails for one instance only holds back nobody else.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar, cast

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
from polydock_pipelines.ports.amazee_ai import (
    AMAZEE_AI,
    AiKeys,
    AiRegion,
    AiTeams,
    AiUsers,
    AmazeeAi,
)
from polydock_pipelines.ports.mail import SMTP

ASKED_BY_ITSELF = (LAGOON, SMTP)
"""Endpoints that no instance has to try: there is a question to ask them."""


class BarredError(EndpointError):
    """An endpoint was not asked, since it is away and another instance is its probe.

    It tells nothing new: noted as an absence, it would take the probe its right to ask.
    """


def note(
    book: Book, error: EndpointError, now: datetime, *, ping: Callable[[], None] | None
) -> str | None:
    """Open the circuit of the endpoint that *error* speaks of; None when it answers after all.

    *ping* asks that endpoint the simplest question; None: there is none to ask.
    """
    if ping is not None and not _is_open(book, error.endpoint) and _answers(ping):
        return None
    open_circuit(book.db, error.endpoint, book.credential, str(error), now)
    return error.endpoint


def lagoon_away(book: Book, lagoon: Lagoon, now: datetime) -> str:
    """Return why Lagoon is not to be asked now; empty when it may be."""
    return away_now(book, LAGOON, lagoon.ping, now)


def away_now(book: Book, endpoint: str, ping: Callable[[], None], now: datetime) -> str:
    """Return why *endpoint* is not to be asked now; empty when it may be.

    When it is time, and in one process of all, ask it the simplest question first.
    """
    gone = _find(book, endpoint)
    if gone is None:
        return ""
    if take_probe(book.db, endpoint, book.credential, now) and _answers(ping):
        close_circuit(book.db, endpoint, book.credential, now)
        return ""
    return gone.sentence()


def probe_others(book: Book, now: datetime) -> None:
    """Let one instance try each of the other endpoints that is away, when it is time."""
    with book.db.read() as session:
        gone = [one.endpoint for one in away(session, book.credential)]
    others = [endpoint for endpoint in gone if endpoint not in ASKED_BY_ITSELF]
    for endpoint in others:
        grant_probe(book.db, endpoint, book.credential, now)


def _answers(ping: Callable[[], None]) -> bool:
    try:
        ping()
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
            raise BarredError(reason, endpoint=endpoint)
        result = self._shell.run(at, script)
        close_circuit(book.db, endpoint, book.credential, self._clock.now())
        return result


class GuardedAmazeeAi:
    """An amazee.ai that is not asked while it is away, unless this instance is its probe."""

    def __init__(self, ai: AmazeeAi, book: Book, instance_id: int) -> None:
        self._ai = ai
        self._book = book
        self._instance_id = instance_id
        self._is_let_through = False
        self._has_failed = False

    def _let_through(self) -> AmazeeAi:
        """Return what is guarded; looks once a step whether it may be asked."""
        if not self._is_let_through:
            reason = barred(self._book.db, AMAZEE_AI, self._book.credential, self._instance_id)
            if reason:
                raise BarredError(reason, endpoint=AMAZEE_AI)
            self._is_let_through = True
        return self._ai

    def answered(self, now: datetime) -> None:
        """Note that it is back, if it was asked at all and was there each time.

        A step may have taken its absence for its own failure, as a removal does.
        """
        if self._is_let_through and not self._has_failed:
            close_circuit(self._book.db, AMAZEE_AI, self._book.credential, now)

    def _failed(self) -> None:
        self._has_failed = True

    def ping(self) -> None:
        """See `ports.AmazeeAi.ping`."""
        _listening(self._let_through(), self._failed).ping()

    def check(self) -> None:
        """See `ports.AmazeeAi.check`."""
        _listening(self._let_through(), self._failed).check()

    def region(self, region_id: int) -> AiRegion:
        """See `ports.AmazeeAi.region`."""
        return _listening(self._let_through(), self._failed).region(region_id)

    @property
    def users(self) -> AiUsers:
        """See `ports.AmazeeAi.users`."""
        return _listening(self._let_through().users, self._failed)

    @property
    def keys(self) -> AiKeys:
        """See `ports.AmazeeAi.keys`."""
        return _listening(self._let_through().keys, self._failed)

    @property
    def teams(self) -> AiTeams:
        """See `ports.AmazeeAi.teams`."""
        return _listening(self._let_through().teams, self._failed)


Facet = TypeVar("Facet")


def _listening(facet: Facet, failed: Callable[[], None]) -> Facet:
    """Return *facet*, calling *failed* at each EndpointError that one of its methods raises."""
    # It passes everything on, so it is whatever it stands for.
    return cast("Facet", _Listening(facet, failed))


class _Listening:
    """Passes calls on; typed by `_listening` as what it stands for."""

    def __init__(self, facet: object, failed: Callable[[], None]) -> None:
        self._facet = facet
        self._failed = failed

    def __getattr__(self, name: str) -> Callable[..., object]:
        method: Callable[..., object] = getattr(self._facet, name)

        def call(*values: object, **named: object) -> object:
            try:
                return method(*values, **named)
            except EndpointError:
                self._failed()
                raise

        return call
