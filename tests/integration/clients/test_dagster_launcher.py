"""Launches against a recorded webserver, and the document against Dagster's own schema."""

import json
from typing import Any

import httpx
import pytest
from dagster_graphql.schema import create_schema
from graphql import GraphQLObjectType, GraphQLUnionType, parse, validate

from polydock_pipelines.clients.dagster import (
    LAUNCH_RUN,
    DagsterLauncher,
    LauncherEndpointError,
    LauncherError,
)
from polydock_pipelines.ports import EndpointError, Launch, Launcher
from tests.integration.clients.recorded import Answer, Player, error, html


def launcher(player: Player) -> DagsterLauncher:
    return DagsterLauncher(
        httpx.Client(transport=httpx.MockTransport(player)), "http://dagster.test:3000/prefix/"
    )


def answers(**result: Any) -> Player:
    return Player(httpx.Response(200, json={"data": {"launchRun": result}}))


def launch(player: Player) -> Launch:
    port: Launcher = launcher(player)
    return port.launch("provision_instances", {"ops": {"a": {}}}, {"polydock/kind": "provision"})


def test_the_document_is_valid_against_the_installed_dagster() -> None:
    schema = create_schema().graphql_schema
    assert validate(schema, parse(LAUNCH_RUN)) == []
    union = schema.get_type("LaunchRunResult")
    assert isinstance(union, GraphQLUnionType)
    silent = [kind.name for kind in union.types if not has_a_message(kind)]
    # Those two speak of op selections, which we never send.
    assert silent == ["InvalidStepError", "InvalidOutputError"]


def has_a_message(kind: GraphQLObjectType) -> bool:
    """Whether our document reads something from this member of the union."""
    fragments = {"LaunchRunSuccess", "RunConfigValidationInvalid"}
    return kind.name in fragments or "Error" in {interface.name for interface in kind.interfaces}


def test_a_launch_names_job_location_config_and_tags() -> None:
    player = answers(__typename="LaunchRunSuccess", run={"runId": "r-1"})
    assert launch(player) == Launch("r-1")
    (request,) = player.requests
    assert str(request.url) == "http://dagster.test:3000/prefix/graphql"
    assert request.extensions["timeout"]["connect"] == 2
    assert request.extensions["timeout"]["read"] == 10
    assert json.loads(request.content)["variables"]["params"] == {
        "selector": {
            "repositoryLocationName": "polydock_pipelines",
            "repositoryName": "__repository__",
            "jobName": "provision_instances",
        },
        "runConfigData": {"ops": {"a": {}}},
        "executionMetadata": {"tags": [{"key": "polydock/kind", "value": "provision"}]},
    }


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ({"__typename": "PipelineNotFoundError", "message": "no job"}, "no job"),
        ({"__typename": "PythonError", "message": "boom"}, "PythonError boom"),
        ({"__typename": "UnauthorizedError", "message": "read-only"}, "read-only"),
        (
            {
                "__typename": "RunConfigValidationInvalid",
                "errors": [{"message": "missing a"}, {"message": "missing b"}],
            },
            "missing a; missing b",
        ),
        ({"__typename": "InvalidStepError"}, "InvalidStepError"),
    ],
)
def test_a_refusal_carries_dagsters_own_words(result: dict[str, Any], text: str) -> None:
    with pytest.raises(LauncherError, match=text) as caught:
        launch(answers(**result))
    assert not isinstance(caught.value, EndpointError)


@pytest.mark.parametrize("status", [200, 400])
def test_a_document_that_dagster_cannot_read_is_refused(status: int) -> None:
    with pytest.raises(LauncherError, match="Cannot query field"):
        launch(Player(error(status, "Cannot query field")))


def test_an_answer_without_data_or_errors_is_refused() -> None:
    with pytest.raises(LauncherError, match="no data"):
        launch(Player(httpx.Response(200, json={})))


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        html(502),
        html(200),
        error(500, "no"),
    ],
)
def test_a_webserver_that_is_away_is_asked_once(answer: Answer) -> None:
    player = Player(answer)
    with pytest.raises(LauncherEndpointError) as caught:
        launch(player)
    assert caught.value.endpoint == "dagster"
    assert len(player.requests) == 1


def test_closing_the_launcher_closes_its_connections() -> None:
    http = httpx.Client(transport=httpx.MockTransport(Player(html(200))))
    DagsterLauncher(http, "http://d.test").close()
    assert http.is_closed
