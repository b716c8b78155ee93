"""Each error text of the contract, and the class that it becomes; contract §4."""

from collections.abc import Callable, Sequence

import httpx
import pytest

from polydock_pipelines.clients.lagoon.client import LagoonClient
from polydock_pipelines.clients.lagoon.errors import (
    LagoonAlreadyExistsError,
    LagoonAuthError,
    LagoonDeniedError,
    LagoonError,
    LagoonNotFoundError,
    LagoonRefusedError,
    LagoonUnavailableError,
)
from polydock_pipelines.lifecycle.instance import EnvVariable
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import (
    AlreadyExistsError,
    DeniedError,
    EnvironmentRef,
    NewProject,
    NotFoundError,
    RefusedError,
)
from tests.integration.clients.recorded import Answer, Player, client_of, data, error, failed

Call = Callable[[LagoonClient], object]

NEW = NewProject("trial-1", "git@x:a/b.git", "main", "main", 1, 3, 0, None)
PERMISSION = 'Unauthorized: You don\'t have permission to "{}" on "{}"'


def add_project(client: LagoonClient) -> object:
    return client.projects.add_project(NEW)


def add_groups(client: LagoonClient) -> object:
    return client.projects.add_groups_to_project("trial-1", ["g"])


def set_variables(client: LagoonClient) -> object:
    return client.projects.set_variables("trial-1", [EnvVariable("A", Secret("value-of-a"))])


def delete_variables(client: LagoonClient) -> object:
    return client.projects.delete_variables("trial-1", ["A"])


def metadata(client: LagoonClient) -> object:
    return client.projects.update_project_metadata(7, {"a": "b"})


def delete_project(client: LagoonClient) -> object:
    return client.projects.delete_project("trial-1")


def deploy(client: LagoonClient) -> object:
    return client.deployments.deploy_environment_branch("trial-1", "main", bulk_id="b")


def cancel(client: LagoonClient) -> object:
    return client.deployments.cancel_deployment(7)


def delete_environment(client: LagoonClient) -> object:
    return client.environments.delete_environment("trial-1", "main")


def project_by_name(client: LagoonClient) -> object:
    return client.projects.project_by_name("trial-1")


def environment_by_name(client: LagoonClient) -> object:
    return client.environments.environment_by_name(7, "main")


def names_of(client: LagoonClient) -> object:
    return client.environments.names_of("trial-1")


def projects_of(client: LagoonClient) -> object:
    return client.organizations.projects_of(3)


NO_TASK = "Error deploying main: unable to create deploy task: "

REFUSED: list[tuple[Call, str]] = [
    (add_project, PERMISSION.format("addProject", "organization")),
    (add_project, "This would exceed this organizations project quota; 3/3"),
    (add_project, "The provided deploytarget is not valid for this organization"),
    (add_project, "A project name must be provided!"),
    (add_project, "Only lowercase characters, numbers and dashes allowed for name!"),
    (add_project, "Multiple consecutive dashes are not allowed for name!"),
    (add_project, "The provided gitUrl is invalid."),
    (add_project, "Must provide kubernetes or openshift field"),
    (add_project, "There was an error with the privateKey: invalid format"),
    (add_project, 'Openshift ID: "9999" does not exist"'),
    (add_project, "Project creation is restricted to organizations only"),
    (add_project, "Unauthorized"),
    (add_project, "(conn:85, no: 1406, SQLState: 22001) Data too long for column 'name'"),
    (add_groups, "Group must be in same organization as the project"),
    (set_variables, PERMISSION.format("project:add", "env_var")),
    (set_variables, "Modifying project variables is disabled for this project"),
    (set_variables, "A variable name must be provided."),
    (delete_variables, PERMISSION.format("project:delete", "env_var")),
    (metadata, PERMISSION.format("update", "project")),
    (metadata, "Only lowercase characters, numbers and dashes allowed for key!"),
    (metadata, "input.patch expects both key and value attributes"),
    (delete_project, PERMISSION.format("delete", "project")),
    (delete_project, "Unauthorized"),
    (deploy, PERMISSION.format("deploy:production", "environment")),
    (deploy, "Deployments have been disabled for this project"),
    (deploy, "Tasks have been disabled for this project"),
    (deploy, NO_TASK + "exceed environment quota"),
    (deploy, NO_TASK + "exceed production limit"),
    (deploy, NO_TASK + "exceed development limit"),
    (deploy, NO_TASK + "didn't match regex pattern for project"),
    (deploy, NO_TASK + "deployments disabled for project branches"),
    (cancel, PERMISSION.format("cancel", "deployment")),
    (delete_environment, PERMISSION.format("delete:production", "environment")),
    (delete_environment, "Unauthorized"),
    (project_by_name, PERMISSION.format("view", "project")),
    (project_by_name, "Unauthorized"),
    (environment_by_name, PERMISSION.format("view", "environment")),
    (names_of, PERMISSION.format("view", "project")),
    (names_of, "Unauthorized"),
    (projects_of, PERMISSION.format("view", "organization")),
    (projects_of, "Unauthorized"),
]

