"""What is sent, and what a good answer becomes; contract §4-6."""

from importlib import resources
from typing import Any

import pytest
from graphql import DocumentNode, build_schema, validate

from polydock_pipelines.clients.lagoon import deployments, environments, organizations, projects
from polydock_pipelines.clients.lagoon.client import LagoonClient
from polydock_pipelines.clients.lagoon.documents import Aliased, Operation, batches
from polydock_pipelines.lifecycle.instance import EnvVariable, Scope
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import Deployment, Environment, EnvironmentRef, NewProject, Project
from tests.integration.clients.recorded import Player, client_of, data, failed

MODULES = (projects, environments, deployments, organizations)


def documents() -> list[Any]:
    """Every operation of the client, aliased ones with two fields."""
    found: list[Any] = []
    for module in MODULES:
        for name, value in vars(module).items():
            if isinstance(value, Operation):
                found.append(pytest.param(value.document.document, id=name))
            elif isinstance(value, Aliased):
                item = dict.fromkeys(value.types, "x")
                (batch,) = batches(value, [item, item])
                found.append(pytest.param(batch.operation.document.document, id=name))
    return found


@pytest.mark.parametrize("document", documents())
def test_every_document_is_valid_against_lagoons_schema(document: DocumentNode) -> None:
    text = (resources.files("polydock_pipelines.simulator") / "schema.graphql").read_text()
    assert validate(build_schema(text), document) == []


def node(**fields: Any) -> dict[str, Any]:
    return {"id": 7, "name": "lagoon-build-abc12", "status": "running", "bulkId": "b", **fields}


def test_add_project_asks_for_ownership_and_for_one_branch() -> None:
    made = {
        "id": 9,
        "name": "trial-1",
        "organization": 3,
        "gitUrl": "git@x:a/b.git",
        "metadata": {},
        "publicKey": "ssh-ed25519 AAAA lagoon@example",
    }
    player = Player(data(addProject=made))
    new = NewProject("trial-1", "git@x:a/b.git", "feature/a.b", "prod", 4, 3, 1, Secret("KEY"))
    project = client_of(player).projects.add_project(new)
    assert project == Project(9, "trial-1", 3, "git@x:a/b.git", {}, "ssh-ed25519 AAAA")
    assert player.bodies[0]["variables"]["input"] == {
        "name": "trial-1",
        "gitUrl": "git@x:a/b.git",
        "kubernetes": 4,
        "organization": 3,
        "addOrgOwner": True,
        "productionEnvironment": "prod",
        "branches": r"^feature/a\.b$",
        "pullrequests": "false",
        "autoIdle": 1,
        "privateKey": "KEY",  # pragma: allowlist secret
    }


def test_without_a_deploy_key_lagoon_makes_one() -> None:
    player = Player(data(addProject={"id": 9, "name": "t", "publicKey": "ssh-ed25519 BBBB"}))
    new = NewProject("t", "g", "main", "main", 4, 3, 1, None)
    assert client_of(player).projects.add_project(new).public_key == "ssh-ed25519 BBBB"
    assert "privateKey" not in player.bodies[0]["variables"]["input"]


def test_metadata_values_are_strings() -> None:
    found = {"id": 1, "name": "x", "metadata": {"polydock-instance": "u", "count": 3}}
    project = client_of(Player(data(projectByName=found))).projects.project_by_name("x")
    assert project is not None
    assert project.metadata == {"polydock-instance": "u", "count": "3"}


def test_variables_go_in_one_document_with_their_scopes() -> None:
    player = Player(data(a0={"id": 1}, a1={"id": 2}))
    variables = [EnvVariable("A", Secret("1")), EnvVariable("B", Secret(""), Scope.BUILD)]
    client_of(player).projects.set_variables("x", variables)
    assert len(player.requests) == 1
    sent = player.bodies[0]["variables"]
    assert sent["scope_a0"] == "GLOBAL"
    assert (sent["name_a1"], sent["value_a1"], sent["scope_a1"]) == ("B", "", "BUILD")


def test_null_without_an_error_is_a_success() -> None:
    player = Player(data(a0=None))
    client_of(player).projects.set_variables("x", [EnvVariable("A", Secret("1"))])
    assert len(player.requests) == 1


def test_many_long_variables_are_split_below_the_limit_of_a_body() -> None:
    player = Player(data())
    value = 'a "quoted"\nline ' * 1000
    variables = [EnvVariable(f"V{number}", Secret(value)) for number in range(20)]
    client_of(player).projects.set_variables("x", variables)
    assert len(player.requests) > 2
    assert all(len(request.content) < 100 * 1024 for request in player.requests)
    names = [
        value
        for body in player.bodies
        for key, value in body["variables"].items()
        if key.startswith("name_")
    ]
    assert names == [variable.name for variable in variables]


def test_nothing_to_send_is_no_request() -> None:
    player = Player(data())
    client = client_of(player)
    client.projects.set_variables("x", [])
    client.projects.delete_variables("x", [])
    client.projects.add_groups_to_project("x", [])
    client.projects.update_project_metadata(1, {"email": ""})
    assert client.deployments.by_bulk_ids([]) == {}
    assert client.environments.standing([]) == frozenset()
    assert player.requests == []


def test_empty_metadata_values_are_left_out() -> None:
    player = Player(data(a0={"id": 1}))
    client_of(player).projects.update_project_metadata(1, {"email": "", "firstname": "Ada"})
    assert player.bodies[0]["variables"] == {"id_a0": 1, "key_a0": "firstname", "value_a0": "Ada"}


def test_deleted_variables_are_named_in_order() -> None:
    player = Player(data(a0="success", a1="success"))
    client_of(player).projects.delete_variables("x", {"B", "A"})
    assert player.bodies[0]["variables"]["name_a0"] == "A"


