"""The whole content of a database: for tests that nothing, or nothing else, was written."""

from sqlalchemy import func, select

from polydock_pipelines.db.database import Database


def dump(database: Database) -> dict[str, list[str]]:
    """Return every row of every table, printed."""
    with database.read() as session:
        return {
            table.name: sorted(repr(tuple(row)) for row in session.execute(select(table)))
            for table in Database.metadata.sorted_tables
        }


def counts(database: Database) -> dict[str, int]:
    """Return how many rows each table has, without the empty ones."""
    with database.read() as session:
        found = {
            table.name: session.scalar(select(func.count()).select_from(table)) or 0
            for table in Database.metadata.sorted_tables
        }
    return {name: count for name, count in found.items() if count}
