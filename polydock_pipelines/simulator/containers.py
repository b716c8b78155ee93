"""What stands in for a container: a directory, an environment of its own, and a process group."""

import asyncio
import os
import re
import shlex
import signal
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from polydock_pipelines.simulator.model import Environment

_LOOK_S = 0.01
_SAFE = re.compile(r"[0-9a-z][0-9a-z-]*")
_STAGE = re.compile(r"^\s*#\s*polydock-stage:\s*([\w-]+)", re.MULTILINE)


@dataclass(frozen=True)
class Exec:
    """An exec request, taken apart: `service=` only at the front, `container=` only after it."""

    service: str
    command: str

    @classmethod
    def parse(cls, request: str) -> "Exec":
        """Strip the words that the portal takes for itself; the rest stays as it was quoted."""
        service, rest = "cli", request.strip()
        if rest.startswith("service="):
            word, _, rest = rest.partition(" ")
            service = word.removeprefix("service=")
            if rest.startswith("container="):
                _, _, rest = rest.partition(" ")
        return cls(service, rest)

    @property
    def reads_script(self) -> bool:
        """Tell whether the command is a shell that takes its script from stdin."""
        try:
            words = shlex.split(self.command)
        except ValueError:
            return False
        return bool(words) and words[0] in ("sh", "bash", "/bin/sh") and words[1:2] in ([], ["-s"])


def stage_of(script: str) -> str | None:
    """Return the stage that a script names in its mark."""
    found = _STAGE.search(script)
    return found.group(1) if found else None


def is_service(name: str) -> bool:
    """Tell whether a service may exist; a container is a directory, so its name must be plain."""
    return _SAFE.fullmatch(name) is not None


async def start(containers: Path, environment: Environment, wanted: Exec) -> Process:
    """Start a command in its container, in a process group of its own."""
    name = f"{environment.kubernetes_namespace_name}.{environment.id}"
    home = containers / name / wanted.service
    scratch = home / "tmp"
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    return await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        wanted.command,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        cwd=home,
        env=_environment(environment, home, scratch),
        start_new_session=True,
    )


async def exit_code(process: Process) -> int:
    """Wait for the command itself; `Process.wait` would wait for children with its output, too."""
    while process.returncode is None:
        await asyncio.sleep(_LOOK_S)
    return process.returncode


def kill(process: Process) -> None:
    """End a command and its children; what made a session of its own lives on."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    # What lives on may hold the pipes; there is no public way to let go of them.
    process._transport.close()  # type: ignore[attr-defined] # noqa: SLF001


def _environment(environment: Environment, home: Path, scratch: Path) -> dict[str, str]:
    """Return what the container was started with: variables as of its last finished build."""
    running = environment.running.runtime if environment.running else {}
    usable = {k: v for k, v in running.items() if "=" not in k and "\0" not in k + v}
    return {
        **usable,
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "TMPDIR": str(scratch),
        "LAGOON_PROJECT": environment.project.name,
        "LAGOON_ENVIRONMENT": environment.name,
        "LAGOON_ROUTE": environment.route or "",
    }
