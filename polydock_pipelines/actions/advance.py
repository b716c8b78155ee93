"""Advance one instance by one stage: claim, step, apply. The engine of the whole house."""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from polydock_pipelines.actions.endpoints import BarredError, GuardedAmazeeAi, GuardedShell, note
from polydock_pipelines.apps.app_type import AppType
from polydock_pipelines.apps.registry import APP_TYPES
from polydock_pipelines.db.circuits import LAGOON
from polydock_pipelines.db.database import NO_DATABASE
from polydock_pipelines.db.journal import LeaseJournal
from polydock_pipelines.db.leases import Book, Held, apply, claim, lay_down, set_aside
from polydock_pipelines.db.vault import VaultError
from polydock_pipelines.lifecycle.outcome import Failed, Outcome, Unreachable
from polydock_pipelines.lifecycle.table import Kind
from polydock_pipelines.ports import (
    DeniedError,
    EndpointError,
    PortError,
    Ports,
    RefusedError,
    StaleLeaseError,
    StepPorts,
    ThrottledError,
)
from polydock_pipelines.ports.amazee_ai import AMAZEE_AI

ENDPOINT_PAUSE = timedelta(seconds=30)
DENIED_ATTEMPTS = 3
"""A minute and a half: longer than a restart of Lagoon's Keycloak, short for a wrong setting."""
VAULT_PAUSE = timedelta(minutes=2)
DATABASE_PAUSE = timedelta(seconds=30)


@dataclass(frozen=True)
class Visit:
    """What one stage of one instance came to."""

    instance_id: int
    instance_uuid: str
    name: str
    stage: str
    outcome: str
    """done, waiting, failed, unreachable or stale."""
    status: str | None
    """The wire string afterwards; None when our lease was lost."""
    message: str
    seconds: float


def advance(
    book: Book,
    ports: Ports,
    instance_id: int,
    *,
    handover_id: str | None = None,
    kind: Kind | None = None,
    on_lease: "LeaseWatch | None" = None,
) -> Visit | None:
    """Run the due stage of one instance. None when it is held, not due, or has nothing to do."""
    now = ports.clock.now()
    try:
        held = claim(book, instance_id, now, handover_id=handover_id, kind=kind)
    except VaultError as error:
        # A key is missing here, or a secret was moved: nobody's fault but the operator's to mend.
        set_aside(book, instance_id, now, until=now + VAULT_PAUSE, reason=str(error))
        return None
    if held is None:
        return None
    began = time.monotonic()
    watch = on_lease or LeaseWatch()
    watch.add(held.token)
    try:
        outcome = _step(book, ports, held)
        status = apply(book, held, outcome, ports.clock.now()) if outcome else None
    except NO_DATABASE:
        # A disk that is full must not spend anybody's attempts; should this fail as well, it does.
        with suppress(*NO_DATABASE):
            lay_down(book, held, now + DATABASE_PAUSE)
        raise
    finally:
        watch.remove(held.token)
    return _visit(held, outcome, status, time.monotonic() - began)


class LeaseWatch:
    """The leases that this process holds, so that somebody can renew them."""

    def __init__(self) -> None:
        self._tokens: set[str] = set()
        self._lock = threading.Lock()

    def add(self, token: str) -> None:
        """Begin to renew."""
        with self._lock:
            self._tokens.add(token)

    def remove(self, token: str) -> None:
        """Stop renewing."""
        with self._lock:
            self._tokens.discard(token)

    def tokens(self) -> list[str]:
        """Return those that are held right now."""
        with self._lock:
            return sorted(self._tokens)


def _step(book: Book, ports: Ports, held: Held) -> Outcome | Unreachable | None:
    """Run the step; None when the lease was lost on the way. A bug is not caught: let it be red."""
    instance = held.instance
    app_type: AppType = APP_TYPES[instance.app_type]
    amazee_ai = GuardedAmazeeAi(ports.amazee_ai, book, instance.id)
    step_ports = StepPorts(
        lagoon=ports.lagoon,
        shell=GuardedShell(ports.shell, book, instance.id, ports.clock),
        amazee_ai=amazee_ai,
        clock=ports.clock,
        public_key_of=ports.public_key_of,
        journal=LeaseJournal(book, held, ports.clock),
    )
    try:
        outcome = app_type.steps[instance.stage](instance, step_ports)
    except StaleLeaseError:
        return None
    except PortError as error:
        outcome = _outcome_of(book, ports, error)
    amazee_ai.answered(ports.clock.now())
    return outcome


def _outcome_of(book: Book, ports: Ports, error: PortError) -> Failed | Unreachable:
    """Return what a failed request means: about the endpoint, or about this instance."""
    now = ports.clock.now()
    match error:
        case BarredError():
            return Unreachable(str(error), now + ENDPOINT_PAUSE, error.endpoint)
        case EndpointError():
            pings = {LAGOON: ports.lagoon.ping, AMAZEE_AI: ports.amazee_ai.ping}
            waits_for = note(book, error, now, ping=pings.get(error.endpoint))
            return Unreachable(str(error), now + ENDPOINT_PAUSE, waits_for)
        case ThrottledError():
            return Unreachable(str(error), now + ENDPOINT_PAUSE)
        case RefusedError():
            return Failed(str(error), is_final=True)
        case DeniedError():
            return Failed(str(error), attempts=DENIED_ATTEMPTS)
        case _:
            return Failed(str(error))


def _visit(
    held: Held, outcome: Outcome | Unreachable | None, status: str | None, seconds: float
) -> Visit:
    word = "stale" if status is None or outcome is None else type(outcome).__name__.lower()
    message = getattr(outcome, "reason", "") or getattr(outcome, "note", "")
    if word == "stale":
        message = "another run holds it now; nothing was written"
    instance = held.instance
    return Visit(
        instance_id=instance.id,
        instance_uuid=instance.uuid,
        name=instance.name,
        stage=instance.stage,
        outcome=word,
        status=status,
        message=message,
        seconds=seconds,
    )
