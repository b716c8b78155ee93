"""What is said in an SSH session: tokens on one host, commands in containers on the other.

Lagoon's hosts end with 0 when they only have an error to tell; so do these.
"""

import asyncio
import json
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import asyncssh

from polydock_pipelines.simulator import containers
from polydock_pipelines.simulator.faults import SSH, Fault
from polydock_pipelines.simulator.model import Command, Environment
from polydock_pipelines.simulator.options import Settings
from polydock_pipelines.simulator.permissions import Caller, may_ssh
from polydock_pipelines.simulator.tokens import issue
from polydock_pipelines.simulator.world import World

Session = asyncssh.SSHServerProcess[bytes]

_ONE_WORD = 'invalid command: only "grant" and "token" are supported.'
_SCRIPT_WAIT_S = 5.0
_FIRST_BYTES = 64 * 1024
_DRAIN_S = 1.0
"""How long output may still come from children of a command that has ended."""
_DURING_SESSION = SSH - {"ssh_host_key"}


@dataclass
class Sessions:
    """The sessions of one simulator."""

    world: World
    containers: Path
    running: set[asyncio.subprocess.Process] = field(default_factory=set)

    def environment_for(self, user: str) -> Environment | None:
        """Return the environment that an SSH user name means, if the caller may enter it."""
        self.world.settle()
        found = self.world.namespaces.get(user)
        return found if found and may_ssh(self.world, Caller(), found) else None

    async def on_token_host(self, session: Session) -> None:
        """Serve a session on the token host."""
        user = str(session.get_extra_info("username"))
        if user != "lagoon" and not self.world.settings.separate_command_host:
            await self.on_command_host(session)
            return
        fault = self.world.faults.take_ssh("token", _DURING_SESSION)
        if fault and await _spoil(session, fault):
            return
        if user != "lagoon":
            _tell(session, _no_shell(user, self.world))
        elif session.command == "token":
            session.stdout.write(f"{issue(self.world)}\r\n".encode())
        elif session.command == "grant":
            session.stdout.write(_grant(self.world))
        else:
            _tell(session, f"{_ONE_WORD} SID: {_sid()}")
        session.exit(0)

    async def on_command_host(self, session: Session) -> None:
        """Serve a session on the command host: one command in one container."""
        environment = self.environment_for(str(session.get_extra_info("username")))
        wanted = containers.Exec.parse(session.command or "sh")
        if environment is None or not containers.is_service(wanted.service):
            _tell(session, f"unknown service {wanted.service}. SID: {_sid()}")
            session.exit(0)
            return
        script = await _first_bytes(session) if wanted.reads_script else b""
        seen = script.decode("utf-8", "replace") + "\n" + (session.command or "")
        command = Command(
            namespace=environment.kubernetes_namespace_name,
            stage=containers.stage_of(seen) or "",
            command=session.command or "",
            started_at=self.world.clock(),
        )
        self.world.ledger.commands.append(command)
        fault = self.world.faults.take_ssh(command.stage, _DURING_SESSION)
        if fault and await _spoil(session, fault):
            return
        await _wake(environment, self.world.settings)
        process = await containers.start(self.containers, environment, wanted)
        self.running.add(process)
        try:
            await self._carry(session, process, command, script, fault)
        finally:
            containers.kill(process)
            self.running.discard(process)

    async def _carry(
        self,
        session: Session,
        process: asyncio.subprocess.Process,
        command: Command,
        script: bytes,
        fault: Fault | None,
    ) -> None:
        """Carry bytes both ways until the command ends or the client is gone."""
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise RuntimeError("a command was started without pipes")
        feeding = asyncio.create_task(_feed(session, process.stdin, script))
        outputs = [
            asyncio.create_task(_copy(process.stdout, session.stdout)),
            asyncio.create_task(_copy(process.stderr, session.stderr)),
        ]
        ended = asyncio.create_task(containers.exit_code(process))
        gone = asyncio.create_task(session.wait_closed())
        cut_after = fault.wait_s if fault and fault.kind == "ssh_cut" else None
        try:
            done, _ = await asyncio.wait(
                [ended, gone], timeout=cut_after, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                session.get_extra_info("connection").abort()
            elif ended in done:
                await asyncio.wait(outputs, timeout=_DRAIN_S)
                code = ended.result()
                # A shell's own rule for a command that a signal ended.
                command.exit_code = code if code >= 0 else 128 - code
                session.exit(command.exit_code)
        finally:
            containers.kill(process)
            await _end([feeding, *outputs, ended, gone])

    async def stop(self) -> None:
        """End the commands that still run."""
        for process in list(self.running):
            containers.kill(process)
        for process in list(self.running):
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 2)


