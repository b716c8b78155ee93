"""Builds and removals as the cluster works them off."""

import base64
import json

import pytest

from tests.integration.simulator.caller import (
    BULK,
    DELETE_ENVIRONMENT,
    DEPLOY,
    SET_VARIABLE,
    Caller,
    Json,
)

LATEST = (
    "mutation($input: DeployEnvironmentLatestInput!) { deployEnvironmentLatest(input: $input) }"
)
BULK_DEPLOY = (
    "mutation($input: BulkDeploymentLatestInput!) { bulkDeployEnvironmentLatest(input: $input) }"
)
CANCEL = "mutation($input: CancelDeploymentInput!) { cancelDeployment(input: $input) }"
GONE = {"name": "main", "project": "trial-1"}


def _statuses(caller: Caller, project: int) -> list[str]:
    return [build["status"] for build in caller.environment(project)["deployments"]]


def _routes_json(*domains: str) -> str:
    routes = [{"domain": domain, "service": "nginx"} for domain in domains]
    return base64.b64encode(json.dumps({"routes": routes}).encode()).decode()


def _refused(caller: Caller, **given: object) -> str:
    return caller.refusal(
        DEPLOY, input={"project": {"name": "trial-1"}, "branchName": "main", **given}
    )


def test_a_build_moves_from_new_to_complete(caller: Caller) -> None:
    project = caller.add_project()
    name = caller.deploy(bulkId="bulk-1")
    assert str(name).startswith("lagoon-build-")

    seen: list[str] = []
    for _ in range(12):
        seen.append(caller.ask(BULK, id="bulk-1")[0]["status"])
        caller.clock.move(1)

    assert list(dict.fromkeys(seen)) == ["new", "pending", "running", "complete"]
    assert caller.environment(project)["deployments"][0]["name"] == name


def test_the_environment_is_there_when_the_deployment_is_asked_for(caller: Caller) -> None:
    project = caller.add_project()
    caller.deploy()

    found = caller.environment(project)

    assert found["deleted"] == "0000-00-00 00:00:00"
    assert (found["route"], found["routes"]) == (None, None)


def test_the_routes_are_written_just_after_the_final_status(caller: Caller) -> None:
    project = caller.add_project()
    caller.deploy()

    caller.clock.move(10.1)
    early = caller.environment(project)
    caller.clock.move(0.3)
    late = caller.environment(project)

    assert (early["deployments"][0]["status"], early["route"]) == ("complete", None)
    assert late["route"] == "https://nginx.main.trial-1.eu-1.lagoon.example"
    assert late["routes"] == (
        "https://nginx.main.trial-1.eu-1.lagoon.example,"
        "https://frontend.main.trial-1.eu-1.lagoon.example"
    )


def test_routes_in_a_variable_are_added(caller: Caller) -> None:
    project = caller.add_project()
    given = {"project": "trial-1", "name": "LAGOON_ROUTES_JSON", "scope": "BUILD"}
    caller.ask(SET_VARIABLE, input={**given, "value": _routes_json("trial.example.com")})
    caller.deploy()
    caller.clock.move(30)

    assert caller.environment(project)["routes"].endswith(",https://trial.example.com")


@pytest.mark.parametrize("value", ["not base64!", base64.b64encode(b"{").decode()])
def test_routes_that_do_not_decode_fail_the_build_and_not_the_mutation(
    caller: Caller, value: str
) -> None:
    project = caller.add_project()
    given = {"project": "trial-1", "name": "LAGOON_ROUTES_JSON", "scope": "BUILD"}
    assert caller.ask(SET_VARIABLE, input={**given, "value": value}) is not None
    caller.deploy()
    caller.clock.move(30)

    assert _statuses(caller, project) == ["failed"]
    assert caller.environment(project)["route"] is None


def test_each_call_queues_one_more_build_and_one_runs_at_a_time(caller: Caller) -> None:
    project = caller.add_project()
    caller.deploy()
    caller.clock.move(2)
    caller.deploy()
    caller.clock.move(2)
    assert _statuses(caller, project) == ["queued", "running"]

    caller.clock.move(7)
    assert _statuses(caller, project) == ["pending", "complete"]

    caller.clock.move(10)
    assert _statuses(caller, project) == ["complete", "complete"]


def test_two_deployments_of_one_environment_within_a_second_fail(caller: Caller) -> None:
    caller.add_project()
    caller.deploy()

    assert _refused(caller).startswith(
        "Error deploying main: unable to create deploy task: "
        "error creating or getting environment: "
    )
    caller.clock.move(1)
    assert caller.deploy()


def test_without_return_data_a_deployment_answers_success(caller: Caller) -> None:
    caller.add_project()

    assert caller.deploy(returnData=False) == "success"


