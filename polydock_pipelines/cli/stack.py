"""The whole stack as child processes: started in order, watched, and stopped for certain."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[2]
"""The checkout: dagster.yaml and the catalogue live there."""
HOST = "127.0.0.1"
READY_WITHIN_S = 120.0
STOP_WITHIN_S = 3.0
"""A code server outlives SIGTERM by a minute; a run that is cut off is taken up again."""


class StackError(Exception):
    """The stack cannot run; the text says why and what to do."""


@dataclass(frozen=True)
class Ports:
    """Where the stack listens, always on loopback."""

    webserver: int = 3000
    intake: int = 8080
    simulator: int = 9000
    ssh: int = 9022
    smtp: int = 9025

    def options(self, *, simulate: bool) -> dict[str, int]:
        """Return each port by the option that changes it."""
        ours = {"--port": self.webserver, "--intake-port": self.intake}
        simulated = {
            "--simulator-port": self.simulator,
            "--ssh-port": self.ssh,
            "--smtp-port": self.smtp,
        }
        return ours | (simulated if simulate else {})


@dataclass
class Child:
    """One process of the stack, with a session of its own so that its children go with it."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


@dataclass
class Stack:
    """The processes that were started."""

    home: Path
    env: Mapping[str, str]
    children: list[Child] = field(default_factory=list[Child])

    def start(self, name: str, argv: Sequence[str]) -> Child:
        """Start a process; what it prints goes to the home's logs."""
        log = self.home / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            process = subprocess.Popen(  # noqa: S603 - our own commands
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=dict(self.env),
                start_new_session=True,
            )
        child = Child(name, process, log)
        self.children.append(child)
        _note_child(self.home, process.pid)
        return child

    def dead(self) -> Child | None:
        """Return a process that ended by itself, if one did."""
        return next((c for c in self.children if c.process.poll() is not None), None)

    def wait_for(self, child: Child, is_ready: Callable[[], bool]) -> None:
        """Wait until a process serves. StackError when it ended or took too long."""
        until = time.monotonic() + READY_WITHIN_S
        while not is_ready():
            dead = self.dead()
            if dead is not None:
                raise StackError(f"{dead.name} ended at once; see {dead.log}")
            if time.monotonic() > until:
                raise StackError(f"{child.name} does not answer; see {child.log}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End all processes and their children: ask first, then make sure.

        A second Ctrl-C would leave some behind, so from here on signals wait for the end.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        families = [_family(child.process.pid) for child in self.children]
        for child in reversed(self.children):
            _signal(child.process.pid, signal.SIGTERM)
        everyone = [process for family in families for process in family]
        _, alive = psutil.wait_procs(everyone, timeout=STOP_WITHIN_S)
        for process in alive:
            with _gone_is_fine():
                process.kill()
        for child in self.children:
            _signal(child.process.pid, signal.SIGKILL)
            child.process.wait()


CHILDREN = "up.children"
"""In the home: process id and time of birth of each child, for the day on which we are killed."""


def _note_child(home: Path, pid: int) -> None:
    with _gone_is_fine(), (home / CHILDREN).open("a") as notes:
        notes.write(f"{pid} {psutil.Process(pid).create_time()}\n")


def stop_orphans(home: Path) -> int:
    """Stop what is left of a stack that was killed in *home*; return how many processes.

    The number of a process is given out again; together with its time of birth it is not.
    """
    notes = home / CHILDREN
    lines = notes.read_text().split("\n") if notes.exists() else []
    born = dict(line.split() for line in lines if line.count(" ") == 1)
    alive = [
        process
        for pid, since in born.items()
        if str(_born(int(pid))) == since
        for process in _family(int(pid))
    ]
    for process in alive:
        with _gone_is_fine():
            process.kill()
    psutil.wait_procs(alive, timeout=STOP_WITHIN_S)
    notes.unlink(missing_ok=True)
    return len(alive)


def _born(pid: int) -> float | None:
    with _gone_is_fine():
        return psutil.Process(pid).create_time()
    return None


def _family(pid: int) -> list[psutil.Process]:
    with _gone_is_fine():
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


@contextmanager
def _gone_is_fine() -> Generator[None]:
    try:
        yield
    except (psutil.NoSuchProcess, ProcessLookupError):
        return


def _signal(group: int, which: signal.Signals) -> None:
    with _gone_is_fine():
        os.killpg(group, which)


def check_ports(ports: Ports, *, simulate: bool) -> None:
    """Raise StackError for the first port that somebody else has."""
    for option, port in ports.options(simulate=simulate).items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                raise StackError(
                    f"port {port} is taken; stop what uses it, or choose another with {option}"
                ) from None


def free_port() -> int:
    """Return a port that nobody has right now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_open(port: int) -> bool:
    """Whether somebody listens."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def answers(url: str) -> bool:
    """Whether *url* answers with a success."""
    try:
        return httpx.get(url, timeout=2.0).is_success
    except httpx.HTTPError:
        return False


LOCATION_LOADED = (
    """query { repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"""
)


def location_is_loaded(webserver: str) -> bool:
    """Whether the webserver has loaded our code location."""
    try:
        answer = httpx.post(f"{webserver}/graphql", json={"query": LOCATION_LOADED}, timeout=5.0)
        return bool(answer.json()["data"]["repositoriesOrError"]["nodes"])
    except (httpx.HTTPError, KeyError, TypeError, ValueError):
        return False


@contextmanager
def home_lock(home: Path) -> Generator[None]:
    """Keep a second stack out of *home*: it would end the runs of the first as leftovers."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "up.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise StackError(
                f"another stack runs in {home} (process {lock.read().strip() or 'unknown'}); "
                "stop it, or set POLYDOCK_HOME to another folder"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def prepare_dagster_home(home: Path, code_port: int, instance_file: Path) -> tuple[Path, Path]:
    """Fill DAGSTER_HOME with *instance_file*; return it and the workspace file."""
    dagster_home = home / "dagster"
    place_instance_file(instance_file, dagster_home)
    workspace = dagster_home / "workspace.yaml"
    workspace.write_text(
        "# Written by `polydock up`: one code server for webserver, daemon and runs.\n"
        f"load_from:\n  - grpc_server:\n      host: {HOST}\n      port: {code_port}\n"
        "      location_name: polydock_pipelines\n"
    )
    return dagster_home, workspace


def place_instance_file(instance_file: Path, dagster_home: Path) -> None:
    """Copy *instance_file* into DAGSTER_HOME, whole or not at all: others may be reading it."""
    dagster_home.mkdir(parents=True, exist_ok=True)
    draft = dagster_home / f".dagster.yaml.{os.getpid()}"
    shutil.copyfile(instance_file, draft)
    draft.replace(dagster_home / "dagster.yaml")


def tool(name: str) -> str:
    """Return the path of a command that came with our packages."""
    return str(Path(sys.executable).parent / name)