NOT_FOUND: list[tuple[Call, str]] = [
    (add_groups, "Unauthorized"),
    (add_groups, "Group not found: g"),
    (set_variables, "Unauthorized"),
    (delete_variables, "Unauthorized"),
    (metadata, "Cannot read properties of undefined (reading 'id')"),
    (delete_project, "Not found: 'trial-1'"),
    (deploy, "Unauthorized"),
    (cancel, "Unauthorized"),
    (cancel, "Cannot read properties of undefined (reading 'environment')"),
    (cancel, "No deployment found"),
    (delete_environment, 'Environment "main" does not exist in project "1"'),
    (delete_environment, "Not found: 'trial-1'"),
]

WORTH_REPEATING: list[tuple[Call, str]] = [
    (add_project, "Error: getaddrinfo ENOTFOUND keycloak"),
    (set_variables, "(conn:85, no: 1213, SQLState: 40001) Deadlock found"),
    (
        delete_project,
        "Unable to delete project, there are existing environments that need to be removed first",
    ),
    (deploy, NO_TASK + "error creating or getting environment: duplicate"),
    (deploy, NO_TASK + "the broker is away"),
    (delete_environment, "Error removing main"),
]


def caught(call: Call, text: str) -> LagoonError:
    player = Player(failed(text, "a0"))
    with pytest.raises(LagoonError) as info:
        call(client_of(player))
    assert len(player.requests) == 1
    return info.value


@pytest.mark.parametrize(("call", "text"), REFUSED)
def test_a_refusal_says_what_to_change(call: Call, text: str) -> None:
    error = caught(call, text)
    is_permission = text.startswith("Unauthorized")
    assert type(error) is (LagoonDeniedError if is_permission else LagoonRefusedError)
    assert isinstance(error, DeniedError if is_permission else RefusedError)
    sentences = str(error).split(". ")
    assert len(sentences) > 1, "an operator needs more than Lagoon's own words"


@pytest.mark.parametrize(("call", "text"), NOT_FOUND)
def test_what_is_missing_is_not_found(call: Call, text: str) -> None:
    error = caught(call, text)
    assert type(error) is LagoonNotFoundError
    assert isinstance(error, NotFoundError)


@pytest.mark.parametrize(("call", "text"), WORTH_REPEATING)
def test_the_rest_may_be_repeated(call: Call, text: str) -> None:
    assert type(caught(call, text)) is LagoonError


def test_a_project_name_that_is_taken_exists_already() -> None:
    error = caught(add_project, "Error creating project 'trial-1'. Project already exists.")
    assert type(error) is LagoonAlreadyExistsError
    assert isinstance(error, AlreadyExistsError)


