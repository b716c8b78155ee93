"""`polydock db …` and `polydock keys …`."""

import sys

import typer

from polydock_pipelines.actions.rotate_keys import rotate_keys
from polydock_pipelines.cli.output import opened, sentences
from polydock_pipelines.db import schema, version
from polydock_pipelines.db.vault import new_key
from polydock_pipelines.wiring import open_database

db_app = typer.Typer(no_args_is_help=True, help="Migrations.")
keys_app = typer.Typer(no_args_is_help=True, help="Keys that secrets are sealed with.")


@db_app.command()
def upgrade() -> None:
    """Bring the database to the version that this code needs."""
    with sentences():
        database = open_database()
        before = version.current(database)
        schema.upgrade(database)
        database.close()
    sys.stdout.write(f"{before or 'empty'} -> {version.NEEDED}\n")


@db_app.command()
def current() -> None:
    """Print the database's version, and the one that this code needs."""
    with sentences():
        database = open_database()
        found = version.current(database)
        database.close()
    sys.stdout.write(f"{found or 'empty'} (this code needs {version.NEEDED})\n")
    raise typer.Exit(0 if found == version.NEEDED else 1)


@keys_app.command()
def new() -> None:
    """Print a fresh key for POLYDOCK_SECRET_KEYS."""
    sys.stdout.write(f"{new_key()}\n")


@keys_app.command()
def rotate() -> None:
    """Seal every secret anew with the first key; safe to repeat, and to stop half-way."""
    with opened() as database:
        count = rotate_keys(database)
    sys.stdout.write(f"{count} secrets are sealed with the first key now\n")