def test_a_deployment_of_variables_only_has_another_name(caller: Caller) -> None:
    caller.add_project()
    only = [{"name": "LAGOON_VARIABLES_ONLY", "value": "true"}]

    assert str(caller.deploy(buildVariables=only)).startswith("lagoon-variables-")


def test_a_deployment_of_no_project_is_unauthorized(caller: Caller) -> None:
    assert _refused(caller) == "Unauthorized"


@pytest.mark.parametrize(
    ("project", "branch", "reason"),
    [
        ({"deploymentsDisabled": 1}, "main", "Deployments have been disabled for this project"),
        (
            {"branches": "false"},
            "main",
            "Error deploying main: unable to create deploy task: "
            "deployments disabled for project branches",
        ),
        (
            {"branches": "^main$"},
            "other",
            "Error deploying other: unable to create deploy task: "
            "didn't match regex pattern for project",
        ),
        (
            {"developmentEnvironmentsLimit": 0},
            "other",
            "Error deploying other: unable to create deploy task: exceed development limit",
        ),
    ],
)
def test_a_deployment_is_refused_in_lagoons_words(
    caller: Caller, project: Json, branch: str, reason: str
) -> None:
    caller.add_project(**project)

    assert _refused(caller, branchName=branch) == reason


def test_the_latest_may_not_carry_a_bulk_id_of_a_users(caller: Caller) -> None:
    caller.deployed()
    given = {"environment": {"name": "main", "project": {"name": "trial-1"}}}

    assert caller.refusal(LATEST, input={**given, "bulkId": "b"}) == (
        "Unauthorized to set bulkId, platform-admin only"
    )
    assert caller.ask(LATEST, input=given) == "success"


def test_the_latest_of_an_environment_that_is_not_there_is_unauthorized(caller: Caller) -> None:
    caller.add_project()
    given = {"environment": {"name": "main", "project": {"name": "trial-1"}}}

    assert caller.refusal(LATEST, input=given) == "Unauthorized"


def test_the_list_of_a_bulk_deployment_is_empty_at_first(caller: Caller) -> None:
    caller.deployed()
    environments = [{"environment": {"name": "main", "project": {"name": "trial-1"}}}]

    bulk_id = caller.ask(BULK_DEPLOY, input={"environments": environments, "name": "nightly"})

    assert caller.ask(BULK, id=bulk_id) == []
    caller.clock.move(1)
    assert [build["status"] for build in caller.ask(BULK, id=bulk_id)] == ["new"]


def test_a_bulk_deployment_needs_environments_that_exist(caller: Caller) -> None:
    missing = [{"environment": {"name": "main", "project": {"name": "no-such"}}}]

    assert (
        caller.refusal(BULK_DEPLOY, input={"environments": []}) == "You must provide environments"
    )
    assert caller.refusal(BULK_DEPLOY, input={"environments": missing}) == "Unauthorized"


def test_a_cancelled_build_ends_a_moment_later_and_stays_so(caller: Caller) -> None:
    project = caller.add_project()
    caller.deploy()
    caller.clock.move(4)
    build = caller.environment(project)["deployments"][0]

    assert caller.ask(CANCEL, input={"deployment": {"id": build["id"]}}) == "success"
    assert _statuses(caller, project) == ["running"]
    caller.clock.move(1)
    assert _statuses(caller, project) == ["cancelled"]
    caller.clock.move(30)
    assert _statuses(caller, project) == ["cancelled"]


@pytest.mark.parametrize(
    ("kind", "status"),
    [("build_failed", "failed"), ("build_cancelled", "cancelled"), ("build_hang", "running")],
)
def test_a_build_ends_as_the_fault_says(caller: Caller, kind: str, status: str) -> None:
    project = caller.add_project()
    caller.order("deployEnvironmentBranch", kind)
    caller.deploy()
    caller.clock.move(100)

    assert _statuses(caller, project) == [status]


def test_the_next_build_begins_when_a_failed_one_has_ended(caller: Caller) -> None:
    project = caller.add_project()
    caller.order("deployEnvironmentBranch", "build_failed")
    caller.deploy()
    caller.clock.move(1)
    caller.deploy()
    caller.clock.move(100)

    assert _statuses(caller, project) == ["complete", "failed"]


def test_running_builds_are_found_by_filter_and_ended_ones_when_asked_for(caller: Caller) -> None:
    caller.add_project()
    caller.deploy()
    query = (
        "query($s: [DeploymentStatusType]) { deploymentsByFilter(deploymentStatus: $s) { status } }"
    )

    assert caller.ask("{ deploymentsByFilter { status } }") == [{"status": "new"}]
    caller.clock.move(30)
    assert caller.ask("{ deploymentsByFilter { status } }") == []
    assert len(caller.ask(query, s=["COMPLETE"])) == 3


