"""The database: engine, short transactions, the vault.

Two kinds of transaction. `read()` is a snapshot of moments; `write()` on SQLite begins IMMEDIATE,
so that a writer waits for its turn instead of failing half-way (ARCHITECTURE §3, Database).
Nothing calls the network inside either.
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InternalError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from polydock_pipelines.db.models.all import METADATA
from polydock_pipelines.db.vault import Vault

NO_DATABASE = (OperationalError, InternalError)
"""The database is away, full, locked, or lets only read (InternalError, on Postgres)."""
WRITES = {"polydock_writes": True}
BUSY_TIMEOUT_MS = 10_000
CONNECT_TIMEOUT_S = 10


class Database:
    """One per process; safe to use from many threads."""

    metadata = METADATA
    """All tables: foreign keys find each other only when every module of models is loaded."""

    def __init__(self, url: str, vault: Vault) -> None:
        self.vault = vault
        self.engine = _engine(url)
        self._writing = self.engine.execution_options(**WRITES)

    @contextmanager
    def read(self) -> Generator[Session]:
        """Open a session that only looks."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Generator[Session]:
        """Open a session and commit at the end, or roll back when something is raised."""
        with Session(self._writing, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(
            parsed,
            pool_size=10,
            max_overflow=2,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={"connect_timeout": CONNECT_TIMEOUT_S},
        )
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, pool_size=10, max_overflow=10, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    # The driver must not open transactions by itself: it would begin DEFERRED.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("polydock_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