async def _spoil(session: Session, fault: Fault) -> bool:
    """Do what the fault says, and tell whether the session is over with that."""
    if fault.kind == "slow":
        await asyncio.sleep(fault.wait_s)
        return False
    if fault.kind == "ssh_cut" and session.get_extra_info("username") != "lagoon":
        return False
    if fault.kind == "ssh_cut":
        session.get_extra_info("connection").abort()
    elif fault.kind == "timeout":
        with suppress(TimeoutError):
            await asyncio.wait_for(session.wait_closed(), fault.wait_s)
        session.get_extra_info("connection").abort()
    elif fault.kind == "ssh_254":
        _tell(session, f"error executing command. SID: {_sid()}")
        session.exit(254)
    elif fault.kind == "ssh_255":
        session.exit(255)
    elif fault.kind == "ssh_error_exit0":
        _tell(session, f"internal error. SID: {_sid()}")
        session.exit(0)
    else:
        session.stdout.write(b"The application is not ready to tell its address.\n")
        session.exit(0)
    return True


async def _wake(environment: Environment, settings: Settings) -> None:
    """Wait as long as an idled namespace needs, once after each build."""
    if not environment.is_awake and settings.wake_seconds:
        await asyncio.sleep(settings.wake_seconds)
    environment.is_awake = True


async def _first_bytes(session: Session) -> bytes:
    """Return the beginning of a script: up to its mark, its end, or a few seconds."""
    got = b""
    with suppress(TimeoutError, asyncssh.Error):
        async with asyncio.timeout(_SCRIPT_WAIT_S):
            while len(got) < _FIRST_BYTES and not session.stdin.at_eof():
                got += await session.stdin.read(_FIRST_BYTES)
                if containers.stage_of(got.decode("utf-8", "replace")):
                    break
    return got


async def _feed(session: Session, stdin: asyncio.StreamWriter, first: bytes) -> None:
    with suppress(ConnectionError, asyncssh.Error):
        stdin.write(first)
        await stdin.drain()
        while not session.stdin.at_eof():
            stdin.write(await session.stdin.read(_FIRST_BYTES))
            await stdin.drain()
    with suppress(ConnectionError):
        stdin.close()
        await stdin.wait_closed()


async def _copy(source: asyncio.StreamReader, sink: asyncssh.SSHWriter[bytes]) -> None:
    with suppress(ConnectionError, asyncssh.Error):
        while got := await source.read(_FIRST_BYTES):
            sink.write(got)
            await sink.drain()


async def _end(tasks: Sequence[asyncio.Task[None] | asyncio.Task[int]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def _tell(session: Session, text: str) -> None:
    session.stderr.write(f"{text}\n".encode())


def _sid() -> str:
    return secrets.token_hex(32)


def _grant(world: World) -> bytes:
    expiry = world.clock() + timedelta(seconds=world.settings.token_seconds)
    grant = {
        "access_token": issue(world),
        "token_type": "Bearer",
        "refresh_token": secrets.token_urlsafe(24),
        "expiry": expiry.isoformat(),
    }
    return f"{json.dumps(grant)}\r\n".encode()


def _no_shell(user: str, world: World) -> str:
    """Return how the token host sends people to the command host, if they may go there."""
    environment = world.namespaces.get(user)
    if environment is None or not may_ssh(world, Caller(), environment):
        return f"This SSH server does not provide shell access. SID: {_sid()}"
    ends = world.endpoints
    return (
        "This SSH server does not provide shell access to your environment.\n"
        "To SSH into your environment use this endpoint:\n\n"
        f"\tssh -p {ends.command_ssh_port} {user}@{ends.host}\n\nSID: {_sid()}"
    )
