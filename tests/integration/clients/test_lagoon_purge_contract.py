"""What a purge asks, on the fake and on the client of a simulated Lagoon, over real sockets."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest

from polydock_pipelines.clients.lagoon.client import LagoonClient
from polydock_pipelines.clients.lagoon.token import StaticToken
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import (
    DeniedError,
    EndpointError,
    Environment,
    EnvironmentRef,
    Lagoon,
    NewProject,
    NotFoundError,
    PortError,
    Project,
    ProjectRef,
)
from polydock_pipelines.simulator.options import SimulatorOptions
from polydock_pipelines.simulator.seeds import fresh_world
from polydock_pipelines.simulator.simulator import Simulator
from polydock_pipelines.simulator.tokens import issue
from tests.fakes.clock import FakeClock
from tests.fakes.lagoon import FakeLagoon

URL = "https://git.example.com/{}.git"
HOUSE, PARTNER = ProjectRef(1, "house-website"), ProjectRef(2, "partner-website")
"""What a fresh simulator holds: a project with the environment `main` in each organization."""
NEW = NewProject("trial-1", URL.format("trial"), "main", "main", 1, 1, 0, None)
MINUTE = timedelta(minutes=1)
PERMISSION = 'Unauthorized: You don\'t have permission to "view" on "organization"'


@dataclass(frozen=True)
class World:
    """Either kind of Lagoon, and the clock by which it works."""

    lagoon: Lagoon
    clock: FakeClock


def fake_of(clock: FakeClock) -> FakeLagoon:
    return FakeLagoon(
        clock,
        projects=[
            Project(ref.id, ref.name, ref.id, URL.format(ref.name)) for ref in (HOUSE, PARTNER)
        ],
        environments={
            EnvironmentRef(ref.id, "main"): Environment(ref.id, "main", f"{ref.name}-main")
            for ref in (HOUSE, PARTNER)
        },
        organization_ids=[1, 2],
        removal_takes=MINUTE,
    )


@pytest.fixture(scope="module")
def one_clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="module")
def one_simulator(
    tmp_path_factory: pytest.TempPathFactory, one_clock: FakeClock
) -> Iterator[Simulator]:
    home = tmp_path_factory.mktemp("lagoon")
    options = SimulatorOptions(
        home=home, port=0, ssh_port=0, smtp_port=0, remove_seconds=60, clock=one_clock.now
    )
    with Simulator(options) as simulator:
        yield simulator


@pytest.fixture
def simulator(one_simulator: Simulator) -> Simulator:
    one_simulator._call(lambda world: world.become(fresh_world(one_simulator.options)))
    return one_simulator


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    # Without certificates to load: that costs more than a whole test here.
    with httpx.Client(verify=False) as client:  # noqa: S501 - plain HTTP
        yield client


@pytest.fixture
def client(simulator: Simulator, http: httpx.Client) -> LagoonClient:
    tokens = StaticToken(Secret(simulator._call(issue)))
    return LagoonClient(http, simulator.graphql_url, tokens, retry_wait_s=0.001)


@pytest.fixture(params=["fake", "client"])
def world(request: pytest.FixtureRequest, one_clock: FakeClock) -> World:
    if request.param == "fake":
        clock = FakeClock()
        return World(fake_of(clock), clock)
    return World(request.getfixturevalue("client"), one_clock)


def with_trial(world: World) -> ProjectRef:
    made = world.lagoon.projects.add_project(NEW)
    return ProjectRef(made.id, made.name)


def test_an_organization_names_its_own_projects_only(world: World) -> None:
    trial = with_trial(world)
    assert world.lagoon.organizations.projects_of(1) == (HOUSE, trial)
    assert world.lagoon.organizations.projects_of(2) == (PARTNER,)


def test_an_unknown_organization_is_no_empty_list(world: World) -> None:
    with pytest.raises((NotFoundError, DeniedError)):
        world.lagoon.organizations.projects_of(99)


def test_the_environments_of_a_project_are_named_until_they_are_gone(world: World) -> None:
    trial, lagoon = with_trial(world), world.lagoon
    assert lagoon.environments.names_of(trial.name) == ()
    lagoon.deployments.deploy_environment_branch(trial.name, "main", bulk_id="b")
    assert lagoon.environments.names_of(trial.name) == ("main",)
    assert lagoon.environments.names_of(HOUSE.name) == ("main",)
    lagoon.environments.delete_environment(trial.name, "main")
    assert lagoon.environments.names_of(trial.name) == ("main",)
    world.clock.advance(MINUTE)
    assert lagoon.environments.names_of(trial.name) == ()


def test_the_environments_of_a_missing_project_are_not_found(world: World) -> None:
    with pytest.raises(NotFoundError):
        world.lagoon.environments.names_of("nobodys")


def test_a_deleted_project_is_in_no_list(world: World) -> None:
    trial, lagoon = with_trial(world), world.lagoon
    lagoon.deployments.deploy_environment_branch(trial.name, "main", bulk_id="b")
    with pytest.raises(PortError):
        lagoon.projects.delete_project(trial.name)
    lagoon.environments.delete_environment(trial.name, "main")
    world.clock.advance(MINUTE)
    lagoon.projects.delete_project(trial.name)
    assert lagoon.projects.project_by_name(trial.name) is None
    assert lagoon.organizations.projects_of(1) == (HOUSE,)
    with pytest.raises(NotFoundError):
        lagoon.projects.delete_project(trial.name)
    with pytest.raises(NotFoundError):
        lagoon.environments.names_of(trial.name)


Ask = Callable[[LagoonClient], object]
TROUBLE: list[tuple[str, str | None, type[PortError]]] = [
    ("graphql_error", "Unauthorized", DeniedError),
    ("graphql_error", PERMISSION, DeniedError),
    ("graphql_error", "Internal", PortError),
    ("partial_data", "Unauthorized", DeniedError),
    ("partial_data", "ETIMEDOUT", PortError),
    ("expired_token", None, EndpointError),
    ("http500", None, EndpointError),
]


@pytest.mark.parametrize(
    ("field", "ask"),
    [
        ("organizationById", lambda client: client.organizations.projects_of(1)),
        ("projectByName", lambda client: client.environments.names_of(HOUSE.name)),
    ],
)
@pytest.mark.parametrize("trouble", TROUBLE)
def test_no_trouble_over_the_wire_is_an_empty_list(
    field: str,
    ask: Ask,
    trouble: tuple[str, str | None, type[PortError]],
    simulator: Simulator,
    client: LagoonClient,
) -> None:
    kind, words, expected = trouble
    simulator.fault(field, kind, 9, message=words)
    with pytest.raises(expected) as info:
        ask(client)
    assert not isinstance(info.value, NotFoundError)


def test_an_organization_that_is_hidden_from_us_is_denied(
    simulator: Simulator, client: LagoonClient
) -> None:
    simulator.change(organization_role=None)
    with pytest.raises(DeniedError, match="permission"):
        client.organizations.projects_of(1)
