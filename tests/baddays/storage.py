"""A database whose storage may fail: a full disk, a file that may only be read."""

from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy import event, text

from polydock_pipelines.db.database import Database

NO_LIMIT = 1 << 30


class Storage:
    """Where one SQLite database is kept. What is set holds for every connection at once."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._most_pages = NO_LIMIT
        self._is_read_only = False

    def fill(self) -> None:
        """Let the disk be full: the database cannot grow by another page."""
        with self.database.read() as session:
            self._most_pages = int(session.scalar(text("PRAGMA page_count")) or 0)

    def protect(self) -> None:
        """Let the file be read-only."""
        self._is_read_only = True

    def mend(self) -> None:
        """Take every trouble away."""
        self._most_pages, self._is_read_only = NO_LIMIT, False

    def _prepare(self, connection: object, *_rest: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute(f"PRAGMA max_page_count={self._most_pages}")
        cursor.execute(f"PRAGMA query_only={int(self._is_read_only)}")
        cursor.close()


@contextmanager
def storage_of(database: Database) -> Generator[Storage]:
    """Let a test have its way with a database's storage."""
    storage = Storage(database)
    event.listen(database.engine, "checkout", storage._prepare)
    try:
        yield storage
    finally:
        event.remove(database.engine, "checkout", storage._prepare)
