"""What steps may touch, opened together from the resources that ops ask for."""

from collections.abc import Generator
from contextlib import contextmanager

from polydock_pipelines import wiring
from polydock_pipelines.ports import Ports
from polydock_pipelines.resources.amazee_ai import AmazeeAiResource
from polydock_pipelines.resources.lagoon import LagoonResource, ShellResource


@contextmanager
def open_ports(
    lagoon: LagoonResource, shell: ShellResource, amazee_ai: AmazeeAiResource
) -> Generator[Ports]:
    """Open clients, and close their connections at the end."""
    with lagoon.open() as client, amazee_ai.open() as ai:
        yield wiring.make_ports(client, shell.open(), ai)
