"""What the transport makes of each kind of HTTP answer; contract §1."""

import socket
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from polydock_pipelines.clients.lagoon.client import LagoonClient
from polydock_pipelines.clients.lagoon.errors import (
    LagoonAuthError,
    LagoonDeniedError,
    LagoonError,
    LagoonRefusedError,
    LagoonUnavailableError,
)
from polydock_pipelines.lifecycle.instance import EnvVariable
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import EndpointError, NewProject
from tests.integration.clients.recorded import Player, client_of, data, error, failed, html

PASSWORD = "s3cret-Passw0rd"  # pragma: allowlist secret
VARIABLE = EnvVariable("ADMIN_PASSWORD", Secret(PASSWORD))
NEW = NewProject(
    name="trial-1",
    git_url="git@example.com:a/b.git",
    branch="main",
    production_environment="main",
    deploy_target_id=1,
    organization_id=3,
    auto_idle=0,
    private_key=Secret("-----BEGIN KEY-----\nMIIBlahblahblah\n-----END KEY-----"),
)

UNAUTHORIZED = error(401, "Unauthorized - Keycloak token invalid: session signed out")


class Renewable:
    """A token source that counts."""

    def __init__(self) -> None:
        self.renewed: list[str] = []

    def token(self) -> str:
        return f"token-{len(self.renewed)}"

    def renew(self, refused: str) -> str | None:
        self.renewed.append(refused)
        return self.token()


def test_a_401_renews_the_token_once_and_repeats_the_request_once() -> None:
    player, tokens = Player(UNAUTHORIZED, data(projectByName=None)), Renewable()
    assert client_of(player, tokens).projects.project_by_name("x") is None
    assert tokens.renewed == ["token-0"]
    assert player.tokens == ["Bearer token-0", "Bearer token-1"]


def test_a_second_401_is_an_error_of_the_endpoint_and_no_third_request() -> None:
    player, tokens = Player(UNAUTHORIZED), Renewable()
    with pytest.raises(LagoonAuthError) as caught:
        client_of(player, tokens).projects.project_by_name("x")
    assert caught.value.endpoint == "lagoon"
    assert len(player.requests) == 2
    assert len(tokens.renewed) == 1


def test_a_401_to_add_project_is_repeated_too_for_nothing_was_carried_out() -> None:
    made = data(addProject={"id": 9, "name": "trial-1", "organization": 3, "gitUrl": "g"})
    player = Player(UNAUTHORIZED, made)
    assert client_of(player, Renewable()).projects.add_project(NEW).id == 9


def test_a_static_token_is_not_tried_again() -> None:
    player = Player(UNAUTHORIZED)
    with pytest.raises(LagoonAuthError, match="LAGOON_TOKEN"):
        client_of(player).projects.project_by_name("x")
    assert len(player.requests) == 1


def test_a_token_never_stands_in_an_error() -> None:
    with pytest.raises(LagoonAuthError) as caught:
        client_of(Player(UNAUTHORIZED)).projects.project_by_name("x")
    assert "tok.en.one" not in f"{caught.value!s}{caught.value!r}"


AWAY = [
    pytest.param(httpx.ConnectError("refused"), id="connect"),
    pytest.param(httpx.ConnectTimeout("slow"), id="connect time-out"),
    pytest.param(httpx.ReadTimeout("slow"), id="read time-out"),
    pytest.param(httpx.RemoteProtocolError("cut"), id="cut"),
    pytest.param(html(502), id="502"),
    pytest.param(error(503, "no"), id="503"),
    pytest.param(error(500, "Internal"), id="500"),
    pytest.param(html(429), id="429"),
]


@pytest.mark.parametrize("answer", AWAY)
def test_a_read_is_tried_three_times_while_lagoon_is_away(answer: httpx.Response) -> None:
    player = Player(answer)
    with pytest.raises(LagoonUnavailableError) as caught:
        client_of(player).projects.project_by_name("x")
    assert isinstance(caught.value, EndpointError)
    assert caught.value.endpoint == "lagoon"
    assert len(player.requests) == 3


def test_a_read_that_succeeds_the_second_time_is_a_success() -> None:
    player = Player(html(502), data(projectByName=None))
    assert client_of(player).projects.project_by_name("x") is None


@pytest.mark.parametrize("answer", AWAY)
@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda c: c.projects.add_project(NEW), id="addProject"),
        pytest.param(lambda c: c.projects.delete_project("x"), id="deleteProject"),
        pytest.param(lambda c: c.environments.delete_environment("x", "main"), id="deleteEnv"),
        pytest.param(
            lambda c: c.deployments.deploy_environment_branch("x", "main", bulk_id="b"), id="deploy"
        ),
        pytest.param(lambda c: c.deployments.cancel_deployment(4), id="cancel"),
    ],
)
def test_what_is_not_safe_twice_is_sent_once(call: Callable[..., object], answer: object) -> None:
    assert isinstance(answer, httpx.Response | Exception)
    player = Player(answer)
    with pytest.raises(LagoonUnavailableError):
        call(client_of(player))
    assert len(player.requests) == 1


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda c: c.projects.set_variables("x", [VARIABLE]), id="set"),
        pytest.param(lambda c: c.projects.delete_variables("x", ["A"]), id="delete"),
        pytest.param(lambda c: c.projects.update_project_metadata(1, {"a": "b"}), id="metadata"),
        pytest.param(lambda c: c.projects.add_groups_to_project("x", ["g"]), id="groups"),
        pytest.param(lambda c: c.deployments.running(), id="running"),
    ],
)
def test_upserts_and_reads_are_repeated(call: Callable[..., object]) -> None:
    player = Player(html(503))
    with pytest.raises(LagoonUnavailableError):
        call(client_of(player))
    assert len(player.requests) == 3


