"""The simulator's SSH keys, and its administrator's token for amazee.ai.

Made once in its home, kept from then on.
"""

import os
import secrets
from pathlib import Path

import asyncssh

from polydock_pipelines.simulator.addresses import AI_TOKEN, CLIENT_KEY, KNOWN_HOSTS

_ALGORITHM = "ssh-ed25519"

TOKEN_HOST_KEY = "token_host_key"  # noqa: S105 # pragma: allowlist secret
COMMAND_HOST_KEY = "command_host_key"
STRANGE_HOST_KEY = "strange_host_key"
"""A host key that is in no known_hosts, for the fault `ssh_host_key`."""


def prepare(home: Path, host: str = "127.0.0.1") -> None:
    """Make the keys, the known_hosts file and the token where they are missing.

    Other processes may be pointed at these files before the simulator is up: the entries hold
    for every port of *host*.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in (CLIENT_KEY, TOKEN_HOST_KEY, COMMAND_HOST_KEY, STRANGE_HOST_KEY):
        if not (home / name).exists():
            _create(home / name)
    hosts = ",".join(
        f"[{name}]:*,{name}" for name in dict.fromkeys((host, "127.0.0.1", "localhost"))
    )
    lines = [f"{hosts} {public_key(home / name)}\n" for name in (TOKEN_HOST_KEY, COMMAND_HOST_KEY)]
    known_hosts = home / KNOWN_HOSTS
    if not known_hosts.exists() or known_hosts.read_text() != "".join(lines):
        _write(known_hosts, "".join(lines).encode())
    if not (home / AI_TOKEN).exists():
        _write(home / AI_TOKEN, secrets.token_urlsafe(32).encode())


def public_key(private: Path) -> str:
    """Return the public half of the key in a file, as one line without a comment."""
    return public_half(asyncssh.read_private_key(private))


def public_half(key: asyncssh.SSHKey) -> str:
    """Return the public half of a key, as one line without a comment."""
    return " ".join(key.export_public_key("openssh").decode().split()[:2])


def _create(path: Path) -> None:
    _write(path, asyncssh.generate_private_key(_ALGORITHM).export_private_key("openssh"))


def _write(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, and never leave half of one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    draft.replace(path)
