"""The database's version, read without Alembic: sensors look at every tick."""

from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from polydock_pipelines.db.database import Database

NEEDED = "0005"
"""The newest migration; a test compares it with Alembic's head."""


class SchemaError(Exception):
    """The database is not at the version that this code needs."""


def current(db: Database) -> str | None:
    """Return the version that the database has; None for an empty one."""
    try:
        with db.read() as session:
            return session.scalar(text("SELECT version_num FROM alembic_version"))
    except DatabaseError as error:
        if _is_missing_table(error):
            return None
        raise


def _is_missing_table(error: DatabaseError) -> bool:
    words = str(error.orig).lower()
    return "no such table" in words or "does not exist" in words


def problem(db: Database) -> str:
    """Return what is wrong with the database's version; empty when nothing is."""
    found = current(db)
    if found == NEEDED:
        return ""
    return (
        f"the database is at version {found or 'none'}, this code needs {NEEDED}; "
        "run `polydock db upgrade`"
    )


def require(db: Database) -> None:
    """Raise SchemaError unless the database is at the version that this code needs."""
    wrong = problem(db)
    if wrong:
        raise SchemaError(wrong)
