"""A house over the simulated Lagoon: real clients, real sockets, a clock that both share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from polydock_pipelines.clients.amazee_ai.client import AmazeeAiClient
from polydock_pipelines.clients.keys import public_key_of
from polydock_pipelines.clients.lagoon.client import LagoonClient
from polydock_pipelines.clients.lagoon.ssh import SshIdentity
from polydock_pipelines.clients.lagoon.token import SshToken, StaticToken
from polydock_pipelines.clients.shell import SshShell
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import Ports
from polydock_pipelines.simulator.simulator import Simulator
from polydock_pipelines.simulator.snapshot import snapshot
from polydock_pipelines.simulator.world import World
from tests.baddays.house import AiThing, House
from tests.baddays.offers import Offer, put_on_offer
from tests.fakes.clock import FakeClock


@dataclass(frozen=True)
class Address:
    """Where a Lagoon is, and how long to wait for it."""

    graphql_url: str
    ssh_port: int
    key_file: str
    known_hosts_file: str
    ai_url: str
    ai_token_file: str
    timeout_s: float = 10.0
    token: str | None = None
    """LAGOON_TOKEN; None: a token is fetched over SSH."""


def address_of(simulator: Simulator, **changes: Any) -> Address:
    """Return where *simulator* listens."""
    return Address(
        simulator.graphql_url,
        simulator.ssh_port,
        str(simulator.key_file),
        str(simulator.known_hosts_file),
        simulator.environment["AMAZEE_AI_BASE_URL"],
        simulator.environment["AMAZEE_AI_TOKEN_FILE"],
        **changes,
    )


def open_ports(address: Address, clock: FakeClock) -> Ports:
    """Return real clients of the Lagoon at *address*, who wait a little only between attempts."""
    identity = SshIdentity(address.key_file, address.known_hosts_file)
    tokens = (
        StaticToken(Secret(address.token))
        if address.token
        else SshToken(
            identity,
            clock,
            host="127.0.0.1",
            port=address.ssh_port,
            timeout_s=address.timeout_s * 2,
        )
    )
    # Without certificates to load: that costs more than all the requests of a test.
    http = httpx.Client(verify=False)  # noqa: S501 - plain HTTP
    lagoon = LagoonClient(
        http, address.graphql_url, tokens, timeout_s=address.timeout_s, retry_wait_s=0.01
    )
    shell = SshShell(
        identity, host="127.0.0.1", port=address.ssh_port, timeout_s=address.timeout_s * 2
    )
    token = Secret(Path(address.ai_token_file).read_text().strip())
    amazee_ai = AmazeeAiClient(
        http,
        address.ai_url,
        lambda: token,
        timeout_s=address.timeout_s,
        create_timeout_s=address.timeout_s,
        retry_wait_s=0.01,
        failure_kept_s=0,
    )
    return Ports(
        lagoon=lagoon,
        shell=shell,
        amazee_ai=amazee_ai,
        clock=clock,
        public_key_of=public_key_of,
    )


@dataclass
class Driver(House):
    """A house with a simulated Lagoon."""

    simulator: Simulator = field(kw_only=True)

    def sign_up(self, offer: Offer, email: str = "ada@example.com") -> str:
        """Register somebody for *offer* and return the instance's uuid."""
        return self.register(put_on_offer(self.database, offer), email)

    def projects(self) -> list[dict[str, Any]]:
        """See `House.projects`."""
        return self.state("projects")["projects"]

    def builds_now(self) -> list[dict[str, Any]]:
        """See `House.builds_now`."""
        return self.state("deployments")["deployments"]

    def ai_things(self) -> list[AiThing]:
        """See `House.ai_things`."""
        state = self.state("amazee_ai")["amazee_ai"]
        return [
            *(AiThing("key", key["name"]) for key in state["keys"]),
            *(AiThing("user", user["email"]) for user in state["users"]),
            *(AiThing("team", team["name"]) for team in state["teams"]),
        ]

    def state(self, *parts: str) -> Any:
        """Return parts of the simulator's state."""
        return self.in_lagoon(lambda world: snapshot(world, parts))

    def in_lagoon(self, work: Callable[[World], Any]) -> Any:
        """Change or look at the simulated Lagoon from behind."""
        return self.simulator._call(work)

    def projects_of(self, which: str) -> list[dict[str, Any]]:
        """Return the projects that say they are the instance's, or bear its name."""
        name = self.row(which).name
        return [
            project
            for project in self.projects()
            if project["metadata"].get("polydock-instance", which) == which
            and (project["name"] == name or "polydock-instance" in project["metadata"])
        ]
