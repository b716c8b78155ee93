"""One simulator for all tests here, as new before each, with a clock that a test moves."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from polydock_pipelines.simulator.options import SimulatorOptions
from polydock_pipelines.simulator.simulator import Simulator
from polydock_pipelines.simulator.tokens import issue
from tests.integration.simulator.ai_caller import AiCaller
from tests.integration.simulator.caller import Caller, Hands


@pytest.fixture(scope="session")
def hands() -> Hands:
    return Hands()


@pytest.fixture(scope="session")
def one_simulator(tmp_path_factory: pytest.TempPathFactory, hands: Hands) -> Iterator[Simulator]:
    options = SimulatorOptions(
        home=tmp_path_factory.mktemp("simulator"),
        port=0,
        ssh_port=0,
        smtp_port=0,
        build_seconds=10,
        remove_seconds=5,
        clock=hands,
    )
    with Simulator(options) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    # Without certificates to load: that costs more than a whole test here.
    with httpx.Client(verify=False, timeout=10) as client:  # noqa: S501 - plain HTTP
        yield client


@pytest.fixture
def simulator(one_simulator: Simulator, http: httpx.Client) -> Simulator:
    http.delete(f"{one_simulator.url}/_sim/state").raise_for_status()
    return one_simulator


@pytest.fixture
def caller(simulator: Simulator, hands: Hands, http: httpx.Client) -> Caller:
    return Caller(simulator.url, simulator._call(issue), hands, http)


@pytest.fixture
def ai(simulator: Simulator, hands: Hands, http: httpx.Client) -> AiCaller:
    token = Path(simulator.environment["AMAZEE_AI_TOKEN_FILE"]).read_text()
    return AiCaller(simulator.url, token, hands, http)
