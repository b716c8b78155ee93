"""A Postgres with as many instances as a house has after years: copies of one real signup."""

import os
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import text

from polydock_pipelines.actions.apply_catalog import apply_catalog
from polydock_pipelines.actions.register import RegisterType, Signup, register
from polydock_pipelines.cli.stack import ROOT
from polydock_pipelines.db import schema
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.offers import StoreApp
from polydock_pipelines.db.vault import Vault, new_key
from tests.postgres import running_postgres

SPREAD = """
INSERT INTO app_instances ({columns})
SELECT {values} FROM app_instances, generate_series(1, :rows) AS n
WHERE app_instances.id = (SELECT min(id) FROM app_instances)
"""


@contextmanager
def house(key: str = "") -> Generator[Database]:
    """Open a database of its own that holds the example catalogue and one signup.

    *key* seals its secrets; empty: one that nobody else needs.
    """
    with running_postgres() as server:
        database = Database(server.url(server.create()), Vault([key or new_key()]))
        try:
            schema.upgrade(database)
            _sign_up(database)
            yield database
        finally:
            database.close()


def _sign_up(database: Database) -> None:
    now = datetime.now(UTC)
    apply_catalog(
        database, [ROOT / "catalog" / "example.yaml"], now, dict(os.environ), dry_run=False
    )
    with database.read() as session:
        app = session.query(StoreApp).filter(StoreApp.key == "cms").first()
    assert app is not None  # noqa: S101 - the example has one
    asked = Signup(RegisterType.REQUEST_TRIAL, "person@example.com", "Grace", "Hopper", app.uuid, 1)
    register(database, asked, now)


def multiply(database: Database, rows: int, given: Mapping[str, str], now: datetime) -> None:
    """Copy the instance *rows* times.

    *given*: the columns that differ, as SQL over *n*, the row's number, and `:now`.
    """
    print(f"    writing {rows} rows", flush=True)
    names = [column.name for column in Database.metadata.tables["app_instances"].columns]
    values = [given.get(name, f"app_instances.{name}") for name in names if name != "id"]
    columns = ", ".join(name for name in names if name != "id")
    statement = SPREAD.format(columns=columns, values=", ".join(values))
    with database.write() as session:
        session.execute(text(statement), {"rows": rows, "now": now})


def settle(database: Database) -> None:
    """Let Postgres look at what was written, as it does by itself in time."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def times(look: Callable[[], object], count: int) -> list[float]:
    """Return the seconds of each of *count* looks."""
    look()  # the first plans, connects and reads from disk
    found: list[float] = []
    for _ in range(count):
        began = time.perf_counter()
        look()
        found.append(time.perf_counter() - began)
    return found
