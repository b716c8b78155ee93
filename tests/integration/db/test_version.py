"""The version that is read without Alembic is Alembic's."""

from pathlib import Path

from polydock_pipelines.db import schema, version
from polydock_pipelines.db.database import Database
from tests.makers import VAULT
from tests.postgres import PostgresServer


def test_the_needed_version_is_the_newest_migration() -> None:
    assert schema.head() == version.NEEDED


def test_a_migrated_database_has_no_problem(database: Database) -> None:
    assert version.current(database) == version.NEEDED
    assert version.problem(database) == ""


def test_an_empty_database_is_told_what_to_do(tmp_path: Path) -> None:
    empty = Database(f"sqlite:///{tmp_path}/empty.db", VAULT)
    try:
        assert version.current(empty) is None
        assert "run `polydock db upgrade`" in version.problem(empty)
    finally:
        empty.close()


def test_an_empty_postgres_is_told_what_to_do(postgres: PostgresServer) -> None:
    name = postgres.create()
    empty = Database(postgres.url(name), VAULT)
    try:
        assert "version none" in version.problem(empty)
    finally:
        empty.close()
        postgres.drop(name)
