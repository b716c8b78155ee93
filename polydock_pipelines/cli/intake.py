"""`polydock intake`: the HTTP door alone."""

from typing import Annotated

import typer

from polydock_pipelines.cli.output import sentences
from polydock_pipelines.cli.ports import Port
from polydock_pipelines.cli.stack import HOST
from polydock_pipelines.intake.serve import serve
from polydock_pipelines.settings import load_settings


def intake(
    port: Port = 8080,
    host: Annotated[
        str, typer.Option(help="The address to listen at; 0.0.0.0 in a container.")
    ] = HOST,
) -> None:
    """Run the intake alone: the HTTP door for signups."""
    with sentences():
        serve(load_settings(), host, port)
