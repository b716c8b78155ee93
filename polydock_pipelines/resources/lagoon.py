"""The resources `lagoon` and `shell`: Lagoon's API, and commands in its containers."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from polydock_pipelines import wiring
from polydock_pipelines.ports import Lagoon, Shell


class LagoonResource(dg.ConfigurableResource):
    """The Lagoon that LAGOON_API_URL names; its token never leaves the client."""

    @contextmanager
    def open(self) -> Generator[Lagoon]:
        """Open a client, and close its connections at the end."""
        with wiring.open_lagoon() as client:
            yield client


class ShellResource(dg.ConfigurableResource):
    """Commands over SSH, as the LAGOON_SSH_* settings say."""

    def open(self) -> Shell:
        """Return the shell; each command connects by itself."""
        return wiring.open_shell()
