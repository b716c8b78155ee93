"""amazee.ai away: its own circuit, which one instance probes and only a good answer closes."""

from contextlib import suppress

import pytest

from polydock_pipelines.actions.advance import advance
from polydock_pipelines.actions.endpoints import GuardedAmazeeAi
from polydock_pipelines.clients.keys import public_key_of
from polydock_pipelines.db.circuits import away, grant_probe, open_circuit
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.leases import Book
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.ports import EndpointError, Ports
from polydock_pipelines.ports.amazee_ai import AMAZEE_AI
from tests.fakes.amazee_ai import FakeAmazeeAi
from tests.fakes.clock import START, FakeClock
from tests.fakes.lagoon import FakeLagoon
from tests.fakes.shell import FakeShell
from tests.makers import new_instance


def lost() -> EndpointError:
    return EndpointError("no answer", endpoint=AMAZEE_AI)


def is_away(database: Database) -> bool:
    with database.read() as session:
        return AMAZEE_AI in [one.endpoint for one in away(session)]


def guarded(database: Database, ai: FakeAmazeeAi, instance_id: int = 1) -> GuardedAmazeeAi:
    return GuardedAmazeeAi(ai, Book(database), instance_id)


def waiting_instance(database: Database) -> int:
    """Return an instance that waits for amazee.ai, whose circuit is open."""
    instance_id = new_instance(database, app_type="polydock-app-ai", ai_region_id=1)
    with database.write() as session:
        session.get_one(AppInstance, instance_id).waits_for = AMAZEE_AI
    open_circuit(database, AMAZEE_AI, "", "no answer", START)
    return instance_id


def test_while_it_is_away_nobody_asks_it(database: Database) -> None:
    waiting_instance(database)
    ai = FakeAmazeeAi()
    with pytest.raises(EndpointError, match="no answer"):
        guarded(database, ai, instance_id=999).users.by_email("a@example.com")
    assert ai.calls == []


def test_the_probe_closes_the_circuit_when_it_is_answered(
    database: Database, clock: FakeClock
) -> None:
    probe = waiting_instance(database)
    assert grant_probe(database, AMAZEE_AI, "", clock.advance(60))
    guard = guarded(database, FakeAmazeeAi(), probe)
    guard.users.by_email("a@example.com")
    guard.answered(clock.now())
    assert not is_away(database)


def test_a_probe_that_a_step_took_for_its_own_failure_leaves_it_open(
    database: Database, clock: FakeClock
) -> None:
    probe = waiting_instance(database)
    assert grant_probe(database, AMAZEE_AI, "", clock.advance(60))
    guard = guarded(database, FakeAmazeeAi(failing={"users.by_email": [lost()]}), probe)
    with suppress(EndpointError):
        guard.users.by_email("a@example.com")
    guard.answered(clock.now())
    assert is_away(database)


def test_who_never_asked_it_closes_nothing(database: Database, clock: FakeClock) -> None:
    waiting_instance(database)
    guarded(database, FakeAmazeeAi()).answered(clock.now())
    assert is_away(database)


def test_an_instance_waits_for_it_and_another_type_goes_on(
    database: Database, clock: FakeClock
) -> None:
    ai = FakeAmazeeAi(failing={"check": [lost()], "ping": [lost()]})
    ports = Ports(FakeLagoon(clock), FakeShell(), ai, clock, public_key_of)
    with_ai = new_instance(database, app_type="polydock-app-ai", ai_region_id=1)
    generic = new_instance(database)
    visits = [advance(Book(database), ports, one) for one in (with_ai, generic)]
    assert [visit.outcome for visit in visits if visit] == ["unreachable", "done"]
    assert is_away(database)
    with database.read() as session:
        row = session.get_one(AppInstance, with_ai)
    assert (row.waits_for, row.attempt, row.status) == (AMAZEE_AI, 0, "pending-pre-create")


def test_a_request_that_fails_for_one_opens_no_circuit(
    database: Database, clock: FakeClock
) -> None:
    ai = FakeAmazeeAi(failing={"region": [lost()]})
    ports = Ports(FakeLagoon(clock), FakeShell(), ai, clock, public_key_of)
    instance_id = new_instance(database, app_type="polydock-app-ai", ai_region_id=1)
    visit = advance(Book(database), ports, instance_id)
    assert visit is not None
    assert visit.outcome == "unreachable"
    assert not is_away(database)


def test_who_is_barred_takes_the_probe_nothing(database: Database, clock: FakeClock) -> None:
    first, second = (
        new_instance(database, app_type="polydock-app-ai", ai_region_id=1) for _ in range(2)
    )
    open_circuit(database, AMAZEE_AI, "", "no answer", START)
    with database.write() as session:
        session.get_one(AppInstance, second).waits_for = AMAZEE_AI
    assert grant_probe(database, AMAZEE_AI, "", clock.advance(60))
    ports = Ports(FakeLagoon(clock), FakeShell(), FakeAmazeeAi(), clock, public_key_of)
    visits = [advance(Book(database), ports, one) for one in (first, second)]
    assert [visit.outcome for visit in visits if visit] == ["unreachable", "done"]
    assert not is_away(database)
