"""A whole house for each test: Dagster's instance, our database, a simulated Lagoon, one clock."""

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import dagster as dg
import pytest

from polydock_pipelines.db.database import Database
from polydock_pipelines.settings import settings
from polydock_pipelines.simulator.options import SimulatorOptions
from polydock_pipelines.simulator.seeds import fresh_world
from polydock_pipelines.simulator.simulator import Simulator
from tests.e2e.house import House, ShiftedClock, environment
from tests.makers import VAULT

HouseMaker = Callable[[str], AbstractContextManager[House]]


@pytest.fixture(scope="session")
def shifted() -> ShiftedClock:
    return ShiftedClock()


@pytest.fixture(scope="session")
def one_lagoon(
    tmp_path_factory: pytest.TempPathFactory, shifted: ShiftedClock
) -> Iterator[Simulator]:
    options = SimulatorOptions(
        home=tmp_path_factory.mktemp("lagoon"),
        port=0,
        ssh_port=0,
        smtp_port=0,
        build_seconds=60,
        remove_seconds=30,
        clock=shifted.now,
    )
    with Simulator(options) as simulator:
        yield simulator


@pytest.fixture
def house(make_house: HouseMaker, database_url: str) -> Generator[House]:
    """A house on either database."""
    with make_house(database_url) as house:
        yield house


@pytest.fixture
def sqlite_house(make_house: HouseMaker, sqlite_url: str) -> Generator[House]:
    """A house on SQLite, for what is the same on both."""
    with make_house(sqlite_url) as house:
        yield house


@pytest.fixture
def make_house(
    one_lagoon: Simulator,
    shifted: ShiftedClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> HouseMaker:
    """Build a house on a database."""

    @contextmanager
    def make(database_url: str) -> Generator[House]:
        shifted.seconds = 0
        one_lagoon._call(lambda world: world.become(fresh_world(one_lagoon.options)))
        for name, value in environment(one_lagoon, database_url, tmp_path).items():
            monkeypatch.setenv(name, value)
        storage = tmp_path / "dagster"
        storage.mkdir()
        settings.cache_clear()
        database = Database(database_url, VAULT)
        quiet = {"telemetry": {"enabled": False}}
        with dg.DagsterInstance.local_temp(str(storage), overrides=quiet) as instance:
            yield House(instance, database, one_lagoon, shifted, monkeypatch, storage)
        database.close()
        settings.cache_clear()

    return make
