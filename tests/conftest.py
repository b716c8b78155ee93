"""Fixtures of every test: databases with our schema, and the clock that stands still."""

import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from polydock_pipelines.db import schema
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.all import METADATA
from tests.baddays.chance import SEED, look_less_for_garbage, new_seed
from tests.fakes.clock import FakeClock
from tests.makers import VAULT
from tests.postgres import PostgresServer, Spares, running_postgres


def pytest_configure() -> None:
    """Draw the seed of all that is random once, for the workers of pytest-xdist too."""
    os.environ.setdefault(SEED, str(new_seed()))


def pytest_report_header() -> str:
    """Tell it, so that a run can be played again."""
    return f"random lives from {SEED}={os.environ[SEED]}"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let slow tests begin first, half of them in each half: else all wait for the last one."""
    slow = [item for item in items if item.get_closest_marker("slow")]
    fast = [item for item in items if not item.get_closest_marker("slow")]
    half = len(fast) // 2
    items[:] = [*slow[0::2], *fast[:half], *slow[1::2], *fast[half:]]


def pytest_collection_finish() -> None:
    """Leave ten thousand tests and Dagster alone."""
    look_less_for_garbage()


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands at `tests.fakes.clock.START` until it is moved."""
    return FakeClock()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("template") / "polydock.sqlite"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def sqlite_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the SQLite databases of this worker's tests stand, one after another."""
    return tmp_path_factory.mktemp("sqlite")


@pytest.fixture
def sqlite_url(sqlite_home: Path, sqlite_template: Path) -> str:
    """The address of a fresh, migrated SQLite database, this test's alone."""
    for old in sqlite_home.iterdir():
        old.unlink()
    path = shutil.copyfile(sqlite_template, sqlite_home / "polydock.sqlite")
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def postgres() -> Generator[PostgresServer]:
    """A Postgres for the whole session. A test that needs it fails when it cannot start."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> str:
    """The name of a migrated database, to be copied."""
    name = postgres.create()
    _migrate(postgres.url(name))
    return name


@pytest.fixture(scope="session")
def spares(postgres: PostgresServer, postgres_template: str) -> Spares:
    """Migrated Postgres databases without a row."""
    tables = [table.name for table in reversed(METADATA.sorted_tables)]
    return Spares(postgres, postgres_template, tables)


@pytest.fixture
def postgres_url(postgres: PostgresServer, spares: Spares) -> Generator[str]:
    """The address of a migrated Postgres database without a row, this test's alone."""
    name = spares.take()
    yield postgres.url(name)
    spares.give_back(name)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of a fresh, migrated database, of either kind."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture(scope="session")
def engines() -> dict[str, Database]:
    """Databases by address, closed between tests: an engine remembers the SQL it has compiled."""
    return {}


@pytest.fixture
def database(database_url: str, engines: dict[str, Database]) -> Generator[Database]:
    """A fresh, migrated database, of either kind."""
    yield from _opened(database_url, engines)


@pytest.fixture
def sqlite_database(sqlite_url: str, engines: dict[str, Database]) -> Generator[Database]:
    """A fresh, migrated SQLite database, for tests that open no socket."""
    yield from _opened(sqlite_url, engines)


@pytest.fixture
def postgres_database(postgres_url: str, engines: dict[str, Database]) -> Generator[Database]:
    """A fresh, migrated Postgres database."""
    yield from _opened(postgres_url, engines)


def _opened(url: str, engines: dict[str, Database]) -> Generator[Database]:
    opened = engines.get(url) or engines.setdefault(url, Database(url, VAULT))
    opened.vault = VAULT  # a test may have given it another
    yield opened
    opened.close()


def _migrate(url: str) -> None:
    opened = Database(url, VAULT)
    schema.upgrade(opened)
    opened.close()
