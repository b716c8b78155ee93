"""Where a simulator listens and keeps its keys, for those who start one and those who look for it.

Light: `polydock up` needs no more of the simulator than this.
"""

from dataclasses import dataclass

from polydock_pipelines.simulator.options import SimulatorOptions

CLIENT_KEY = "id_ed25519"  # pragma: allowlist secret
KNOWN_HOSTS = "known_hosts"
AI_TOKEN = "amazee-ai.token"  # noqa: S105 - a file's name


@dataclass
class Endpoints:
    """Where the simulator really listens, known once its sockets are bound."""

    host: str = "127.0.0.1"
    http_port: int = 0
    ssh_port: int = 0
    command_ssh_port: int = 0
    smtp_port: int = 0

    @property
    def url(self) -> str:
        """Return the address of the web server."""
        return f"http://{self.host}:{self.http_port}"


def environment(options: SimulatorOptions) -> dict[str, str]:
    """Return the environment variables that lead a client to a simulator with fixed ports."""
    ends = Endpoints(
        host=options.host,
        http_port=options.port,
        ssh_port=options.ssh_port,
        command_ssh_port=options.command_ssh_port or 0,
        smtp_port=options.smtp_port,
    )
    return variables(options, ends)


def variables(options: SimulatorOptions, ends: Endpoints) -> dict[str, str]:
    """Return the environment variables that lead a client to *ends*."""
    return {
        "LAGOON_API_URL": f"{ends.url}/graphql",
        "LAGOON_SSH_HOST": ends.host,
        "LAGOON_SSH_PORT": str(ends.ssh_port),
        "LAGOON_SSH_USER": "lagoon",
        "LAGOON_SSH_KEY_FILE": str(options.home / CLIENT_KEY),
        "LAGOON_SSH_KNOWN_HOSTS": str(options.home / KNOWN_HOSTS),
        "SMTP_URL": f"smtp://{ends.host}:{ends.smtp_port}",
        "AMAZEE_AI_BASE_URL": f"{ends.url}/amazee-ai",
        "AMAZEE_AI_TOKEN_FILE": str(options.home / AI_TOKEN),
    }
