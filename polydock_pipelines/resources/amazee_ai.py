"""The resource `amazee_ai`: the backend that makes AI credentials."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from polydock_pipelines import wiring
from polydock_pipelines.ports.amazee_ai import AmazeeAi


class AmazeeAiResource(dg.ConfigurableResource):
    """The amazee.ai that AMAZEE_AI_BASE_URL names; its token never leaves the client."""

    @contextmanager
    def open(self) -> Generator[AmazeeAi]:
        """Open a client, and close its connections at the end; nothing is asked by that."""
        with wiring.open_amazee_ai() as client:
            yield client
