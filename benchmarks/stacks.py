"""Real stacks for a measurement: `polydock up` in a home of its own, on ports that nobody has."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks import processes
from polydock_pipelines.cli.stack import HOST, answers, free_port
from polydock_pipelines.db.database import Database
from polydock_pipelines.settings import load_settings
from polydock_pipelines.simulator.addresses import environment
from polydock_pipelines.simulator.keys import prepare
from polydock_pipelines.simulator.options import SimulatorOptions
from polydock_pipelines.wiring import open_database

READY_WITHIN_S = 120.0
STOP_WITHIN_S = 30.0
OURS = ("POLYDOCK_", "DAGSTER_", "LAGOON_", "AMAZEE_", "SMTP_", "MAIL_")
"""Variables of whoever runs the bench: a measurement knows only its own."""


@dataclass(frozen=True)
class Up:
    """A `polydock up` that serves."""

    process: subprocess.Popen[bytes]
    home: Path
    env: Mapping[str, str]
    intake: str
    webserver: str
    simulator: str

    @property
    def pid(self) -> int:
        """Return the process below which all others are."""
        return self.process.pid

    @contextmanager
    def database(self) -> Generator[Database]:
        """Open the stack's database."""
        with variables(self.env):
            database = open_database(load_settings())
        try:
            yield database
        finally:
            database.close()


@contextmanager
def temporary_home() -> Generator[Path]:
    """Make a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="polydock-bench-", ignore_cleanup_errors=True) as home:
        yield Path(home)


@contextmanager
def fresh_stack(**settings: float) -> Generator[Up]:
    """Run a stack with a local Lagoon, changed by *settings*, in a home that is thrown away."""
    with temporary_home() as home, stack(home) as up:
        change_simulator(up.simulator, **settings)
        yield up


@contextmanager
def stack(home: Path, extra: Mapping[str, str] | None = None) -> Generator[Up]:
    """Run a stack with a local Lagoon in *home*."""
    up = start(home, extra or {})
    try:
        yield up
    finally:
        stop(up.process)


def start(home: Path, extra: Mapping[str, str], simulator: str = "") -> Up:
    """Start `polydock up` and wait until it serves; with a *simulator* that runs, without its own.

    Its session is its own: Ctrl-C reaches the bench alone, which then stops it.
    """
    ports = {name: free_port() for name in ("", "intake-", "simulator-", "ssh-", "smtp-")}
    if simulator:
        ports = {name: ports[name] for name in ("", "intake-")}
    options = [word for name, port in ports.items() for word in (f"--{name}port", str(port))]
    at = f"http://{HOST}"
    env = {**clean_environment(), **extra, "POLYDOCK_HOME": str(home)}
    env["POLYDOCK_DAGSTER_URL"] = f"{at}:{ports['']}"
    simulates = "--no-simulate" if simulator else "--simulate"
    log = home / "up.log"
    argv = [sys.executable, "-m", "polydock_pipelines.cli", "up", simulates, *options]
    process = launch(argv, env, log)
    own = f"{at}:{ports.get('simulator-', '')}"
    up = Up(process, home, env, f"{at}:{ports['intake-']}", f"{at}:{ports['']}", simulator or own)
    try:
        until(lambda: "Polydock is up" in log.read_text(), READY_WITHIN_S, process, log)
    except BaseException:
        stop(process)
        raise
    return up


def launch(argv: list[str], env: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own; its words go to *log*, which begins anew."""
    with log.open("wb") as out:
        return subprocess.Popen(
            argv,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and, if it does not see to that itself, all below it."""
    below = processes.family(process.pid)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for one in below:
        if one.is_running():
            one.kill()


@contextmanager
def simulator(home: Path) -> Generator[tuple[str, Mapping[str, str]]]:
    """Run a local Lagoon alone; give its address and the variables that lead a client to it."""
    options = SimulatorOptions(
        home / "simulator", HOST, free_port(), free_port(), None, free_port()
    )
    prepare(options.home)
    env = {**clean_environment(), "POLYDOCK_HOME": str(home)}
    at = {"--port": options.port, "--ssh-port": options.ssh_port, "--smtp-port": options.smtp_port}
    words = [word for option, port in at.items() for word in (option, str(port))]
    log, url = home / "simulator.log", f"http://{HOST}:{options.port}"
    process = launch([sys.executable, "-m", "polydock_pipelines.cli", "simulate", *words], env, log)
    try:
        until(lambda: answers(f"{url}/_sim/state"), READY_WITHIN_S, process, log)
        yield url, environment(options)
    finally:
        stop(process)


def change_simulator(url: str, **settings: float) -> None:
    """Set how quick the local Lagoon is."""
    if settings:
        httpx.put(f"{url}/_sim/settings", json=settings, timeout=30).raise_for_status()


def clean_environment() -> dict[str, str]:
    """Return the environment without what leads to a stack, and without what slows a run down."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    return env | {"PYTHONUNBUFFERED": "1", "DAGSTER_DISABLE_TELEMETRY": "1"}


@contextmanager
def variables(env: Mapping[str, str]) -> Generator[None]:
    """Let this process see *env* for a moment."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def until(
    is_so: Callable[[], bool],
    patience_s: float,
    process: subprocess.Popen[bytes],
    log: Path,
) -> None:
    """Wait until something is so. RuntimeError when the process ended or it takes too long."""
    end = time.monotonic() + patience_s
    while not is_so():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{process.args} does not serve: {log.read_text()[-800:]}")
        time.sleep(0.1)
