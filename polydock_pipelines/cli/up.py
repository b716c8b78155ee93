"""`polydock up`: the whole stack in the foreground."""

import signal
import sys
from typing import Annotated

import typer

from polydock_pipelines.cli.failing import starting
from polydock_pipelines.cli.ports import IntakePort, SimulatorPort, SmtpPort, SshPort, WebserverPort
from polydock_pipelines.cli.running import running, tell_where, terminate, until_stopped
from polydock_pipelines.cli.stack import Ports


def up(
    port: WebserverPort = 3000,
    intake_port: IntakePort = 8080,
    simulator_port: SimulatorPort = 9000,
    ssh_port: SshPort = 9022,
    smtp_port: SmtpPort = 9025,
    simulate: Annotated[
        bool, typer.Option(help="Bring a local Lagoon and mail sink along.")
    ] = True,
) -> None:
    """Run the whole stack in the foreground, until Ctrl-C."""
    signal.signal(signal.SIGTERM, terminate)
    ports = Ports(port, intake_port, simulator_port, ssh_port, smtp_port)
    sys.stdout.write("Starting; this takes some seconds.\n")
    try:
        with starting(), running(ports, simulate=simulate) as run:
            sys.stdout.write("Polydock is up.\n")
            tell_where(run)
            until_stopped(run)
    except KeyboardInterrupt:
        sys.stdout.write("Stopped.\n")