def test_a_deploy_carries_our_bulk_id_and_asks_for_the_name() -> None:
    player = Player(data(deployEnvironmentBranch="lagoon-variables-x1y2z3"))
    name = client_of(player).deployments.deploy_environment_branch(
        "x", "main", bulk_id="b-1", build_variables={"LAGOON_VARIABLES_ONLY": "true"}
    )
    assert name == "lagoon-variables-x1y2z3"
    assert "returnData: true" in player.bodies[0]["query"]
    assert player.bodies[0]["variables"] == {
        "project": "x",
        "branch": "main",
        "bulkId": "b-1",
        "buildVariables": [{"name": "LAGOON_VARIABLES_ONLY", "value": "true"}],
    }


def test_a_thousand_bulk_ids_are_three_requests() -> None:
    answer = {f"a{number}": [] for number in range(400)} | {"a0": [node(status="COMPLETE")]}
    player = Player(data(**answer))
    ids = [f"id-{number:036}" for number in range(1000)]
    found = client_of(player).deployments.by_bulk_ids([*ids, ids[0]])
    assert len(player.requests) == 3
    assert len(found) == 1000
    assert found[ids[0]] == [Deployment(7, "lagoon-build-abc12", "complete", "b")]
    assert found[ids[1]] == []
    assert found[ids[400]][0].is_good


def test_running_builds_are_asked_for_in_flat_scalars() -> None:
    player = Player(data(deploymentsByFilter=[node(), node(id=8, bulkId=None)]))
    running = client_of(player).deployments.running()
    assert [deployment.bulk_id for deployment in running] == ["b", None]
    assert "environment" not in player.bodies[0]["query"]


def test_an_environment_is_asked_for_without_the_deleted_ones() -> None:
    found = {
        "id": 5,
        "name": "main",
        "kubernetesNamespaceName": "x-main",
        "route": "https://a",
        "routes": "https://a, https://b",
        "kubernetes": {"sshHost": "ssh.cluster", "sshPort": "2222"},
    }
    player = Player(data(environmentByName=found))
    environment = client_of(player).environments.environment_by_name(1, "main")
    assert environment == Environment(
        5, "main", "x-main", "https://a", ("https://a", "https://b"), "ssh.cluster", 2222
    )
    assert "includeDeleted: false" in player.bodies[0]["query"]


@pytest.mark.parametrize("kubernetes", [None, {}, {"sshHost": "", "sshPort": ""}])
def test_an_environment_before_its_first_build_has_no_route(kubernetes: object) -> None:
    found = {"id": 5, "name": "main", "kubernetesNamespaceName": "n", "kubernetes": kubernetes}
    environment = client_of(Player(data(environmentByName=found))).environments.environment_by_name(
        1, "main"
    )
    assert environment == Environment(5, "main", "n")


def test_a_hidden_cluster_is_no_reason_to_fail() -> None:
    found = {"id": 5, "name": "main", "kubernetesNamespaceName": "n", "kubernetes": None}
    answer = failed("Unauthorized", "environmentByName", "kubernetes", environmentByName=found)
    environment = client_of(Player(answer)).environments.environment_by_name(1, "main")
    assert environment is not None
    assert environment.ssh_host is None


def test_standing_asks_for_many_at_once() -> None:
    player = Player(data(a0={"id": 1}, a1=None))
    refs = [EnvironmentRef(1, "main"), EnvironmentRef(2, "main")]
    assert client_of(player).environments.standing(refs) == {refs[0]}
    assert player.bodies[0]["query"].count("includeDeleted: false") == 2


def test_the_version_works_with_every_token() -> None:
    client = client_of(Player(data(lagoonVersion="2.33.1")))
    assert client.organizations.lagoon_version() == "2.33.1"


def test_a_service_token_is_nobody() -> None:
    answer = failed("Cannot read properties of null (reading 'access_token')", "me")
    assert client_of(Player(answer)).organizations.me() is None


def organization(client: LagoonClient) -> organizations.Organization:
    return client.organizations.organization_by_id(3)


def test_an_organization_shows_its_room() -> None:
    answer = data(
        organizationById={
            "id": 3,
            "name": "trials",
            "quotaProject": 10,
            "quotaEnvironment": None,
            "projects": [{"id": 1}, {"id": 2}],
            "environments": [{"id": 1}],
            "deployTargets": [{"id": 4}],
            "groups": [{"name": "operators"}, {"name": None}],
        }
    )
    found = organization(client_of(Player(answer)))
    assert (found.name, found.quota_project, found.quota_environment) == ("trials", 10, -1)
    assert (found.project_count, found.environment_count) == (2, 1)
    assert found.deploy_target_ids == {4}
    assert found.group_names == {"operators"}


@pytest.mark.parametrize(
    "answer",
    [
        data(organizationById=None),
        failed('Unauthorized: You don\'t have permission to "view" on "organization"', "x"),
    ],
)
def test_an_organization_that_is_missing_or_hidden_is_not_found(answer: Any) -> None:
    with pytest.raises(organizations.LagoonNotFoundError):
        organization(client_of(Player(answer)))


ME = data(me={"id": "u-1", "email": "a@example.com"})


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([ME, data(organizationById={"owners": [{"id": "u-1"}]})], True),
        ([ME, data(organizationById={"owners": [{"id": "u-2"}]})], False),
        ([ME, data(organizationById={"owners": None})], None),
        ([ME, data(organizationById=None)], None),
        ([ME, failed("Unauthorized", "organizationById")], None),
        ([failed("Cannot read properties of null", "me")], None),
    ],
)
def test_ownership_is_told_as_far_as_lagoon_tells(answers: list[Any], expected: object) -> None:
    client = client_of(Player(*answers))
    assert client.organizations.is_organization_owner(3) is expected
