"""All servers of one simulator in one event loop: web, two SSH hosts, mail."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import uvicorn

from polydock_pipelines.simulator import keys
from polydock_pipelines.simulator.http_app import CuttableProtocol, http_app
from polydock_pipelines.simulator.options import SimulatorOptions
from polydock_pipelines.simulator.seeds import fresh_world
from polydock_pipelines.simulator.smtp_sink import MailPort
from polydock_pipelines.simulator.ssh_hosts import SshHost
from polydock_pipelines.simulator.ssh_sessions import Sessions
from polydock_pipelines.simulator.world import World

_KEEP_ALIVE_S = 75


class _QuietServer(uvicorn.Server):
    """A web server that leaves signals to whoever runs the simulator."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True)
class _Web:
    """A running web server."""

    server: uvicorn.Server
    task: asyncio.Task[None]
    port: int

    async def close(self) -> None:
        self.server.should_exit = True
        await self.task


@contextlib.asynccontextmanager
async def running(options: SimulatorOptions) -> AsyncIterator[World]:
    """Run every server of a simulator, and give its world."""
    keys.prepare(options.home, options.host)
    world = fresh_world(options)
    world.endpoints.host = options.host
    stopping = asyncio.Event()
    sessions = Sessions(world, options.home / "containers")
    async with contextlib.AsyncExitStack() as stack:
        await _listen_ssh(stack, options, sessions)
        mail = MailPort(world)
        world.endpoints.smtp_port = await mail.listen(options.host, options.smtp_port)
        stack.push_async_callback(mail.close)
        web = await _listen_web(options, world, stopping)
        stack.push_async_callback(web.close)
        stack.callback(stopping.set)
        world.endpoints.http_port = web.port
        yield world


async def _listen_ssh(
    stack: contextlib.AsyncExitStack, options: SimulatorOptions, sessions: Sessions
) -> None:
    ends, faults = sessions.world.endpoints, sessions.world.faults
    token_host = SshHost(sessions, options.home, keys.TOKEN_HOST_KEY, runs_commands=False)
    command_host = SshHost(sessions, options.home, keys.COMMAND_HOST_KEY, runs_commands=True)
    ends.ssh_port = await token_host.listen(options.host, options.ssh_port)
    stack.push_async_callback(token_host.close)
    ends.command_ssh_port = await command_host.listen(options.host, options.command_ssh_port or 0)
    stack.push_async_callback(command_host.close)
    stack.push_async_callback(sessions.stop)
    faults.watchers.extend((token_host.refresh_host_key, command_host.refresh_host_key))


async def _listen_web(options: SimulatorOptions, world: World, stopping: asyncio.Event) -> _Web:
    app = http_app(world, reset=lambda: world.become(fresh_world(options)), stopping=stopping)
    config = uvicorn.Config(
        app,
        http=CuttableProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=1,
    )
    server = _QuietServer(config)
    listener = socket.create_server((options.host, options.port), backlog=2048)
    # Else each answer on a kept connection waits 40 ms for the acknowledgement of its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    port: int = listener.getsockname()[1]
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not task.done():
        await asyncio.sleep(0.005)
    if task.done():
        await task
    return _Web(server, task, port)
