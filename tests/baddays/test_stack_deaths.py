"""Processes of a real stack are killed; it ends with a sentence, and started again it goes on."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from polydock_pipelines.cli.stack import free_port
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.simulator.options import SimulatorOptions
from polydock_pipelines.simulator.simulator import Simulator
from polydock_pipelines.simulator.snapshot import snapshot
from tests.baddays.day import CLAIMED
from tests.deploy.stacks import Upped, until
from tests.makers import VAULT

PATIENCE_S = 240.0
LATENCY_MS = 200
"""Of Lagoon, so that there is time to die in."""
GROUP_OF_EACH = {
    "code-server": "api grpc",
    "daemon": "dagster-daemon",
    "webserver": "dagster-webserver",
    "intake": "cli intake",
}
"""Words in the command lines of a stack's processes."""


@pytest.fixture
def lagoon(tmp_path: Path) -> Iterator[Simulator]:
    """A Lagoon that outlives the stacks; the one they bring along forgets everything."""
    options = SimulatorOptions(
        home=tmp_path / "lagoon", port=0, ssh_port=0, smtp_port=0, latency_ms=LATENCY_MS
    )
    with Simulator(options) as simulator:
        yield simulator


@dataclass(frozen=True)
class Home:
    """Where a stack lives, one life after another."""

    path: Path
    lagoon: Simulator
    env: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def log(self) -> Path:
        return self.path / "up.log"

    @contextmanager
    def life(self) -> Generator[Upped]:
        """Run `polydock up` until it ends by itself, or is asked to."""
        ports = {"--port": free_port(), "--intake-port": free_port()}
        options = [word for name, port in ports.items() for word in (name, str(port))]
        where = {**self.lagoon.environment, "POLYDOCK_HOME": str(self.path), **self.env}
        env = {**os.environ, **where}
        argv = [sys.executable, "-m", "polydock_pipelines.cli", "up", "--no-simulate", *options]
        with self.log.open("w") as out:
            process = subprocess.Popen(argv, env=env, stdout=out, stderr=out, text=True)
        try:
            until(lambda: "Polydock is up" in self.log.read_text(), PATIENCE_S, self.log.read_text)
            intake = f"http://127.0.0.1:{ports['--intake-port']}"
            webserver = f"http://127.0.0.1:{ports['--port']}"
            yield Upped(process, env, intake, self.lagoon.url, webserver)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)

    @contextmanager
    def database(self) -> Generator[Database]:
        opened = Database(f"sqlite:///{self.path / 'polydock.db'}", VAULT)
        yield opened
        opened.close()

    def is_working(self) -> bool:
        """Whether a step holds a lease right now."""
        with self.database() as database, database.read() as session:
            held = select(AppInstance.id).where(AppInstance.lease_token.is_not(None))
            return session.scalar(held.limit(1)) is not None

    def statuses(self) -> list[str]:
        with self.database() as database, database.read() as session:
            return list(session.scalars(select(AppInstance.status)))


def kill(stack: Upped, *names: str) -> None:
    """Kill processes of the stack and their children, all at once."""
    doomed: list[psutil.Process] = []
    for child in psutil.Process(stack.process.pid).children():
        line = " ".join(child.cmdline())
        if any(GROUP_OF_EACH[name] in line for name in names):
            doomed += [child, *child.children(recursive=True)]
    assert len(doomed) >= len(names)
    for process in doomed:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def assert_ends_with_a_sentence(home: Home, stack: Upped, *names: str) -> None:
    assert stack.process.wait(60) == 1
    last = home.log.read_text().strip().splitlines()[-1]
    assert any(last.startswith(f"polydock: {name} ended with -9; see ") for name in names), last
    assert last.endswith("nothing that was committed is lost")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_stack_goes_on_when_it_is_started_again_even_twice_by_mistake(
    tmp_path: Path, lagoon: Simulator
) -> None:
    home = Home(tmp_path / "home", lagoon)
    home.path.mkdir()
    with home.life() as stack:
        assert stack.sign_up(3) == 3
        until(home.is_working, PATIENCE_S, home.log.read_text, 0.02)
        kill(stack, "code-server")  # and with it the runs, its children
        assert_ends_with_a_sentence(home, stack, "code-server")
    assert home.is_working()
    with home.life() as stack:
        assert "Took over" in home.log.read_text()
        assert stack.sign_up(3) == 3
        until(home.is_working, PATIENCE_S, home.log.read_text, 0.02)
        kill(stack, "daemon", "webserver", "intake")
        assert_ends_with_a_sentence(home, stack, "daemon", "webserver", "intake")
    lagoon.change(latency_ms=0)
    with home.life() as stack, twin_of(home).life() as twin:
        assert (stack.sign_up(3), twin.sign_up(3)) == (3, 3)
        until(lambda: set(home.statuses()) == {CLAIMED}, PATIENCE_S, home.statuses)
    assert home.statuses() == [CLAIMED] * 12
    assert_one_project_and_build_each(lagoon, 12)


def twin_of(home: Home) -> Home:
    """Return a second stack that was put on the first one's database by mistake."""
    path = home.path.parent / "twin"
    path.mkdir()
    env = {
        "POLYDOCK_DATABASE_URL": f"sqlite:///{home.path / 'polydock.db'}",
        "POLYDOCK_SECRET_KEYS": (home.path / "secret.key").read_text(),
    }
    return Home(path, home.lagoon, env)


def assert_one_project_and_build_each(lagoon: Simulator, people: int) -> None:
    seen = lagoon._call(lambda world: snapshot(world, ("projects", "deployments")))
    ours = [p["name"] for p in seen["projects"] if p["metadata"].get("polydock-instance")]  # type: ignore[union-attr]
    builds = Counter(one["project"] for one in seen["deployments"])  # type: ignore[union-attr]
    assert len(ours) == len(set(ours)) == people
    assert [builds[name] for name in ours] == [1] * people