def test_a_single_build_is_an_error_when_it_is_not_there(caller: Caller) -> None:
    caller.add_project()
    name = caller.deploy()
    query = "query($i: DeploymentByNameInput) { deploymentByName(input: $i) { status } }"

    def given(**more: object) -> Json:
        return {"project": "trial-1", "environment": "main", "name": name, **more}

    assert caller.ask(query, i=given()) == {"status": "new"}
    assert caller.refusal(query, i=given(name="x")) == "No deployment found"
    assert caller.refusal(query, i=given(environment="x")) == "Unauthorized"
    assert caller.refusal(query, i=given(project="x")) == "Not found: 'x'"


def test_a_removed_environment_stays_listed_until_the_cluster_reports_back(
    caller: Caller,
) -> None:
    project = caller.deployed()

    assert caller.ask(DELETE_ENVIRONMENT, input=GONE) == "success"
    assert caller.environment(project, all_=False) is not None
    assert caller.ask(DELETE_ENVIRONMENT, input=GONE) == "success"
    caller.clock.move(5)
    assert caller.environment(project, all_=False) is None
    assert caller.refusal(DELETE_ENVIRONMENT, input=GONE) == (
        f'Environment "main" does not exist in project "{project}"'
    )


def test_an_environment_of_no_project_is_not_found(caller: Caller) -> None:
    assert caller.refusal(DELETE_ENVIRONMENT, input=GONE) == "Not found: 'trial-1'"


def test_a_removed_environment_is_returned_unless_it_is_asked_not_to_be(caller: Caller) -> None:
    project = caller.deployed()
    caller.ask(DELETE_ENVIRONMENT, input=GONE)
    caller.clock.move(5)

    found = caller.environment(project)

    assert found["deleted"] == caller.clock().strftime("%Y-%m-%d %H:%M:%S")
    assert caller.environment(project, all_=False) is None
    by_id = caller.ask("query($id: Int!) { environmentById(id: $id) { name } }", id=found["id"])
    assert by_id == {"name": "main"}
    listed = caller.ask('{ projectByName(name: "trial-1") { environments { id } } }')
    assert listed == {"environments": []}


def test_a_branch_that_is_deployed_again_gets_a_new_id(caller: Caller) -> None:
    project = caller.deployed()
    before = caller.environment(project)
    caller.ask(DELETE_ENVIRONMENT, input=GONE)
    caller.clock.move(5)

    caller.deploy()

    after = caller.environment(project)
    assert after["id"] != before["id"]
    assert after["deleted"] == "0000-00-00 00:00:00"


def test_builds_go_with_their_environment(caller: Caller) -> None:
    project = caller.add_project()
    caller.deploy(bulkId="bulk-1")
    caller.clock.move(30)
    caller.ask(DELETE_ENVIRONMENT, input=GONE)
    caller.clock.move(5)

    assert caller.ask(BULK, id="bulk-1") == []
    assert caller.environment(project)["deployments"] == []


def test_a_namespace_is_cut_in_the_part_of_the_environment(caller: Caller) -> None:
    caller.add_project("a" * 40)
    caller.deploy("a" * 40, branch="feature/" + "B" * 30)

    found = caller.state("projects")[-1]["environments"][0]["namespace"]

    assert found.startswith(f"{'a' * 40}-feature-bbbbb-")
    assert len(found) == 59


def test_variables_that_changed_since_the_deployment_are_pending(caller: Caller) -> None:
    caller.deployed()
    caller.ask(SET_VARIABLE, input={"project": "trial-1", "name": "NEW", "value": "1"})

    found = caller.ask(
        '{ projectByName(name: "trial-1") { environments { pendingChanges { details } } } }'
    )

    assert found == {"environments": [{"pendingChanges": [{"details": "NEW"}]}]}


def test_the_command_host_differs_from_the_token_host_unless_told_otherwise(
    caller: Caller,
) -> None:
    caller.deployed()
    query = '{ projectByName(name: "trial-1") { environments { kubernetes { sshHost sshPort } } } }'

    apart = caller.ask(query)["environments"][0]["kubernetes"]
    caller.change(separate_command_host=False)
    together = caller.ask(query)["environments"][0]["kubernetes"]

    assert apart["sshHost"] == "127.0.0.1"
    assert apart["sshPort"].isdigit()
    assert together == {"sshHost": "", "sshPort": ""}


def test_an_environment_that_may_be_entered_is_told_by_its_namespace(caller: Caller) -> None:
    caller.deployed()
    query = "query($n: String) { userCanSshToEnvironment(kubernetesNamespaceName: $n) { name } }"

    assert caller.ask(query, n="trial-1-main") == {"name": "main"}
    assert caller.ask(query, n="house-website-main") is None
