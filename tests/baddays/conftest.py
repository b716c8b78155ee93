"""One simulated Lagoon for all bad days, as new before each, and a driver for either database."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from polydock_pipelines.db.database import Database
from polydock_pipelines.simulator.options import SimulatorOptions
from polydock_pipelines.simulator.seeds import fresh_world
from polydock_pipelines.simulator.simulator import Simulator
from polydock_pipelines.wiring import quiet_libraries
from tests.baddays.driver import Driver, address_of, open_ports
from tests.fakes.clock import START, FakeClock

DriverMaker = Callable[..., Driver]


@pytest.fixture(scope="session")
def lagoon_clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def one_lagoon(
    tmp_path_factory: pytest.TempPathFactory, lagoon_clock: FakeClock
) -> Iterator[Simulator]:
    quiet_libraries()
    options = SimulatorOptions(
        home=tmp_path_factory.mktemp("lagoon"),
        port=0,
        ssh_port=0,
        smtp_port=0,
        build_seconds=10,
        remove_seconds=5,
        clock=lagoon_clock.now,
    )
    with Simulator(options) as simulator:
        yield simulator


@pytest.fixture
def lagoon(one_lagoon: Simulator, lagoon_clock: FakeClock) -> Simulator:
    lagoon_clock.at = START
    one_lagoon._call(lambda world: world.become(fresh_world(one_lagoon.options)))
    one_lagoon.change(token_seconds=86_400)  # each token costs an SSH connection
    return one_lagoon


@pytest.fixture
def driving(lagoon: Simulator, lagoon_clock: FakeClock) -> Generator[DriverMaker]:
    """Make drivers; what they opened is closed at the end."""
    with ExitStack() as stack:

        def make(database: Database, **address: Any) -> Driver:
            ports = open_ports(address_of(lagoon, **address), lagoon_clock)
            stack.callback(ports.lagoon.close)  # pyright: ignore[reportAttributeAccessIssue]
            return Driver(database, lagoon_clock, ports, ports.lagoon, simulator=lagoon)

        yield make


@pytest.fixture
def driver(driving: DriverMaker, database: Database) -> Driver:
    """A driver on a fresh database of either kind."""
    return driving(database)
