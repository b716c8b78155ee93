"""The client of one Lagoon; `ports.Lagoon` by its facets."""

from collections.abc import Callable

import httpx

from polydock_pipelines.clients.lagoon.deployments import DeploymentsClient
from polydock_pipelines.clients.lagoon.environments import EnvironmentsClient
from polydock_pipelines.clients.lagoon.organizations import OrganizationsClient
from polydock_pipelines.clients.lagoon.projects import ProjectsClient
from polydock_pipelines.clients.lagoon.transport import TokenSource, Transport


class LagoonClient:
    """One Lagoon. Threads may share it.

    `timeout_s` bounds one request; reads and upserts are sent up to `attempts` times while Lagoon
    is away.
    """

    def __init__(
        self,
        http: httpx.Client,
        url: str,
        tokens: TokenSource,
        *,
        connect_timeout_s: float = 5.0,
        timeout_s: float = 25.0,
        attempts: int = 3,
        retry_wait_s: float = 0.3,
        pace: Callable[[], None] = lambda: None,
    ) -> None:
        self._transport = Transport(
            http,
            url,
            tokens,
            connect_timeout_s=connect_timeout_s,
            timeout_s=timeout_s,
            attempts=attempts,
            retry_wait_s=retry_wait_s,
            pace=pace,
        )
        self._projects = ProjectsClient(self._transport)
        self._environments = EnvironmentsClient(self._transport)
        self._deployments = DeploymentsClient(self._transport)
        self._organizations = OrganizationsClient(self._transport)

    @property
    def projects(self) -> ProjectsClient:
        """Projects, groups, variables, metadata."""
        return self._projects

    @property
    def environments(self) -> EnvironmentsClient:
        """Environments."""
        return self._environments

    @property
    def deployments(self) -> DeploymentsClient:
        """Builds."""
        return self._deployments

    @property
    def organizations(self) -> OrganizationsClient:
        """What `polydock doctor` asks."""
        return self._organizations

    def ping(self) -> None:
        """See `ports.Lagoon.ping`; `lagoonVersion` works with every kind of token."""
        self._organizations.lagoon_version()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()
