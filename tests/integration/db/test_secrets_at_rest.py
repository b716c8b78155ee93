"""Secrets in the database: sealed, each for its own place, and nowhere else."""

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select

from polydock_pipelines.db import places
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.journal import LeaseJournal
from polydock_pipelines.db.leases import Book, apply, claim
from polydock_pipelines.db.models.all import METADATA
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.places import SEALED
from polydock_pipelines.db.vault import Vault, VaultError
from polydock_pipelines.lifecycle.instance import Effect
from polydock_pipelines.lifecycle.outcome import Done, Facts, Failed
from polydock_pipelines.lifecycle.secret import Secret
from tests.fakes.clock import START as NOW
from tests.fakes.clock import FakeClock
from tests.makers import (
    VAULT,
    a_book,
    instance_row,
    make_group,
    make_instance_row,
    make_registration,
    make_store,
    make_store_app,
    make_variable,
    new_instance,
)

CANARY = "canary-in-clear-text"


def dump(database: Database) -> dict[str, list[str]]:
    """Return every row of every table as text."""
    with database.engine.connect() as connection:
        return {
            table.name: [repr(tuple(row)) for row in connection.execute(select(table))]
            for table in METADATA.sorted_tables
        }


def an_instance_full_of_canaries(database: Database) -> int:
    with database.write() as session:
        store = make_store(session, deploy_key=f"{CANARY}-key")
        app = make_store_app(session, store)
        group = make_group(session)
        row = make_instance_row(session, app, group=group, password=f"{CANARY}-password")
        for owner in (store, app, row):
            make_variable(session, owner, "TOKEN", f"{CANARY}-{owner.id}", is_secret=True)
        make_registration(session, row)
        return row.id


def test_no_secret_is_in_clear_in_any_column_after_a_whole_story(
    database: Database, clock: FakeClock
) -> None:
    instance_id, book = an_instance_full_of_canaries(database), a_book(database)
    login = Facts(login_url=Secret(f"https://{CANARY}.example.com"), build_name="b-1")
    for outcome in (Done(login), Failed("no", facts=login), Done(login)):
        now = instance_row(database, instance_id).next_check_at
        assert now is not None
        taken = claim(book, instance_id, now)
        assert taken is not None
        journal = LeaseJournal(book, taken, clock)
        journal.intend(Effect.CREATE_PROJECT, taken.instance.name)
        journal.record(login)
        apply(book, taken, outcome, now)
    tables = dump(database)
    assert sum(map(len, tables.values())) > 15
    assert not [row for rows in tables.values() for row in rows if CANARY in row]


def test_a_step_gets_every_secret_in_clear(database: Database) -> None:
    instance_id = an_instance_full_of_canaries(database)
    taken = claim(a_book(database), instance_id, NOW)
    assert taken is not None
    instance = taken.instance
    assert instance.admin.password == Secret(f"{CANARY}-password")
    assert instance.target.deploy_key == Secret(f"{CANARY}-key")
    assert [v.value for v in instance.variables] == [Secret(f"{CANARY}-{instance_id}")]
    assert CANARY not in repr(taken)


def test_the_list_of_sealed_columns_opens_everything_that_is_sealed(database: Database) -> None:
    instance_id = an_instance_full_of_canaries(database)
    with database.write() as session:
        row = session.get_one(AppInstance, instance_id)
        row.login_url = VAULT.seal(places.login_url(row), Secret(f"{CANARY}-url"))
    opened: list[str] = []
    with database.read() as session:
        for sealed in SEALED:
            for row in session.scalars(select(sealed.model)):
                if sealed.only_if is None or getattr(row, sealed.only_if):
                    value = getattr(row, sealed.column)
                    opened.append(VAULT.open(sealed.place(row), value).reveal())
    assert len(opened) == 6
    assert all(value.startswith(CANARY) for value in opened)


def test_ciphertext_that_was_moved_to_another_row_refuses_to_open(database: Database) -> None:
    mine, other = new_instance(database, password="tiger"), new_instance(database)
    with database.write() as session:
        stolen = session.get_one(AppInstance, mine).admin_password
        session.get_one(AppInstance, other).admin_password = stolen
    with pytest.raises(
        VaultError, match=r"holds a secret that was sealed for app_instances\."
    ) as e:
        claim(a_book(database), other, NOW)
    assert "tiger" not in str(e.value)


def test_ciphertext_that_was_moved_to_another_column_refuses_to_open(database: Database) -> None:
    instance_id = new_instance(database)
    with database.write() as session:
        row = session.get_one(AppInstance, instance_id)
        row.login_url = row.admin_password
    with pytest.raises(VaultError, match=r"app_instances\.login_url:.* was sealed for"):
        claim(a_book(database), instance_id, NOW)


def test_a_key_that_is_not_known_refuses_with_a_sentence_and_takes_no_lease(
    database: Database,
) -> None:
    instance_id = new_instance(database)
    database.vault = Vault([Fernet.generate_key().decode()])
    with pytest.raises(VaultError, match="POLYDOCK_SECRET_KEYS lacks the key that sealed it"):
        claim(Book(database), instance_id, NOW)
    row = instance_row(database, instance_id)
    assert (row.status, row.lease_token, row.attempt) == ("pending-pre-create", None, 0)


def test_the_same_secret_looks_different_in_each_row(database: Database) -> None:
    ids = [new_instance(database, password="same") for _ in range(2)]  # pragma: allowlist secret
    sealed = {instance_row(database, instance_id).admin_password for instance_id in ids}
    assert len(sealed) == 2
