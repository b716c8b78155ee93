"""A door with one app on offer behind it, on either kind of database."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from polydock_pipelines.db.database import Database
from tests.integration.intake.door import Door, Street, listening, offer, opened
from tests.makers import VAULT


@pytest.fixture(scope="session")
def street() -> Iterator[Street]:
    """The one server that listens."""
    with listening() as found:
        yield found


@pytest.fixture
def door(street: Street, database: Database) -> Iterator[Door]:
    """A door of this test alone."""
    offer(database)
    with opened(street, database) as found:
        yield found


@pytest.fixture
def sqlite_door(street: Street, sqlite_database: Database) -> Iterator[Door]:
    """A door of this test alone, where what the database is makes no difference."""
    with opened(street, sqlite_database) as found:
        yield found


@pytest.fixture
def door_url(street: Street) -> str:
    """Where the door stands, for callers that are not ours."""
    return str(street.http.base_url).rstrip("/")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shut_door(
    street: Street, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    """A door shared by tests that get nothing through it."""
    database = Database(_url(request, tmp_path_factory), VAULT)
    offer(database)
    with opened(street, database) as found:
        yield found
    database.close()


def _url(request: pytest.FixtureRequest, folders: pytest.TempPathFactory) -> str:
    if request.param == "postgres":
        server = request.getfixturevalue("postgres")
        return server.url(server.create(template=request.getfixturevalue("postgres_template")))
    template: Path = request.getfixturevalue("sqlite_template")
    path = folders.mktemp("door") / "polydock.sqlite"
    shutil.copyfile(template, path)
    return f"sqlite:///{path}"
