"""Serve the intake with uvicorn."""

import uvicorn

from polydock_pipelines.db import version
from polydock_pipelines.intake.app import create_app
from polydock_pipelines.settings import Settings
from polydock_pipelines.wiring import open_book, open_database, open_launcher


def serve(settings: Settings, host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C. SchemaError when the database must be migrated first."""
    database = open_database(settings)
    try:
        version.require(database)
        with open_launcher(settings) as launcher:
            book = open_book(database, settings)
            app = create_app(book, settings.make_clock(), launcher, settings)
            uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False)
    finally:
        database.close()
