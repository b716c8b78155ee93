"""One command on one of Lagoon's SSH servers, its host key verified.

Lagoon's servers say "exit 0" to many errors, so an exit code alone proves nothing; what an answer
means is the caller's to judge.
"""

import asyncio
from dataclasses import dataclass

import asyncssh

KEEPALIVE_S = 20
MAX_OUTPUT = 64 * 1024
_CHUNK = 16 * 1024


class SshUnreachableError(Exception):
    """The server is away, is not the one we know, or our own key or known_hosts is unusable."""


class SshDeniedError(Exception):
    """The server refuses our key for that user."""


class SshBrokenError(Exception):
    """The connection ended, or the time was over, before the command did."""


@dataclass(frozen=True)
class SshIdentity:
    """Our private key, and the host keys we trust, as files."""

    key_file: str
    known_hosts_file: str


@dataclass(frozen=True)
class SshAccount:
    """Whom we speak to: for commands, the user is the environment's namespace."""

    user: str
    host: str
    port: int


@dataclass(frozen=True)
class SshAnswer:
    """What a command left; each output is cut after MAX_OUTPUT bytes."""

    exit_code: int
    stdout: str = ""
    stderr: str = ""


def run_command(
    identity: SshIdentity,
    account: SshAccount,
    command: str,
    *,
    script: str = "",
    connect_timeout_s: float,
    timeout_s: float,
) -> SshAnswer:
    """Run *command* with *script* on its standard input, in this thread.

    SshUnreachableError, SshDeniedError, SshBrokenError; none holds the script or its output.
    """

    async def bounded() -> SshAnswer:
        async with asyncio.timeout(timeout_s):
            connection = await _connect(identity, account, connect_timeout_s)
            return await _use(connection, command, script.encode())

    try:
        return asyncio.run(bounded())
    except TimeoutError:
        raise SshBrokenError(f"the command did not end within {timeout_s:g} s") from None


async def _use(connection: asyncssh.SSHClientConnection, command: str, script: bytes) -> SshAnswer:
    try:
        return await _converse(connection, command, script)
    except (asyncssh.Error, OSError) as error:
        raise SshBrokenError(f"the connection broke ({type(error).__name__})") from None
    finally:
        # Not closed politely: a server that hangs must not hold us past the time limit.
        connection.abort()


async def _connect(
    identity: SshIdentity, account: SshAccount, timeout_s: float
) -> asyncssh.SSHClientConnection:
    where = f"{account.host}:{account.port}"
    known_hosts = _known_hosts(identity)
    keys = _client_keys(identity)
    try:
        async with asyncio.timeout(timeout_s):
            return await asyncssh.connect(
                account.host,
                account.port,
                username=account.user,
                client_keys=keys,
                known_hosts=known_hosts,
                config=None,
                agent_path=None,
                preferred_auth="publickey",
                keepalive_interval=KEEPALIVE_S,
            )
    except asyncssh.HostKeyNotVerifiable:
        raise SshUnreachableError(
            f"the host key of {where} is not one that {identity.known_hosts_file} lists for "
            "it; compare it with the server's, then correct that file"
        ) from None
    except asyncssh.PermissionDenied:
        raise SshDeniedError(f"{where} refuses our key for the user {account.user}") from None
    except TimeoutError:
        raise SshUnreachableError(f"{where} did not answer within {timeout_s:g} s") from None
    except (asyncssh.Error, OSError) as error:
        raise SshUnreachableError(f"{where} cannot be reached ({type(error).__name__})") from None


async def _converse(
    connection: asyncssh.SSHClientConnection, command: str, script: bytes
) -> SshAnswer:
    process = await connection.create_process(command, encoding=None)
    (stdout, stderr, _) = await asyncio.gather(
        _read_capped(process.stdout), _read_capped(process.stderr), _feed(process.stdin, script)
    )
    await process.wait_closed()
    # No exit status: the server hung up before the command was through.
    if process.exit_status is None or process.exit_status < 0:
        raise SshBrokenError("the connection ended before the command did")
    return SshAnswer(process.exit_status, stdout, stderr)


async def _feed(stdin: "asyncssh.SSHWriter[bytes]", script: bytes) -> None:
    try:
        stdin.write(script)
        await stdin.drain()
        stdin.write_eof()
    except (BrokenPipeError, ConnectionResetError):
        return  # a command may end without reading; its exit code says how


async def _read_capped(stream: "asyncssh.SSHReader[bytes]") -> str:
    """Read to the end, so that the command is never blocked, but keep the last MAX_OUTPUT bytes."""
    kept = bytearray()
    while chunk := await stream.read(_CHUNK):
        kept += chunk
        del kept[:-MAX_OUTPUT]  # the last lines count: a claim's URL is the last one
    return kept.decode(errors="replace")


def _known_hosts(identity: SshIdentity) -> asyncssh.SSHKnownHosts:
    try:
        return asyncssh.read_known_hosts(identity.known_hosts_file)
    except (OSError, ValueError) as error:
        raise SshUnreachableError(
            f"the known_hosts file {identity.known_hosts_file} cannot be read "
            f"({type(error).__name__})"
        ) from None


def _client_keys(identity: SshIdentity) -> list[asyncssh.SSHKey]:
    try:
        return [asyncssh.read_private_key(identity.key_file)]
    except (OSError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise SshUnreachableError(
            f"the SSH key file {identity.key_file} cannot be used ({type(error).__name__})"
        ) from None