@pytest.mark.parametrize(
    ("call", "field", "answer", "kind"),
    [
        (deploy, "deployEnvironmentBranch", "Skipped: branch not wanted", LagoonRefusedError),
        (
            deploy,
            "deployEnvironmentBranch",
            f"Error: {NO_TASK}exceed environment quota",
            LagoonRefusedError,
        ),
        (deploy, "deployEnvironmentBranch", "Error: broker away", LagoonError),
        (deploy, "deployEnvironmentBranch", "success", LagoonError),
        (deploy, "deployEnvironmentBranch", None, LagoonError),
        (deploy, "deployEnvironmentBranch", "my-lagoon-build-abc12", LagoonError),
        (delete_environment, "deleteEnvironment", "Error: no", LagoonError),
        (delete_environment, "deleteEnvironment", None, LagoonError),
        (delete_project, "deleteProject", "Error: no", LagoonError),
        (cancel, "cancelDeployment", "Error: no", LagoonError),
        (delete_variables, "a0", "Error: no", LagoonError),
    ],
)
def test_a_failure_reported_as_data_is_a_failure(
    call: Call, field: str, answer: str | None, kind: type[LagoonError]
) -> None:
    with pytest.raises(LagoonError) as info:
        call(client_of(Player(data(**{field: answer}))))
    assert type(info.value) is kind


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (project_by_name, "projectByName"),
        (add_project, "addProject"),
        (environment_by_name, "environmentByName"),
        (names_of, "projectByName"),
        (projects_of, "organizationById"),
        (lambda c: c.deployments.running(), "deploymentsByFilter"),
        (lambda c: c.organizations.me(), "me"),
        (lambda c: c.organizations.organization_by_id(3), "organizationById"),
    ],
)
def test_an_answer_of_an_unknown_shape_is_an_error(call: Call, field: str) -> None:
    with pytest.raises(LagoonError, match=r"understand|know"):
        call(client_of(Player(data(**{field: {"id": ["seven"]}}))))


def test_an_error_of_one_variable_names_it_and_counts_the_others() -> None:
    lost = httpx.Response(
        200,
        json={
            "data": {"a0": {"id": 1}, "a1": None, "a2": None},
            "errors": [
                {"message": "Internal", "path": ["a1"]},
                {"message": "Internal", "path": ["a2"]},
            ],
        },
    )
    variables = [EnvVariable(name, Secret(f"value-{name}")) for name in ("A", "B", "C")]
    with pytest.raises(LagoonError, match=r"at B.*1 more") as info:
        client_of(Player(lost)).projects.set_variables("trial-1", variables)
    assert "value-" not in str(info.value)


def test_an_environment_that_lagoon_fails_to_show_counts_as_standing() -> None:
    refs = [EnvironmentRef(1, "main"), EnvironmentRef(2, "main"), EnvironmentRef(3, "main")]
    answer = failed("Unauthorized", "a2", a0={"id": 5}, a1=None, a2=None)
    standing = client_of(Player(answer)).environments.standing(refs)
    assert standing == {refs[0], refs[2]}


def test_an_alias_that_is_missing_from_the_answer_is_not_gone() -> None:
    refs = [EnvironmentRef(1, "main")]
    assert client_of(Player(data())).environments.standing(refs) == set(refs)


def test_an_error_about_no_alias_fails_the_look() -> None:
    answer = httpx.Response(200, json={"data": None, "errors": [{"message": "Internal"}]})
    with pytest.raises(LagoonError):
        client_of(Player(answer)).environments.standing([EnvironmentRef(1, "main")])


@pytest.mark.parametrize("fields", [{"a0": []}, {"a0": [], "a1": None}])
def test_an_answer_without_the_builds_of_an_id_is_not_an_empty_list(fields: object) -> None:
    assert isinstance(fields, dict)
    with pytest.raises(LagoonError):
        client_of(Player(data(**fields))).deployments.by_bulk_ids(["x", "y"])


@pytest.mark.parametrize(
    "call",
    [
        project_by_name,
        environment_by_name,
        add_project,
        deploy,
        delete_environment,
        delete_project,
        cancel,
        names_of,
        projects_of,
        lambda c: c.deployments.running(),
        lambda c: c.organizations.me(),
    ],
)
def test_data_without_the_field_that_was_asked_for_is_no_null(call: Call) -> None:
    with pytest.raises(LagoonUnavailableError):
        call(client_of(Player(data())))


def test_null_is_not_an_empty_list_of_running_builds() -> None:
    with pytest.raises(LagoonError):
        client_of(Player(data(deploymentsByFilter=None))).deployments.running()


