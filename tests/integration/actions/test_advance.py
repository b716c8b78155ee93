"""Advancing an instance whose secrets cannot be opened here."""

from datetime import timedelta

from sqlalchemy import select

from polydock_pipelines.actions.advance import VAULT_PAUSE, advance
from polydock_pipelines.clients.keys import public_key_of
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.leases import Book
from polydock_pipelines.db.models.instances import AppInstance, InstanceLog
from polydock_pipelines.db.vault import Vault, new_key
from polydock_pipelines.ports import Ports
from tests.fakes.amazee_ai import FakeAmazeeAi
from tests.fakes.clock import FakeClock
from tests.fakes.lagoon import FakeLagoon
from tests.fakes.shell import FakeShell
from tests.makers import new_instance


def _row(database: Database, instance_id: int) -> AppInstance:
    with database.read() as session:
        return session.get_one(AppInstance, instance_id)


def test_a_missing_key_fails_nobody_and_says_what_is_missing(
    database: Database, clock: FakeClock
) -> None:
    instance_id = new_instance(database)
    before = _row(database, instance_id)
    database.vault = Vault([new_key()])
    ports = Ports(FakeLagoon(clock), FakeShell(), FakeAmazeeAi(), clock, public_key_of)

    assert advance(Book(database), ports, instance_id) is None

    row = _row(database, instance_id)
    assert (row.status, row.attempt, row.lease_token) == (before.status, before.attempt, None)
    assert row.next_check_at == clock.now() + VAULT_PAUSE
    assert "POLYDOCK_SECRET_KEYS" in row.status_message
    with database.read() as session:
        assert session.scalars(select(InstanceLog.level)).all() == ["error"]


def test_once_the_key_is_back_the_instance_goes_on(database: Database, clock: FakeClock) -> None:
    instance_id, vault = new_instance(database), database.vault
    ports = Ports(FakeLagoon(clock), FakeShell(), FakeAmazeeAi(), clock, public_key_of)
    database.vault = Vault([new_key()])
    advance(Book(database), ports, instance_id)
    database.vault = vault
    clock.advance(VAULT_PAUSE + timedelta(seconds=1))

    visit = advance(Book(database), ports, instance_id)

    assert visit is not None
    assert visit.outcome == "done"
