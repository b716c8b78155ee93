"""The two SSH hosts: the token host in the core, and the command host of the cluster."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import asyncssh

from polydock_pipelines.simulator import keys
from polydock_pipelines.simulator.faults import Fault
from polydock_pipelines.simulator.ssh_sessions import Session, Sessions

Serve = Callable[[Session], Awaitable[None]]


class Door(asyncssh.SSHServer):
    """Lets in the one key that the simulator knows, for the user names that a host serves."""

    def __init__(self, host: "SshHost") -> None:
        self._host = host

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Count the connection against a fault of the host key."""
        self._host.connections.add(conn)
        self._conn = conn
        self._host.spend_host_key_fault()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncssh's
        """Forget the connection."""
        self._host.connections.discard(self._conn)

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002 - asyncssh's
        """Ask everybody for a key."""
        return True

    def public_key_auth_supported(self) -> bool:
        """Accept keys and nothing else."""
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Refuse an unknown key, and on the command host also an environment that is not there."""
        if keys.public_half(key) != self._host.client_key:
            return False
        return self._host.admits(username)


class SshHost:
    """One listening SSH server."""

    def __init__(
        self, sessions: Sessions, home: Path, key_name: str, *, runs_commands: bool
    ) -> None:
        self._sessions = sessions
        self._home = home
        self._key = str(home / key_name)
        self._strange_key = str(home / keys.STRANGE_HOST_KEY)
        self._runs_commands = runs_commands
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self.client_key = keys.public_key(home / keys.CLIENT_KEY)
        self.connections: set[asyncssh.SSHServerConnection] = set()

    async def listen(self, host: str, port: int) -> int:
        """Listen, and return the port."""
        serve = (
            self._sessions.on_command_host
            if self._runs_commands
            else (self._sessions.on_token_host)
        )
        self._acceptor = await asyncssh.listen(
            host,
            port,
            server_factory=lambda: Door(self),
            server_host_keys=[self._key],
            process_factory=serve,
            encoding=None,
            allow_pty=False,
            agent_forwarding=False,
            gss_host=None,
            compression_algs=None,
        )
        return self._acceptor.get_port()

    def admits(self, username: str) -> bool:
        """Tell whether this host lets that user in, whose key is known."""
        settings = self._sessions.world.settings
        if self._runs_commands or (username != "lagoon" and not settings.separate_command_host):
            return self._sessions.environment_for(username) is not None
        return True

    def refresh_host_key(self) -> None:
        """Present the host key that the faults on order ask for to connections from now on."""
        if self._acceptor is not None:
            key = self._strange_key if self._has_fault() else self._key
            self._acceptor.update(server_host_keys=[key])

    def spend_host_key_fault(self) -> None:
        """Spend one time of the fault that this connection has met."""
        if self._has_fault():
            matches = {fault.match for fault in self._host_key_faults()}
            self._sessions.world.faults.take(matches, {"ssh_host_key"})
            self.refresh_host_key()

    async def close(self) -> None:
        """Stop listening and cut what is open."""
        if self._acceptor is None:
            return
        self._acceptor.close()
        for connection in list(self.connections):
            connection.abort()
        for connection in list(self.connections):
            with suppress(asyncssh.Error, OSError):
                await connection.wait_closed()
        await self._acceptor.wait_closed()

    def _has_fault(self) -> bool:
        return bool(self._host_key_faults())

    def _host_key_faults(self) -> list[Fault]:
        """Return the faults of this host: `ssh:token` for one, any stage for the other."""
        waiting = self._sessions.world.faults.waiting()
        mine = [fault for fault in waiting if fault.kind == "ssh_host_key"]
        if self._runs_commands:
            return [fault for fault in mine if fault.match != "ssh:token"]
        return [fault for fault in mine if fault.match in ("ssh:token", "ssh:*")]
