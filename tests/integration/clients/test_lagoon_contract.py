"""The same cases on the fake and on the client: what a step may rely on, whoever answers."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from polydock_pipelines.lifecycle.instance import EnvVariable
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import (
    AlreadyExistsError,
    Deployment,
    Environment,
    EnvironmentRef,
    Lagoon,
    NewProject,
    NotFoundError,
    PortError,
    Project,
    ProjectRef,
    RefusedError,
)
from tests.fakes.lagoon import FakeLagoon
from tests.integration.clients.recorded import Answer, Player, client_of, data, failed

PROJECT = Project(1, "trial-1", 3, "git@x:a/b.git", {"polydock-instance": "u-1"}, "ssh-ed25519 A")
NODE = {
    "id": 1,
    "name": "trial-1",
    "organization": 3,
    "gitUrl": "git@x:a/b.git",
    "metadata": {"polydock-instance": "u-1"},
    "publicKey": "ssh-ed25519 A comment",
}
MAIN = EnvironmentRef(1, "main")
ENVIRONMENT = Environment(5, "main", "trial-1-main", "https://t.example.com")
ENVIRONMENT_NODE = {
    "id": 5,
    "name": "main",
    "kubernetesNamespaceName": "trial-1-main",
    "route": "https://t.example.com",
    "routes": None,
    "kubernetes": None,
}
BUILD = Deployment(8, "lagoon-build-abc12", "failed", "b-1")
NEW = NewProject("trial-2", "git@x:a/b.git", "main", "main", 4, 3, 0, None)


@dataclass(frozen=True)
class Case:
    title: str
    act: Callable[[Lagoon], object]
    expected: object
    """What comes back, or the class of the error."""
    answers: list[Answer]
    fake: dict[str, Any] = field(default_factory=dict[str, Any])


def standing_world() -> dict[str, Any]:
    return {"projects": [PROJECT], "environments": {MAIN: ENVIRONMENT}, "builds": [(MAIN, BUILD)]}


def deploy(lagoon: Lagoon) -> str:
    name = lagoon.deployments.deploy_environment_branch("trial-1", "main", bulk_id="b")
    return name.rpartition("-")[0]


CASES = [
    Case(
        "a project that stands is found",
        lambda lagoon: lagoon.projects.project_by_name("trial-1"),
        PROJECT,
        [data(projectByName=NODE)],
        standing_world(),
    ),
    Case(
        "a project that does not stand is None",
        lambda lagoon: lagoon.projects.project_by_name("other"),
        None,
        [data(projectByName=None)],
    ),
    Case(
        "a new project has an id",
        lambda lagoon: lagoon.projects.add_project(NEW).organization_id,
        3,
        [data(addProject={**NODE, "id": 2, "name": "trial-2"})],
    ),
    Case(
        "a project of a name that is taken exists already",
        lambda lagoon: lagoon.projects.add_project(
            NewProject("trial-1", "g", "main", "main", 4, 3, 0, None)
        ),
        AlreadyExistsError,
        [failed("Error creating project 'trial-1'. Project already exists.", "addProject")],
        standing_world(),
    ),
    Case(
        "a full quota refuses for good",
        lambda lagoon: lagoon.projects.add_project(NEW),
        RefusedError,
        [failed("This would exceed this organizations project quota; 1/1", "addProject")],
        {**standing_world(), "project_quota": 1},
    ),
    Case(
        "a group that is missing is not found",
        lambda lagoon: lagoon.projects.add_groups_to_project("trial-1", ["g"]),
        NotFoundError,
        [failed("Group not found: g", "addGroupsToProject")],
        {**standing_world(), "groups": []},
    ),
    Case(
        "groups of a missing project: not found",
        lambda lagoon: lagoon.projects.add_groups_to_project("other", ["g"]),
        NotFoundError,
        [failed("Unauthorized", "addGroupsToProject")],
    ),
    Case(
        "a variable is set",
        lambda lagoon: lagoon.projects.set_variables("trial-1", [EnvVariable("A", Secret("1"))]),
        None,
        [data(a0={"id": 1})],
        standing_world(),
    ),
    Case(
        "variables of a missing project: not found",
        lambda lagoon: lagoon.projects.set_variables("other", [EnvVariable("A", Secret("1"))]),
        NotFoundError,
        [failed("Unauthorized", "a0")],
    ),
    Case(
        "a missing variable is deleted like any other",
        lambda lagoon: lagoon.projects.delete_variables("trial-1", ["NONE"]),
        None,
        [data(a0="success")],
        standing_world(),
    ),
    Case(
        "metadata of a missing project: not found",
        lambda lagoon: lagoon.projects.update_project_metadata(99, {"a": "b"}),
        NotFoundError,
        [failed("Cannot read properties of undefined (reading 'id')", "a0")],
    ),
    Case(
        "a project with an environment cannot be deleted, yet",
        lambda lagoon: lagoon.projects.delete_project("trial-1"),
        PortError,
        [
            failed(
                "Unable to delete project, there are existing environments that need to be "
                "removed first",
                "deleteProject",
            )
        ],
        standing_world(),
    ),
    Case(
        "a project without environments is deleted",
        lambda lagoon: lagoon.projects.delete_project("trial-1"),
        None,
        [data(deleteProject="success")],
        {"projects": [PROJECT]},
    ),
    Case(
        "a missing project cannot be deleted",
        lambda lagoon: lagoon.projects.delete_project("other"),
        NotFoundError,
        [failed("Not found: 'other'", "deleteProject")],
    ),
    Case(
        "an environment that stands is found",
        lambda lagoon: lagoon.environments.environment_by_name(1, "main"),
        ENVIRONMENT,
        [data(environmentByName=ENVIRONMENT_NODE)],
        standing_world(),
    ),
    Case(
        "an environment that does not stand is None",
        lambda lagoon: lagoon.environments.environment_by_name(1, "other"),
        None,
        [data(environmentByName=None)],
        standing_world(),
    ),
    Case(
        "only what stands is standing",
        lambda lagoon: lagoon.environments.standing([MAIN, EnvironmentRef(2, "main")]),
        frozenset({MAIN}),
        [data(a0={"id": 5}, a1=None)],
        standing_world(),
    ),
    Case(
        "all environments of a project are named",
        lambda lagoon: lagoon.environments.names_of("trial-1"),
        ("main",),
        [data(projectByName={"environments": [{"name": "main"}]})],
        standing_world(),
    ),
    Case(
        "a project may have no environment",
        lambda lagoon: lagoon.environments.names_of("trial-1"),
        (),
        [data(projectByName={"environments": []})],
        {"projects": [PROJECT]},
    ),
    Case(
        "the environments of a missing project: not found",
        lambda lagoon: lagoon.environments.names_of("other"),
        NotFoundError,
        [data(projectByName=None)],
        standing_world(),
    ),
    Case(
        "an environment is asked to go, and asked again",
        lambda lagoon: (
            lagoon.environments.delete_environment("trial-1", "main"),
            lagoon.environments.delete_environment("trial-1", "main"),
        ),
        (None, None),
        [data(deleteEnvironment="success")],
        {**standing_world(), "removal_takes": timedelta(minutes=1)},
    ),
    Case(
        "an environment that is gone is not found",
        lambda lagoon: lagoon.environments.delete_environment("trial-1", "other"),
        NotFoundError,
        [failed('Environment "other" does not exist in project "1"', "deleteEnvironment")],
        standing_world(),
    ),
    Case(
        "an environment of a missing project is not found",
        lambda lagoon: lagoon.environments.delete_environment("other", "main"),
        NotFoundError,
        [failed("Not found: 'other'", "deleteEnvironment")],
    ),
    Case(
        "an organization names its projects, and no other's",
        lambda lagoon: lagoon.organizations.projects_of(3),
        (ProjectRef(1, "trial-1"),),
        [data(organizationById={"id": 3, "projects": [{"id": 1, "name": "trial-1"}]})],
        {"projects": [PROJECT, replace(PROJECT, id=2, name="theirs", organization_id=4)]},
    ),
    Case(
        "an organization may have no project",
        lambda lagoon: lagoon.organizations.projects_of(4),
        (),
        [data(organizationById={"id": 4, "projects": []})],
        standing_world(),
    ),
    Case(
        "the projects of a missing organization: not found",
        lambda lagoon: lagoon.organizations.projects_of(9),
        NotFoundError,
        [data(organizationById=None)],
        {"organization_ids": [3]},
    ),
    Case(
        "a deploy gives a build's name",
        deploy,
        "lagoon-build",
        [data(deployEnvironmentBranch="lagoon-build-x1y2z")],
        standing_world(),
    ),
    Case(
        "a deploy of a missing project: not found",
        lambda lagoon: lagoon.deployments.deploy_environment_branch("other", "main", bulk_id="b"),
        NotFoundError,
        [failed("Unauthorized", "deployEnvironmentBranch")],
    ),
    Case(
        "builds are found by their bulk id, and a missing one is an empty list",
        lambda lagoon: lagoon.deployments.by_bulk_ids(["b-1", "b-2"]),
        {"b-1": [BUILD], "b-2": []},
        [
            data(
                a0=[{"id": 8, "name": "lagoon-build-abc12", "status": "failed", "bulkId": "b-1"}],
                a1=[],
            )
        ],
        standing_world(),
    ),
    Case(
        "a build that ended does not run",
        lambda lagoon: lagoon.deployments.running(),
        [],
        [data(deploymentsByFilter=[])],
        standing_world(),
    ),
    Case(
        "a build can be cancelled",
        lambda lagoon: lagoon.deployments.cancel_deployment(8),
        None,
        [data(cancelDeployment="success")],
        standing_world(),
    ),
    Case(
        "a missing build cannot be cancelled",
        lambda lagoon: lagoon.deployments.cancel_deployment(99),
        NotFoundError,
        [failed("Unauthorized", "cancelDeployment")],
    ),
]


@pytest.mark.parametrize("kind", ["fake", "client"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_fake_and_client_agree(case: Case, kind: str) -> None:
    lagoon: Lagoon = FakeLagoon(**case.fake) if kind == "fake" else client_of(Player(*case.answers))
    if isinstance(case.expected, type):
        with pytest.raises(case.expected):
            case.act(lagoon)
    else:
        assert case.act(lagoon) == case.expected