def test_the_number_of_tries_is_a_setting() -> None:
    player = Player(html(503))
    with pytest.raises(LagoonUnavailableError):
        client_of(player, attempts=1).deployments.running()
    assert len(player.requests) == 1


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (error(400, 'Cannot query field "x" on type "Project".'), "Cannot query field"),
        (error(500, "Syntax Error: Expected Name, found }."), "Syntax Error"),
        (html(413), "more than it takes"),
    ],
)
def test_a_request_that_lagoon_cannot_take_is_refused_at_once(
    answer: httpx.Response, text: str
) -> None:
    player = Player(answer)
    with pytest.raises(LagoonRefusedError, match=text):
        client_of(player).projects.project_by_name("x")
    assert len(player.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(html(200), id="a login page"),
        pytest.param(html(400), id="another server's 400"),
        pytest.param(httpx.Response(200, json=[]), id="a list"),
        pytest.param(httpx.Response(200, json={}), id="nothing"),
        pytest.param(httpx.Response(200, json={"data": None}), id="null"),
        pytest.param(html(302), id="a redirect"),
        pytest.param(html(404), id="another path"),
    ],
)
def test_what_is_no_graphql_answer_is_never_taken_for_an_empty_one(answer: httpx.Response) -> None:
    with pytest.raises(LagoonUnavailableError):
        client_of(Player(answer)).projects.project_by_name("x")


def test_a_403_opens_the_same_door_as_a_401() -> None:
    with pytest.raises(LagoonAuthError, match="403"):
        client_of(Player(html(403))).projects.project_by_name("x")


def test_partial_data_is_an_error_unless_the_caller_can_miss_it() -> None:
    node = {"id": 1, "name": "x", "organization": 3, "gitUrl": "g", "metadata": None}
    lost = failed("Unauthorized", "projectByName", "metadata", projectByName=node)
    with pytest.raises(LagoonDeniedError):
        client_of(Player(lost)).projects.project_by_name("x")
    spared = failed("Unauthorized", "projectByName", "publicKey", projectByName=node)
    project = client_of(Player(spared)).projects.project_by_name("x")
    assert project is not None
    assert project.public_key is None


SQL = (
    "(conn:85, no: 1406, SQLState: 22001) Data too long for column 'value' at row 1 sql: INSERT "
    "INTO env_vars (name, value) VALUES ('ADMIN_PASSWORD', 's3cret-Passw0rd') - parameters:[]"
)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(failed(SQL, "a0"), id="sql"),
        pytest.param(failed(f"cannot store {PASSWORD} here", "a0"), id="resolver"),
        pytest.param(
            error(400, f'Variable "$value_a0" got invalid value "{PASSWORD}"; too long.'),
            id="variable",
        ),
        pytest.param(
            error(400, f"String cannot represent a non string value: {PASSWORD}"), id="scalar"
        ),
    ],
)
def test_a_variables_value_never_stands_in_an_error(answer: httpx.Response) -> None:
    with pytest.raises(LagoonError) as caught:
        client_of(Player(answer)).projects.set_variables("x", [VARIABLE])
    shown = f"{caught.value!s} {caught.value!r} {caught.value.__cause__!r}"
    assert PASSWORD not in shown
    assert "INSERT" not in shown


def test_no_line_of_a_deploy_key_stands_in_an_error() -> None:
    echo = failed("There was an error with the privateKey: MIIBlahblahblah", "addProject")
    with pytest.raises(LagoonRefusedError, match="deploy key") as caught:
        client_of(Player(echo)).projects.add_project(NEW)
    assert "MIIBlahblahblah" not in str(caught.value)


def test_secrets_travel_as_variables_and_not_in_the_document() -> None:
    player = Player(data(a0={"id": 1}))
    client_of(player).projects.set_variables("x", [VARIABLE])
    assert PASSWORD not in player.bodies[0]["query"]
    assert player.bodies[0]["variables"]["value_a0"] == PASSWORD


def test_an_answer_that_trickles_is_given_up_after_the_total_time() -> None:
    def trickle() -> Iterator[bytes]:
        for _ in range(100):
            time.sleep(0.02)
            yield b" "

    def handler(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=trickle())

    http = httpx.Client(transport=httpx.MockTransport(handler))
    client = LagoonClient(http, "https://l.test", Renewable(), timeout_s=0.1, attempts=1)
    started = time.monotonic()
    with pytest.raises(LagoonUnavailableError, match="in time"):
        client.deployments.running()
    assert time.monotonic() - started < 1


def test_the_time_outs_are_explicit() -> None:
    player = Player(data(deploymentsByFilter=[]))
    client_of(player, connect_timeout_s=2, timeout_s=7).deployments.running()
    assert player.requests[0].extensions["timeout"] == {
        "connect": 2,
        "read": 7,
        "write": 7,
        "pool": 7,
    }


def test_closing_the_client_closes_its_connections() -> None:
    http = httpx.Client(transport=httpx.MockTransport(Player(data())))
    LagoonClient(http, "https://l.test", Renewable()).close()
    assert http.is_closed


def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute, httpx.Client() as http:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/graphql"
        client = LagoonClient(http, url, Renewable(), timeout_s=0.2, attempts=1)
        with pytest.raises(LagoonUnavailableError, match="ReadTimeout"):
            client.deployments.running()


def test_a_server_that_is_not_there_is_an_error_of_the_endpoint() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with httpx.Client() as http:
        client = LagoonClient(http, f"http://127.0.0.1:{port}", Renewable(), attempts=1)
        with pytest.raises(LagoonUnavailableError, match="cannot be reached"):
            client.deployments.running()
