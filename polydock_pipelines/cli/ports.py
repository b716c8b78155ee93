"""Options that say where something listens."""

from typing import Annotated

import typer

Port = Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")]
WebserverPort = Annotated[int, typer.Option(min=1, max=65535, help="The Dagster UI.")]
IntakePort = Annotated[int, typer.Option(min=1, max=65535, help="Signups.")]
SimulatorPort = Annotated[int, typer.Option(min=1, max=65535, help="The local Lagoon's HTTP.")]
SshPort = Annotated[int, typer.Option(min=1, max=65535, help="The local Lagoon's SSH.")]
SmtpPort = Annotated[int, typer.Option(min=1, max=65535, help="The mail sink.")]
