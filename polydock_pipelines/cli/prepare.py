"""What must be there before a stack can start: `python -m polydock_pipelines.cli.prepare`.

A process of its own, since the migrations need a lot that `polydock up` would keep in memory.
"""

import os
from typing import Annotated

import typer
from sqlalchemy import func, select

from polydock_pipelines.actions.apply_catalog import apply_catalog
from polydock_pipelines.cli.output import sentences
from polydock_pipelines.cli.stack import ROOT
from polydock_pipelines.db import schema
from polydock_pipelines.db.models.offers import Store
from polydock_pipelines.settings import Settings, load_settings
from polydock_pipelines.simulator import keys
from polydock_pipelines.wiring import open_database

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def main(
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Make a local Lagoon's keys.")
    ] = False,
) -> None:
    """Make the local Lagoon's keys, if one will be there, and bring the database up to date."""
    with sentences():
        settings = load_settings()
        if simulate:
            keys.prepare(settings.simulator_home)
        prepare_database(settings)


def prepare_database(settings: Settings) -> None:
    """Migrate, and let somebody who only tries it out find something to try."""
    database = open_database(settings)
    try:
        schema.upgrade(database)
        with database.read() as session:
            stores = session.scalar(select(func.count()).select_from(Store))
        if not stores and settings.is_simulated:
            now = settings.make_clock().now()
            example = ROOT / "catalog" / "example.yaml"
            apply_catalog(database, [example], now, dict(os.environ), dry_run=False)
    finally:
        database.close()


if __name__ == "__main__":
    app()
