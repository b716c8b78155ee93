"""The Postgres of the tests itself."""

from collections.abc import Callable
from pathlib import Path

import psycopg2
import pytest

from tests import postgres
from tests.postgres import PostgresError, PostgresServer, Spares, running_postgres


@pytest.mark.parametrize(
    "find", [postgres.distribution_binaries, postgres.bundled_binaries], ids=lambda f: f.__name__
)
def test_postgres_starts_from_either_source_of_binaries_and_stops(
    find: Callable[[], Path | None],
) -> None:
    with running_postgres(find()) as server:  # None, where the distribution has none: any
        assert server.version >= 150000
        name = server.create()
        server.drop(name)
    with pytest.raises(psycopg2.OperationalError):
        server.execute("SELECT 1")


def test_binaries_that_only_root_can_read_are_copied(tmp_path: Path) -> None:
    bundled = postgres.bundled_binaries()
    assert bundled is not None
    package = bundled.parent.parent
    hidden = tmp_path / package.name
    hidden.mkdir(mode=0o700)
    (hidden / "pginstall").symlink_to(bundled.parent)
    libraries = package.with_name(f"{package.name}.libs")
    (tmp_path / libraries.name).symlink_to(libraries)
    with running_postgres(hidden / "pginstall" / "bin") as server:
        assert server.version >= 150000


def test_a_postgres_that_cannot_start_is_said_in_a_sentence(tmp_path: Path) -> None:
    for name in ("initdb", "postgres"):
        (tmp_path / name).write_text("#!/bin/sh\necho it is broken >&2; exit 1\n")
        (tmp_path / name).chmod(0o755)
    with (
        pytest.raises(PostgresError, match=r"initdb .* failed: it is broken|cannot be run"),
        running_postgres(tmp_path),
    ):
        pass


def test_an_emptied_database_counts_from_one_again(
    postgres: PostgresServer, postgres_template: str
) -> None:
    name = postgres.create(template=postgres_template)
    insert = "INSERT INTO product_types (name, slug) VALUES ('CMS', 'cms') RETURNING id"
    for _ in range(2):
        assert postgres.execute(insert, name) == (1,)
        postgres.empty(name, ["product_types"])
    postgres.drop(name)


def test_a_database_whose_tables_were_changed_is_not_given_to_another_test(
    postgres: PostgresServer, spares: Spares
) -> None:
    changed = spares.take()
    postgres.execute("DROP TABLE alembic_version", changed)
    spares.give_back(changed)
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        postgres.execute("SELECT 1", changed)
    assert spares.take() != changed
