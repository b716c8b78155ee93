"""`polydock up`, `simulate`, `intake`: what runs in the foreground."""

import signal
import sys
from typing import Annotated

import typer

from polydock_pipelines.cli.output import fail, sentences
from polydock_pipelines.cli.running import running, tell_where, until_stopped
from polydock_pipelines.cli.stack import HOST, Ports, StackError
from polydock_pipelines.intake.serve import serve as serve_intake
from polydock_pipelines.settings import load_settings
from polydock_pipelines.simulator.options import SimulatorOptions
from polydock_pipelines.simulator.simulator import serve as serve_simulator

Port = Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")]
SimulatorPort = Annotated[int, typer.Option(min=1, max=65535, help="The local Lagoon's HTTP.")]
SshPort = Annotated[int, typer.Option(min=1, max=65535, help="The local Lagoon's SSH.")]
SmtpPort = Annotated[int, typer.Option(min=1, max=65535, help="The mail sink.")]


def terminate(_signal: int, _frame: object) -> None:
    """Treat SIGTERM as Ctrl-C, so that everything is stopped."""
    raise KeyboardInterrupt


def up(
    port: Annotated[int, typer.Option(min=1, max=65535, help="The Dagster UI.")] = 3000,
    intake_port: Annotated[int, typer.Option(min=1, max=65535, help="Signups.")] = 8080,
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
        with sentences(), running(ports, simulate=simulate) as run:
            sys.stdout.write("Polydock is up.\n")
            tell_where(run)
            until_stopped(run)
    except StackError as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.stdout.write("Stopped.\n")


def simulate(
    port: SimulatorPort = 9000, ssh_port: SshPort = 9022, smtp_port: SmtpPort = 9025
) -> None:
    """Run the local Lagoon and mail sink alone."""
    with sentences():
        settings = load_settings()
        clock = settings.make_clock()
        serve_simulator(
            SimulatorOptions(
                home=settings.simulator_home,
                port=port,
                ssh_port=ssh_port,
                smtp_port=smtp_port,
                clock=clock.now,
            )
        )


def intake(
    port: Port = 8080,
    host: Annotated[
        str, typer.Option(help="The address to listen at; 0.0.0.0 in a container.")
    ] = HOST,
) -> None:
    """Run the intake alone: the HTTP door for signups."""
    with sentences():
        serve_intake(load_settings(), host, port)
