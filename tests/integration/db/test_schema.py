"""Migrations and models agree, and foreign keys keep what Lagoon still holds."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import delete, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from polydock_pipelines.db import schema, version
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.all import METADATA
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.offers import Store, StoreApp
from polydock_pipelines.db.models.people import User, UserGroup
from polydock_pipelines.db.models.requests import Registration
from tests.fakes.clock import START
from tests.makers import (
    VAULT,
    make_group,
    make_instance_row,
    make_registration,
    make_user,
    new_instance,
)
from tests.postgres import PostgresServer


def test_migrations_make_what_the_models_say(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_upgrading_again_changes_nothing_and_keeps_the_rows(database: Database) -> None:
    instance_id = new_instance(database)
    schema.upgrade(database)
    schema.upgrade(database)
    version.require(database)
    assert version.current(database) == schema.head()
    with database.read() as session:
        assert list(session.scalars(select(AppInstance.id))) == [instance_id]


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[str]:
    """The address of a database without a table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.sqlite"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create()
    yield server.url(name)
    server.drop(name)


def test_an_empty_database_is_refused_with_the_command_that_helps(empty_url: str) -> None:
    empty = Database(empty_url, VAULT)
    try:
        with pytest.raises(version.SchemaError, match=r"version none.*`polydock db upgrade`"):
            version.require(empty)
        schema.upgrade(empty)
        version.require(empty)
    finally:
        empty.close()


def test_every_foreign_key_restricts() -> None:
    keys = [key for table in METADATA.sorted_tables for key in table.foreign_keys]
    assert len(keys) > 10
    assert {key.ondelete for key in keys} == {"RESTRICT"}


@pytest.mark.parametrize(
    "remove",
    [
        lambda session: session.execute(delete(StoreApp)),
        lambda session: session.execute(delete(Store)),
        lambda session: session.execute(delete(UserGroup)),
        lambda session: session.execute(delete(User)),
        lambda session: session.execute(delete(AppInstance)),
    ],
    ids=["app", "store", "group", "user", "instance"],
)
def test_what_an_instance_or_its_story_needs_cannot_be_deleted(
    database: Database, remove: Callable[[Session], object]
) -> None:
    with database.write() as session:
        group = make_group(session, make_user(session))
        row = make_instance_row(session, group=group)
        make_registration(session, row)
        instance_id = row.id
    with pytest.raises(IntegrityError), database.write() as session:
        remove(session)
    with database.read() as session:
        assert session.get(AppInstance, instance_id) is not None


@pytest.mark.parametrize("column", ["uuid", "name"])
def test_two_instances_never_share_a_name(database: Database, column: str) -> None:
    taken: dict[str, Any] = {column: "11111111-1111-4111-8111-111111111111"}
    new_instance(database, **taken)
    with pytest.raises(IntegrityError):
        new_instance(database, **taken)


def test_an_instance_belongs_to_one_registration_only(database: Database) -> None:
    with database.write() as session:
        row = make_instance_row(session)
        make_registration(session, row)
        instance_id = row.id
    with pytest.raises(IntegrityError), database.write() as session:
        make_registration(session, session.get_one(AppInstance, instance_id))


def test_an_idempotency_key_is_used_once(database: Database) -> None:
    with database.write() as session:
        make_registration(session, idempotency_key="k")
    with pytest.raises(IntegrityError), database.write() as session:
        make_registration(session, idempotency_key="k")


def test_times_come_back_aware_and_naive_ones_are_refused(database: Database) -> None:
    with database.write() as session:
        make_registration(session)
    with database.read() as session:
        assert session.scalars(select(Registration.created_at)).one() == START
    with pytest.raises(Exception, match="a time without a zone"), database.write() as session:
        make_registration(session, created_at=START.replace(tzinfo=None))


def test_sqlite_writes_ahead_keeps_foreign_keys_and_waits_its_turn(
    sqlite_database: Database,
) -> None:
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}
    with sqlite_database.read() as session:
        found = {name: session.scalar(text(f"PRAGMA {name}")) for name in wanted}
    assert found == wanted
