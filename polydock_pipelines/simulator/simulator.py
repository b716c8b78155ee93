"""The simulator as others use it: in a thread of a test, or in the foreground of a terminal."""

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from polydock_pipelines.simulator import control, keys
from polydock_pipelines.simulator.addresses import Endpoints, variables
from polydock_pipelines.simulator.faults import Fault
from polydock_pipelines.simulator.options import SimulatorOptions
from polydock_pipelines.simulator.page import NOTICE
from polydock_pipelines.simulator.servers import running
from polydock_pipelines.simulator.snapshot import Json, snapshot
from polydock_pipelines.simulator.world import World

_START_S = 20.0
T = TypeVar("T")


class Simulator:
    """A simulator in a background thread with an event loop of its own.

    Use it as a context manager; everything else holds between entering and leaving.
    """

    def __init__(self, options: SimulatorOptions) -> None:
        self.options = options
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)
        self._stack = AsyncExitStack()
        self._world: World | None = None

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread.start()
        try:
            self._world = self._await(self._stack.enter_async_context(running(self.options)))
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._await(self._stack.aclose())
        finally:
            self._end()

    @property
    def url(self) -> str:
        """The address of the web server, without a path."""
        return self._running.endpoints.url

    @property
    def graphql_url(self) -> str:
        """The address of the GraphQL API."""
        return f"{self.url}/graphql"

    @property
    def ssh_port(self) -> int:
        """The port of the token host."""
        return self._running.endpoints.ssh_port

    @property
    def command_ssh_port(self) -> int:
        """The port of the command host."""
        return self._running.endpoints.command_ssh_port

    @property
    def smtp_port(self) -> int:
        """The port of the mail sink."""
        return self._running.endpoints.smtp_port

    @property
    def key_file(self) -> Path:
        """The private key that the SSH hosts know."""
        return self.options.home / keys.CLIENT_KEY

    @property
    def known_hosts_file(self) -> Path:
        """The known_hosts file that fits the SSH hosts."""
        return self.options.home / keys.KNOWN_HOSTS

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that lead a client here."""
        return variables(self.options, self._running.endpoints)

    @property
    def state(self) -> Json:
        """The same JSON as `GET /_sim/state`, as of now."""
        return self._call(snapshot)

    def fault(self, match: str, kind: str, times: int = 1, **more: object) -> None:
        """Order a fault, as `POST /_sim/faults` does."""
        asked = {"match": match, "kind": kind, "times": times, **more}
        self._call(lambda world: world.faults.order(Fault.model_validate(asked)))

    def change(self, **settings: object) -> None:
        """Change settings, as `PUT /_sim/settings` does."""
        self._call(lambda world: control.change_settings(world, settings))

    @property
    def _running(self) -> World:
        if self._world is None:
            raise RuntimeError("the simulator is not running: use it in a `with` block")
        return self._world

    def _call(self, work: Callable[[World], T]) -> T:
        """Do something with the world where nothing else touches it."""
        world = self._running

        async def inside() -> T:
            return work(world)

        return self._await(inside())

    def _await(self, work: Coroutine[object, object, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_START_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_S)
        self._loop.close()


def serve(options: SimulatorOptions) -> None:
    """Run in the foreground until SIGINT or SIGTERM."""
    asyncio.run(_serve(options))


async def _serve(options: SimulatorOptions) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with running(options) as world:
        sys.stdout.write(_banner(world.endpoints))
        sys.stdout.flush()
        await stop.wait()


def _banner(ends: Endpoints) -> str:
    return (
        f"{NOTICE}\n"
        "Nothing is built, no mail leaves this machine, and everything is forgotten at the end.\n"
        f"  look     {ends.url}/\n"
        f"  GraphQL  {ends.url}/graphql\n"
        f"  AI       {ends.url}/amazee-ai\n"
        f"  tokens   ssh -p {ends.ssh_port} lagoon@{ends.host} token\n"
        f"  commands ssh port {ends.command_ssh_port}\n"
        f"  mail     smtp://{ends.host}:{ends.smtp_port}\n"
    )
