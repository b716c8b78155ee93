"""The schema's version: upgrade it, and tell whether it is the one this code needs."""

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from polydock_pipelines.db.database import Database


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("polydock_pipelines.db") / "migrations"))
    config.attributes["connection"] = connection
    return config


def head() -> str:
    """Return the version that this code needs."""
    version = ScriptDirectory.from_config(_config()).get_current_head()
    assert version is not None  # noqa: S101 - there is a first migration
    return version


def upgrade(db: Database) -> None:
    """Bring the database to the version that this code needs; safe to repeat."""
    with db.engine.connect() as connection:
        command.upgrade(_config(connection), "head")
        connection.commit()


def revise(db: Database, number: str, message: str) -> None:
    """Write a migration from the difference between models and database (developers only)."""
    with db.engine.connect() as connection:
        command.revision(_config(connection), message, autogenerate=True, rev_id=number)
