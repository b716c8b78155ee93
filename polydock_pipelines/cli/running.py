"""Bring the stack up: settings for its processes, their order, and what to tell the user."""

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from polydock_pipelines.actions.apply_catalog import apply_catalog
from polydock_pipelines.cli.stack import (
    HOST,
    ROOT,
    Ports,
    Stack,
    StackError,
    answers,
    check_ports,
    free_port,
    location_is_loaded,
    prepare_dagster_home,
    tool,
)
from polydock_pipelines.db import schema
from polydock_pipelines.db.models.offers import Store
from polydock_pipelines.settings import Settings, load_settings
from polydock_pipelines.simulator.options import SimulatorOptions
from polydock_pipelines.simulator.simulator import environment, prepare
from polydock_pipelines.wiring import open_database


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
    env.setdefault("POLYDOCK_PUBLIC_URL", f"http://{HOST}:{ports.intake}")
    if env.get("POLYDOCK_CLOCK", "").startswith("rate:") and "@" not in env["POLYDOCK_CLOCK"]:
        env["POLYDOCK_CLOCK"] += f"@{time.time()}"
    if simulate:
        prepare(home / "simulator")
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
    check_ports(ports, simulate=simulate)
    env = stack_environment(ports, simulate=simulate)
    os.environ.update(env)
    settings = load_settings()
    prepare_database(settings)
    home = Path(env["POLYDOCK_HOME"])
    stack = Stack(home, env)
    try:
        yield _start(stack, ports, settings, simulate=simulate)
    finally:
        stack.stop()


def prepare_database(settings: Settings) -> None:
    """Bring the embedded database up to date; an empty one gets the example catalogue."""
    database = open_database(settings)
    try:
        schema.upgrade(database)
        with database.read() as session:
            stores = session.scalar(select(func.count()).select_from(Store))
        if not stores and settings.is_simulated:
            now = settings.make_clock().now()
            example = ROOT / "catalog" / "example.yaml"
            apply_catalog(database, [example], now, dict(os.environ), dry_run=False)
    finally:
        database.close()


def _start(stack: Stack, ports: Ports, settings: Settings, *, simulate: bool) -> Running:
    polydock = [sys.executable, "-m", "polydock_pipelines.cli"]
    code_port = free_port()
    _, workspace = prepare_dagster_home(stack.home, code_port)
    simulator = None
    if simulate:
        simulator = f"http://{HOST}:{ports.simulator}"
        argv = ["simulate", "--port", str(ports.simulator), "--ssh-port", str(ports.ssh)]
        child = stack.start("simulator", [*polydock, *argv, "--smtp-port", str(ports.smtp)])
        stack.wait_for(child, lambda: answers(f"{simulator}/_sim/state"))
    code = ["api", "grpc", "-m", "polydock_pipelines.definitions"]
    at = ["-h", HOST, "-p", str(code_port), "--location-name", "polydock_pipelines"]
    stack.start("code-server", [tool("dagster"), *code, *at])
    intake_child = stack.start("intake", [*polydock, "intake", "--port", str(ports.intake)])
    webserver = f"http://{HOST}:{ports.webserver}"
    at = ["-h", HOST, "-p", str(ports.webserver), "-w", str(workspace)]
    webserver_child = stack.start("webserver", [tool("dagster-webserver"), *at])
    stack.start("daemon", [tool("dagster-daemon"), "run", "-w", str(workspace)])
    intake = f"http://{HOST}:{ports.intake}"
    stack.wait_for(intake_child, lambda: answers(f"{intake}/readyz"))
    stack.wait_for(webserver_child, lambda: location_is_loaded(webserver))
    return Running(stack, webserver, intake, simulator, settings)


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
