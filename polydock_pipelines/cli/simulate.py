"""`polydock simulate`: the local Lagoon and mail sink alone."""

from polydock_pipelines.cli.failing import starting
from polydock_pipelines.cli.ports import SimulatorPort, SmtpPort, SshPort
from polydock_pipelines.settings import load_settings
from polydock_pipelines.simulator.options import SimulatorOptions
from polydock_pipelines.simulator.simulator import serve


def simulate(
    port: SimulatorPort = 9000, ssh_port: SshPort = 9022, smtp_port: SmtpPort = 9025
) -> None:
    """Run the local Lagoon and mail sink alone."""
    with starting():
        settings = load_settings()
        clock = settings.make_clock()
        serve(
            SimulatorOptions(
                home=settings.simulator_home,
                port=port,
                ssh_port=ssh_port,
                smtp_port=smtp_port,
                clock=clock.now,
            )
        )
