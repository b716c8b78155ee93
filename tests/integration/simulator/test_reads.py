"""Reads beside the common ones: nested objects, filters, and what a legacy token sees."""

import jwt
import pytest

from polydock_pipelines.simulator.tokens import LEGACY_AUDIENCE, LEGACY_SECRET
from tests.integration.simulator.caller import ADD_PROJECT, SET_VARIABLE, Caller, project_input

pytestmark = pytest.mark.filterwarnings("ignore:The HMAC key is:jwt.InsecureKeyLengthWarning")


@pytest.fixture
def admin(caller: Caller) -> Caller:
    claims = {"role": "admin", "aud": LEGACY_AUDIENCE, "sub": "polydock"}
    caller.token = jwt.encode(claims, LEGACY_SECRET, algorithm="HS256")
    return caller


def test_a_project_shows_its_cluster_organization_and_limits(caller: Caller) -> None:
    caller.add_project(kubernetes=2, autoIdle=0, branches="^main$")

    found = caller.ask(
        '{ projectByName(name: "trial-1") { autoIdle branches pullrequests availability '
        "developmentEnvironmentsLimit productionBuildPriority developmentBuildPriority "
        "deploymentsDisabled standbyProductionEnvironment kubernetes { name cloudRegion disabled } "
        "openshift { id } organizationDetails { name } } }"
    )

    assert found == {
        "autoIdle": 0,
        "branches": "^main$",
        "pullrequests": "true",
        "availability": "STANDARD",
        "developmentEnvironmentsLimit": 5,
        "productionBuildPriority": 6,
        "developmentBuildPriority": 5,
        "deploymentsDisabled": 0,
        "standbyProductionEnvironment": None,
        "kubernetes": {"name": "us-1", "cloudRegion": "us-east-1", "disabled": False},
        "openshift": {"id": 2},
        "organizationDetails": {"name": "polydock-trials"},
    }


def test_a_build_shows_who_asked_for_it_and_where_to_look(caller: Caller) -> None:
    caller.deployed()

    build = caller.ask(
        '{ projectByName(name: "trial-1") { environments { environmentType deployType '
        "deployments(limit: 1) { priority sourceType sourceUser buildType buildStep buildLog "
        "uiLink remoteId environment { name project { name } } } } } }"
    )["environments"][0]["deployments"][0]

    assert (build["priority"], build["sourceType"]) == (6, "API")
    assert build["sourceUser"] == "polydock@example.com"
    assert build["buildType"] == "build"
    assert build["environment"] == {"name": "main", "project": {"name": "trial-1"}}
    assert "complete" in build["buildLog"]
    assert "/projects/trial-1/trial-1-main/deployments/" in build["uiLink"]
    by_remote = "query($id: String) { deploymentByRemoteId(id: $id) { status } }"
    assert caller.ask(by_remote, id=build["remoteId"]) == {"status": "complete"}
    assert caller.ask(by_remote, id="no-such") is None


def test_times_are_utc_without_a_zone(caller: Caller) -> None:
    caller.add_project()

    found = caller.ask('{ projectByName(name: "trial-1") { created } }')

    assert found == {"created": caller.clock().strftime("%Y-%m-%d %H:%M:%S")}


def test_projects_are_listed_by_name_url_or_age(caller: Caller) -> None:
    caller.clock.move(10)
    caller.add_project("a-trial", gitUrl="https://git.example.com/other.git")
    query = "query($u: String, $o: ProjectOrderType, $c: String) "
    query += "{ allProjects(gitUrl: $u, order: $o, createdAfter: $c) { name } }"

    def names(**arguments: str) -> list[str]:
        return [project["name"] for project in caller.ask(query, **arguments)]

    assert names(o="NAME") == ["a-trial", "house-website", "partner-website"]
    assert names(u="https://git.example.com/other.git") == ["a-trial"]
    assert names(c=caller.clock().strftime("%Y-%m-%d %H:%M:%S")) == ["a-trial"]


