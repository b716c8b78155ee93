"""Bring the stack up: settings for its processes, their order, and what to tell the user."""

import os
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from polydock_pipelines.cli.stack import (
    HOST,
    ROOT,
    Child,
    Ports,
    Stack,
    StackError,
    answers,
    check_ports,
    free_port,
    home_lock,
    is_open,
    location_is_loaded,
    prepare_dagster_home,
    stop_orphans,
    tool,
)
from polydock_pipelines.settings import Settings, load_settings
from polydock_pipelines.simulator.addresses import environment
from polydock_pipelines.simulator.options import SimulatorOptions

OURS = "polydock: "
"""How a sentence of ours begins on stderr."""


@dataclass(frozen=True)
class Running:
    """A stack that serves."""

    stack: Stack
    webserver: str
    intake: str
    simulator: str | None
    settings: Settings


def stack_environment(ports: Ports, *, simulate: bool) -> dict[str, str]:
    """Return the variables for all processes: the user's, and where they find each other."""
    env = dict(os.environ)
    env.setdefault("POLYDOCK_HOME", ".polydock")
    home = Path(env["POLYDOCK_HOME"]).resolve()
    env |= {
        "POLYDOCK_HOME": str(home),
        "POLYDOCK_DAGSTER_URL": f"http://{HOST}:{ports.webserver}",
        "DAGSTER_HOME": str(home / "dagster"),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PYTHONUNBUFFERED": "1",
    }
    # A run is a fresh process: without compiled files each would compile our modules anew.
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    env.setdefault("POLYDOCK_PUBLIC_URL", f"http://{HOST}:{ports.intake}")
    if env.get("POLYDOCK_CLOCK", "").startswith("rate:") and "@" not in env["POLYDOCK_CLOCK"]:
        env["POLYDOCK_CLOCK"] += f"@{time.time()}"
    if simulate:
        env |= environment(_simulator_options(home, ports))
    return env


def _simulator_options(home: Path, ports: Ports) -> SimulatorOptions:
    return SimulatorOptions(
        home=home / "simulator",
        port=ports.simulator,
        ssh_port=ports.ssh,
        smtp_port=ports.smtp,
    )


@contextmanager
def running(ports: Ports, *, simulate: bool) -> Generator[Running]:
    """Run the stack; everything that was started is stopped at the end."""
    home = Path(os.environ.get("POLYDOCK_HOME", ".polydock")).resolve()
    with home_lock(home):
        stop_orphans(home)
        check_ports(ports, simulate=simulate)
        env = stack_environment(ports, simulate=simulate)
        os.environ.update(env)
        settings = load_settings()
        prepare(env, simulate=simulate)
        stack = Stack(home, env)
        try:
            yield _start(stack, ports, settings, simulate=simulate)
        finally:
            stack.stop()


def end_leftovers(settings: Settings, env: Mapping[str, str]) -> None:
    """End what an earlier stack in this home left at work, so that it goes on at once.

    Only with the storage in the home: elsewhere others may be alive, and `due_instances` looks.
    """
    is_ours = settings.is_embedded and settings.dagster_yaml is None
    if not is_ours or not (Path(env["DAGSTER_HOME"]) / "history").is_dir():
        return
    argv = [sys.executable, "-m", "polydock_pipelines.cli.leftovers"]
    done = subprocess.run(argv, env=dict(env), capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        raise StackError(f"an earlier stack's runs cannot be ended: {last_line(done.stderr)}")
    sys.stdout.write(done.stdout)


def last_line(text: str) -> str:
    """Return the last line that says something."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "no reason given")


def prepare(env: Mapping[str, str], *, simulate: bool) -> None:
    """Make keys and bring the database up to date (cli/prepare.py)."""
    argv = [sys.executable, "-m", "polydock_pipelines.cli.prepare"]
    argv += ["--simulate"] if simulate else []
    done = subprocess.run(argv, env=dict(env), stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603 - our own
    if not done.returncode:
        return
    said = last_line(done.stderr)
    if not said.startswith(OURS):
        sys.stderr.write(done.stderr)  # a bug: its trace is what helps
        raise StackError("the database cannot be prepared; the trace above says why")
    raise StackError(said.removeprefix(OURS))


def terminate(_signal: int, _frame: object) -> None:
    """Treat SIGTERM as Ctrl-C, so that everything is stopped."""
    raise KeyboardInterrupt


def _start(stack: Stack, ports: Ports, settings: Settings, *, simulate: bool) -> Running:
    """Start in an order in which nobody misses what another has yet to make."""
    run = Running(
        stack=stack,
        webserver=f"http://{HOST}:{ports.webserver}",
        intake=f"http://{HOST}:{ports.intake}",
        simulator=f"http://{HOST}:{ports.simulator}" if simulate else None,
        settings=settings,
    )
    code_port = free_port()
    instance_file = settings.dagster_yaml or ROOT / "dagster.yaml"
    _, workspace = prepare_dagster_home(stack.home, code_port, instance_file)
    end_leftovers(settings, stack.env)
    code = _start_code_server(stack, code_port)
    if simulate:
        _start_simulator(stack, ports, run)
    intake = stack.start("intake", polydock("intake", "--port", str(ports.intake)))
    stack.wait_for(code, lambda: is_open(code_port))
    at = ["-h", HOST, "-p", str(ports.webserver), "-w", str(workspace)]
    webserver = stack.start("webserver", [tool("dagster-webserver"), *at])
    # It makes Dagster's tables; a daemon that starts beside it would make them too, and fail.
    stack.wait_for(webserver, lambda: location_is_loaded(run.webserver))
    stack.start("daemon", [tool("dagster-daemon"), "run", "-w", str(workspace)])
    stack.wait_for(intake, lambda: answers(f"{run.intake}/readyz"))
    return run


def polydock(*arguments: str) -> list[str]:
    """Return the command line of one of our own commands."""
    return [sys.executable, "-m", "polydock_pipelines.cli", *arguments]


def _start_code_server(stack: Stack, port: int) -> Child:
    code = ["api", "grpc", "-m", "polydock_pipelines.definitions"]
    at = ["-h", HOST, "-p", str(port), "--location-name", "polydock_pipelines"]
    return stack.start("code-server", [tool("dagster"), *code, *at])


def _start_simulator(stack: Stack, ports: Ports, run: Running) -> None:
    at = ["--port", str(ports.simulator), "--ssh-port", str(ports.ssh)]
    argv = polydock("simulate", *at, "--smtp-port", str(ports.smtp))
    child = stack.start("simulator", argv)
    stack.wait_for(child, lambda: answers(f"{run.simulator}/_sim/state"))


def tell_where(run: Running) -> None:
    """Print the addresses to open."""
    lines = {
        "Dagster UI": run.webserver,
        "Signups (OpenAPI)": f"{run.intake}/docs",
        "Local Lagoon and mails": run.simulator or "",
        "Logs": str(run.stack.home / "logs"),
    }
    for name, where in lines.items():
        if where:
            sys.stdout.write(f"  {name:<24}{where}\n")
    sys.stdout.flush()


def until_stopped(run: Running) -> None:
    """Stay until Ctrl-C or SIGTERM. StackError when a process ends by itself."""
    while True:
        dead = run.stack.dead()
        if dead is not None:
            raise StackError(
                f"{dead.name} ended with {dead.process.returncode}; see {dead.log}. "
                "Everything else was stopped; nothing that was committed is lost"
            )
        time.sleep(0.5)
