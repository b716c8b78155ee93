"""The resource `database`."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from polydock_pipelines import wiring
from polydock_pipelines.db.leases import Book


class DatabaseResource(dg.ConfigurableResource):
    """Polydock's own database, as POLYDOCK_DATABASE_URL names it."""

    @contextmanager
    def open(self) -> Generator[Book]:
        """Open it, and close its connections at the end."""
        database = wiring.open_database()
        try:
            yield wiring.open_book(database)
        finally:
            database.close()