def test_builds_are_filtered_by_kind_of_environment_and_cluster(caller: Caller) -> None:
    caller.add_project(kubernetes=2)
    caller.deploy(branch="feature")
    query = "query($t: EnvType, $o: [Int], $n: Int) "
    query += "{ deploymentsByFilter(environmentType: $t, openshifts: $o, limit: $n) { id } }"

    assert len(caller.ask(query, t="DEVELOPMENT")) == 1
    assert caller.ask(query, t="PRODUCTION") == []
    assert len(caller.ask(query, o=[2], n=1)) == 1
    assert caller.ask(query, o=[1]) == []


def test_variables_of_an_environment_are_its_own_and_go_with_it(caller: Caller) -> None:
    caller.deployed()
    given = {"project": "trial-1", "environment": "main", "name": "A", "value": "1"}
    caller.ask(SET_VARIABLE, input={**given, "scope": "RUNTIME"})
    query = (
        "query($e: String) { getEnvVariablesByProjectEnvironmentName("
        'input: {project: "trial-1", environment: $e}) { name value scope } }'
    )

    assert caller.ask(query, e="main") == [{"name": "A", "value": "1", "scope": "runtime"}]
    assert caller.ask(query) == []
    assert "Cannot read properties" in caller.refusal(query, e="no-such")


def test_an_organization_lists_its_environments_and_variables(caller: Caller) -> None:
    caller.ask(SET_VARIABLE, input={"organization": "polydock-trials", "name": "A", "value": "1"})

    found = caller.ask(
        "{ organizationById(id: 1) { environments { name } envVariables { name } quotaGroup } }"
    )

    assert found == {
        "environments": [{"name": "main"}],
        "envVariables": [{"name": "A"}],
        "quotaGroup": -1,
    }


def test_a_group_lists_its_projects(caller: Caller) -> None:
    caller.add_project()

    found = caller.ask('{ groupByName(name: "project-trial-1") { type projects { name } } }')

    assert found == {"type": "project-default-group", "projects": [{"name": "trial-1"}]}


def test_a_stranger_to_the_organization_sees_nothing_of_it(caller: Caller) -> None:
    caller.change(organization_role=None)

    assert caller.ask("{ allProjects { name } }") == []
    assert caller.refusal('{ projectByName(name: "house-website") { id } }') == (
        'Unauthorized: You don\'t have permission to "view" on "project"'
    )
    assert "permission" in caller.refusal("{ environmentById(id: 1) { id } }")
    assert caller.ask("{ deploymentsByFilter(deploymentStatus: [COMPLETE]) { id } }") == []


def test_an_admin_passes_every_check_and_gets_null_for_what_is_not_there(admin: Caller) -> None:
    assert admin.ask(ADD_PROJECT, input=project_input("free", organization=None)) is not None
    assert admin.ask("{ organizationById(id: 99) { id } }") is None
    assert admin.ask('{ groupByName(name: "project-free") { name } }') == {"name": "project-free"}
    set_metadata = "mutation($i: UpdateMetadataInput!) { updateProjectMetadata(input: $i) { id } }"
    assert admin.refusal(set_metadata, i={"id": 99, "patch": {"key": "a", "value": "1"}}) == (
        "Cannot read properties of undefined (reading 'id')"
    )
    assert admin.refusal(
        ADD_PROJECT, input=project_input("x", kubernetes=99, organization=None)
    ) == ('Openshift ID: "99" does not exist"')


def test_an_environment_is_found_by_its_namespace(caller: Caller) -> None:
    query = (
        '{ environmentByKubernetesNamespaceName(kubernetesNamespaceName: "house-website-main") '
        "{ openshiftProjectName deployTitle } }"
    )

    assert caller.ask(query) == {"openshiftProjectName": "house-website-main", "deployTitle": None}
