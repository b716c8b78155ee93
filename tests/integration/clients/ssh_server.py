"""A real SSH server on loopback, in a thread, that answers as a test says."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from polydock_pipelines.clients.lagoon.ssh import SshIdentity

Process = asyncssh.SSHServerProcess[str]
Behaviour = Callable[[Process], Awaitable[None]]


@dataclass
class Seen:
    """One command that reached the server."""

    user: str
    command: str
    stdin: str = ""


@dataclass
class SshServer:
    """Where the server listens, the key it lets in, and what it saw."""

    port: int
    identity: SshIdentity
    host: str = "127.0.0.1"
    seen: list[Seen] = field(default_factory=list[Seen])


def says(stdout: str = "", stderr: str = "", exit_code: int = 0) -> Behaviour:
    """Answer at once."""

    async def answer(process: Process) -> None:
        process.stdout.write(stdout)
        process.stderr.write(stderr)
        process.exit(exit_code)

    return answer


def files(
    folder: Path, host_key: asyncssh.SSHKey, port: int, user_key: asyncssh.SSHKey
) -> SshIdentity:
    """Write a private key and a known_hosts file for a server."""
    key_file, known_hosts = folder / "id", folder / "known_hosts"
    user_key.write_private_key(str(key_file))
    public = host_key.export_public_key().decode()
    known_hosts.write_text(f"[127.0.0.1]:{port} {public}")
    return SshIdentity(str(key_file), str(known_hosts))


@contextmanager
def serving(
    folder: Path,
    behaviour: Behaviour,
    *,
    more_host_keys: Sequence[asyncssh.SSHKey] = (),
    reads_stdin: bool = True,
) -> Iterator[SshServer]:
    """Run a server that lets one key in, whoever it says it is."""
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    user_key = asyncssh.generate_private_key("ssh-ed25519")
    (folder / "authorized_keys").write_bytes(user_key.export_public_key())
    seen: list[Seen] = []
    loop = asyncio.new_event_loop()

    async def handle(process: Process) -> None:
        entry = Seen(process.get_extra_info("username"), process.command or "")
        seen.append(entry)
        entry.stdin = await process.stdin.read() if reads_stdin else ""
        await behaviour(process)

    async def start() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[host_key, *more_host_keys],
            authorized_client_keys=str(folder / "authorized_keys"),
            process_factory=handle,
        )

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    acceptor = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    port = acceptor.get_port()
    try:
        yield SshServer(port, files(folder, host_key, port, user_key), seen=seen)
    finally:
        asyncio.run_coroutine_threadsafe(_stop(acceptor), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _stop(acceptor: asyncssh.SSHAcceptor) -> None:
    acceptor.close()
    await acceptor.wait_closed()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