def test_one_failing_bulk_id_fails_the_look_for_builds() -> None:
    answer = failed("Internal", "a1", a0=[], a1=None)
    with pytest.raises(LagoonError):
        client_of(Player(answer)).deployments.by_bulk_ids(["x", "y"])


def test_a_partial_look_leaves_out_the_failing_bulk_id_only() -> None:
    answer = failed("Internal", "a1", a0=[], a1=None)
    found = client_of(Player(answer)).deployments.by_bulk_ids(["x", "y"], partial=True)
    assert found == {"x": []}


def test_an_error_about_no_bulk_id_fails_a_partial_look_too() -> None:
    answer = httpx.Response(200, json={"data": None, "errors": [{"message": "Internal"}]})
    with pytest.raises(LagoonError):
        client_of(Player(answer)).deployments.by_bulk_ids(["x"], partial=True)


# -- what decides whether a project is gone: nothing but a whole answer counts

TRIAL = {"id": 1, "name": "trial-1"}
MAIN = {"name": "main"}


@pytest.mark.parametrize(
    "node",
    [
        {"id": 3, "projects": None},
        {"id": 3},
        {"id": 4, "projects": [TRIAL]},
        {"id": None, "projects": [TRIAL]},
        {"id": 3, "projects": [TRIAL, None]},
        {"id": 3, "projects": [TRIAL, {"id": None, "name": "trial-2"}]},
        {"id": 3, "projects": [TRIAL, {"id": 2, "name": None}]},
        {"id": 3, "projects": [TRIAL, {"id": 2}]},
    ],
)
def test_a_list_of_projects_with_a_gap_is_no_list(node: dict[str, object]) -> None:
    with pytest.raises(LagoonError) as info:
        projects_of(client_of(Player(data(organizationById=node))))
    assert type(info.value) is LagoonError


@pytest.mark.parametrize(
    "node", [{}, {"environments": None}, {"environments": [None]}, {"environments": [{}]}]
)
def test_a_list_of_environments_with_a_gap_is_no_list(node: dict[str, object]) -> None:
    with pytest.raises(LagoonError) as info:
        names_of(client_of(Player(data(projectByName=node))))
    assert type(info.value) is LagoonError


PARTS: Sequence[tuple[Call, Answer]] = [
    (
        projects_of,
        failed(text, "organizationById", *path, organizationById={"id": 3, "projects": projects}),
    )
    for text in ("Unauthorized", PERMISSION.format("view", "project"), "Internal")
    for path, projects in (
        (("projects",), None),
        (("projects", 1, "name"), [TRIAL, {"id": 2, "name": None}]),
        (("projects", 1), [TRIAL]),
        ((), []),
    )
] + [
    (names_of, failed(text, "projectByName", "environments", projectByName={"environments": some}))
    for text in ("Unauthorized", PERMISSION.format("view", "environment"), "Internal")
    for some in (None, [], [MAIN])
]


@pytest.mark.parametrize(("call", "answer"), PARTS)
def test_an_answer_in_part_is_none(call: Call, answer: Answer) -> None:
    with pytest.raises(LagoonError) as info:
        call(client_of(Player(answer)))
    assert not isinstance(info.value, NotFoundError)


@pytest.mark.parametrize("call", [names_of, projects_of])
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(401, "Unauthorized - Bearer token malformed"), LagoonAuthError),
        (error(500, "Internal Server Error"), LagoonUnavailableError),
        (error(400, 'Cannot query field "projects"'), LagoonRefusedError),
        (httpx.Response(200, json={"data": None}), LagoonUnavailableError),
    ],
)
def test_an_answer_of_another_status_shows_nothing(
    call: Call, answer: Answer, kind: type[LagoonError]
) -> None:
    with pytest.raises(LagoonError) as info:
        call(client_of(Player(answer)))
    assert type(info.value) is kind


@pytest.mark.parametrize(
    ("call", "field"), [(names_of, "projectByName"), (projects_of, "organizationById")]
)
def test_null_without_an_error_is_not_found_and_no_empty_list(call: Call, field: str) -> None:
    with pytest.raises(LagoonNotFoundError):
        call(client_of(Player(data(**{field: None}))))
