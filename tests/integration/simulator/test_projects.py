"""Projects, groups, variables and metadata, and who may change them."""

import asyncssh
import pytest

from tests.integration.simulator.caller import (
    ADD_PROJECT,
    DELETE_ENVIRONMENT,
    DELETE_PROJECT,
    DEPLOY,
    SET_VARIABLE,
    Caller,
    project_input,
)

SET_METADATA = (
    "mutation($input: UpdateMetadataInput!) { updateProjectMetadata(input: $input) { metadata } }"
)
ADD_GROUPS = (
    "mutation($input: ProjectGroupsInput) { addGroupsToProject(input: $input) { groups { name } } }"
)
DELETE_VARIABLE = (
    "mutation($input: DeleteEnvVariableByNameInput!) { deleteEnvVariableByName(input: $input) }"
)


def _denied(scope: str, resource: str) -> str:
    return f'Unauthorized: You don\'t have permission to "{scope}" on "{resource}"'


def _set(caller: Caller, **given: object) -> object:
    return caller.ask(
        SET_VARIABLE, input={"project": "trial-1", "name": "A", "value": "1", **given}
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"organization": 99}, _denied("addProject", "organization")),
        ({"kubernetes": 99}, "The provided deploytarget is not valid for this organization"),
        ({"name": ""}, "A project name must be provided!"),
        ({"name": "A_b"}, "Only lowercase characters, numbers and dashes allowed for name!"),
        ({"name": "a--b"}, "Multiple consecutive dashes are not allowed for name!"),
        ({"gitUrl": "nothing"}, "The provided gitUrl is invalid."),
        ({"kubernetes": None}, "Must provide kubernetes or openshift field"),
        (
            {"name": "house-website"},
            "Error creating project 'house-website'. Project already exists.",
        ),
        ({"organization": None}, "Project creation is restricted to organizations only"),
    ],
)
def test_a_project_is_refused_in_lagoons_words(
    caller: Caller, given: dict[str, object], message: str
) -> None:
    assert caller.refusal(ADD_PROJECT, input={**project_input("trial-1"), **given}) == message


def test_the_organization_is_checked_before_the_name_and_the_name_before_the_url(
    caller: Caller,
) -> None:
    wrong = {**project_input("A B"), "gitUrl": "nothing"}

    assert "addProject" in caller.refusal(ADD_PROJECT, input={**wrong, "organization": 99})
    assert "lowercase" in caller.refusal(ADD_PROJECT, input=wrong)


def test_a_name_that_is_too_long_shows_the_statement_with_its_values(caller: Caller) -> None:
    message = caller.refusal(ADD_PROJECT, input=project_input("a" * 101))

    assert "Data too long for column 'name'" in message
    assert "https://git.example.com/app.git" in message


def test_the_same_project_cannot_be_added_twice(caller: Caller) -> None:
    caller.add_project()

    message = caller.refusal(ADD_PROJECT, input=project_input("trial-1"))

    assert message == "Error creating project 'trial-1'. Project already exists."


def test_the_name_of_a_project_is_found_in_any_case(caller: Caller) -> None:
    caller.add_project()

    assert caller.ask('{ projectByName(name: "TRIAL-1") { name } }') == {"name": "trial-1"}


def test_a_project_that_is_not_there_is_null(caller: Caller) -> None:
    assert caller.ask('{ projectByName(name: "no-such") { name } }') is None


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "ssh-rsa"])
def test_the_public_key_belongs_to_the_private_key(caller: Caller, algorithm: str) -> None:
    key = asyncssh.generate_private_key(algorithm)
    private = key.export_private_key("openssh").decode()

    made = caller.ask(ADD_PROJECT, input=project_input("trial-1", privateKey=private))

    assert made["publicKey"].split() == key.export_public_key().decode().split()[:2]


def test_without_a_private_key_one_is_made(caller: Caller) -> None:
    caller.add_project()

    found = caller.ask('{ projectByName(name: "trial-1") { publicKey privateKey } }')

    assert found["publicKey"].startswith("ssh-ed25519 ")
    assert "OPENSSH PRIVATE" in found["privateKey"].splitlines()[0]


def test_an_unusable_private_key_is_refused(caller: Caller) -> None:
    message = caller.refusal(ADD_PROJECT, input=project_input("trial-1", privateKey="nonsense"))

    assert message.startswith("There was an error with the privateKey: ")


def test_an_owner_of_the_organization_alone_may_neither_configure_nor_deploy(
    caller: Caller,
) -> None:
    project = caller.add_project(addOrgOwner=False)
    variable = {"project": "trial-1", "name": "A", "value": "1"}
    metadata = {"id": project, "patch": {"key": "a", "value": "1"}}
    deploy = {"project": {"name": "trial-1"}, "branchName": "main"}

    assert caller.refusal(SET_VARIABLE, input=variable) == _denied("project:add", "env_var")
    assert caller.refusal(SET_METADATA, input=metadata) == _denied("update", "project")
    assert caller.refusal(DEPLOY, input=deploy) == _denied("deploy:production", "environment")
    branch = {**deploy, "branchName": "other"}
    assert caller.refusal(DEPLOY, input=branch) == _denied("deploy:development", "environment")


def test_a_linked_group_gives_the_rights_and_may_be_linked_twice(caller: Caller) -> None:
    caller.add_project(addOrgOwner=False)
    given = {"project": {"name": "trial-1"}, "groups": {"name": "polydock-operators"}}

    caller.ask(ADD_GROUPS, input=given)
    linked = caller.ask(ADD_GROUPS, input=given)

    assert [group["name"] for group in linked["groups"]] == [
        "project-trial-1",
        "polydock-operators",
    ]
    assert _set(caller) is not None


@pytest.mark.parametrize(
    ("project", "group", "message"),
    [
        ("no-such", "polydock-operators", "Unauthorized"),
        ("trial-1", "no-such", "Group not found: no-such"),
        ("trial-1", "polydock-partners", "Group must be in same organization as the project"),
    ],
)
def test_a_group_that_does_not_fit_is_refused(
    caller: Caller, project: str, group: str, message: str
) -> None:
    caller.add_project()
    given = {"project": {"name": project}, "groups": [{"name": group}]}

    assert caller.refusal(ADD_GROUPS, input=given) == message


def test_an_unlinked_group_takes_its_rights_along(caller: Caller) -> None:
    caller.add_project(addOrgOwner=False)
    given = {"project": {"name": "trial-1"}, "groups": [{"name": "polydock-operators"}]}
    caller.ask(ADD_GROUPS, input=given)

    caller.ask(
        "mutation($input: ProjectGroupsInput!) { removeGroupsFromProject(input: $input) { id } }",
        input=given,
    )

    wanted = {"project": "trial-1", "name": "A", "value": "1"}
    assert caller.refusal(SET_VARIABLE, input=wanted) == _denied("project:add", "env_var")


def test_a_maintainer_may_deploy_production_but_not_delete_it_nor_read_the_key(
    caller: Caller,
) -> None:
    caller.change(group_role="MAINTAINER")
    caller.add_project(addOrgOwner=False)
    given = {"project": {"name": "trial-1"}, "groups": {"name": "polydock-operators"}}
    caller.ask(ADD_GROUPS, input=given)
    caller.deploy()

    gone = {"name": "main", "project": "trial-1"}
    assert caller.refusal(DELETE_ENVIRONMENT, input=gone) == (
        _denied("delete:production", "environment")
    )
    assert caller.ask('{ projectByName(name: "trial-1") { privateKey } }') == {"privateKey": None}


def test_a_nested_field_that_is_not_permitted_is_null_beside_an_error_with_its_path(
    caller: Caller,
) -> None:
    caller.add_project(addOrgOwner=False)

    answer = caller.send('{ p: projectByName(name: "trial-1") { name envVariables { value } } }')

    assert answer.status_code == 200
    assert answer.json()["data"] == {"p": {"name": "trial-1", "envVariables": None}}
    assert answer.json()["errors"][0]["path"] == ["p", "envVariables"]
    assert answer.json()["errors"][0]["message"] == _denied("project:viewValue", "env_var")


def test_the_same_value_again_within_a_second_answers_null_without_errors(caller: Caller) -> None:
    caller.add_project()

    first = _set(caller)
    assert first == {"id": 1, "name": "A", "value": "1", "scope": "global", "updated": None}
    assert _set(caller) is None

    caller.clock.move(1)
    assert _set(caller) == first
    assert _set(caller, value="2") is not None


def test_a_variable_is_set_anew_with_its_scope(caller: Caller) -> None:
    caller.add_project()
    _set(caller, scope="BUILD")

    _set(caller, name=" A ", value="", scope="RUNTIME")

    found = caller.ask('{ projectByName(name: "trial-1") { envVariables { name value scope } } }')
    assert found["envVariables"] == [{"name": "A", "value": "", "scope": "runtime"}]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"project": "no-such"}, "Unauthorized"),
        ({"name": "  "}, "A variable name must be provided."),
        ({"organization": "polydock-trials"}, "Error determining type. Submit an organization"),
        ({"environment": "main"}, "Cannot read properties of undefined"),
        ({"project": None, "organization": "no-such"}, "Cannot read properties of undefined"),
        ({"scope": "INTERNAL_CONTAINER_REGISTRY"}, 'Variable scope "internal_container_registry"'),
        ({"value": "secret" + "x" * 65_535}, "(conn:85, no: 1406, SQLState: 22001) Data too long"),
    ],
)
def test_a_variable_that_does_not_fit_is_refused(
    caller: Caller, given: dict[str, object], message: str
) -> None:
    caller.add_project()
    wanted = {"project": "trial-1", "name": "A", "value": "1", **given}

    assert caller.refusal(SET_VARIABLE, input=wanted).startswith(message)


def test_a_database_error_leaks_the_value(caller: Caller) -> None:
    caller.add_project()
    wanted = {"project": "trial-1", "name": "A", "value": "hunter2" + "x" * 65_535}

    assert "hunter2" in caller.refusal(SET_VARIABLE, input=wanted)


def test_an_organizations_variable_is_addressed_by_its_name(caller: Caller) -> None:
    made = _set(caller, project=None, organization="polydock-trials")

    assert made is not None


def test_deleting_a_variable_is_a_success_there_or_not(caller: Caller) -> None:
    caller.add_project()
    _set(caller)
    given = {"project": "trial-1", "name": "A"}

    assert caller.ask(DELETE_VARIABLE, input=given) == "success"
    assert caller.ask(DELETE_VARIABLE, input=given) == "success"
    assert caller.refusal(DELETE_VARIABLE, input={**given, "project": "x"}) == "Unauthorized"
    assert caller.refusal(DELETE_VARIABLE, input={**given, "environment": "main"}) == (
        "environment main doesn't exist"
    )


def test_variables_are_read_back_by_name(caller: Caller) -> None:
    caller.add_project()
    _set(caller)

    found = caller.ask(
        '{ getEnvVariablesByProjectEnvironmentName(input: {project: "trial-1"}) { name value } }'
    )

    assert found == [{"name": "A", "value": "1"}]


def test_metadata_is_an_object_and_finds_projects(caller: Caller) -> None:
    project = caller.add_project()
    patch = {"key": "polydock-instance", "value": "7"}

    done = caller.ask(SET_METADATA, input={"id": project, "patch": patch})

    assert done == {"metadata": {"polydock-instance": "7"}}
    find = "query($m: [MetadataKeyValue]) { projectsByMetadata(metadata: $m) { name } }"
    assert caller.ask(find, m=[patch]) == [{"name": "trial-1"}]
    assert caller.ask(find, m=[{"key": "polydock-instance"}]) == [{"name": "trial-1"}]
    assert caller.ask(find, m=[{**patch, "value": "8"}]) == []


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"key": "a_b", "value": "1"}, "Only lowercase characters, numbers and dashes"),
        ({"key": "a", "value": ""}, "input.patch expects both key and value attributes"),
    ],
)
def test_metadata_that_does_not_fit_is_refused(
    caller: Caller, patch: dict[str, str], message: str
) -> None:
    given = {"id": caller.add_project(), "patch": patch}

    assert caller.refusal(SET_METADATA, input=given).startswith(message)


def test_metadata_of_no_project_is_a_missing_permission(caller: Caller) -> None:
    given = {"id": 999, "patch": {"key": "a", "value": "1"}}

    assert caller.refusal(SET_METADATA, input=given) == _denied("update", "project")


def test_removing_a_key_of_metadata_may_be_repeated(caller: Caller) -> None:
    project = caller.add_project()
    caller.ask(SET_METADATA, input={"id": project, "patch": {"key": "a", "value": "1"}})
    remove = (
        "mutation($input: RemoveMetadataInput!) "
        "{ removeProjectMetadataByKey(input: $input) { metadata } }"
    )

    for _ in range(2):
        assert caller.ask(remove, input={"id": project, "key": "a"}) == {"metadata": {}}


def test_a_project_is_not_deleted_while_an_environment_stands(caller: Caller) -> None:
    caller.deployed()
    gone = {"project": "trial-1"}
    standing = (
        "Unable to delete project, there are existing environments that need to be removed first"
    )

    assert caller.refusal(DELETE_PROJECT, input=gone) == standing
    caller.ask(DELETE_ENVIRONMENT, input={"name": "main", "project": "trial-1"})
    assert caller.refusal(DELETE_PROJECT, input=gone) == standing
    caller.clock.move(5)
    assert caller.ask(DELETE_PROJECT, input=gone) == "success"
    assert caller.refusal(DELETE_PROJECT, input=gone) == "Not found: 'trial-1'"


def test_organizations_show_quotas_targets_groups_and_what_is_in_them(caller: Caller) -> None:
    found = caller.ask(
        '{ organizationByName(name: "polydock-trials") { id quotaProject projects { name '
        "environments { name route } } deployTargets { id name } groups { name type } } }"
    )

    assert (found["id"], found["quotaProject"]) == (1, -1)
    assert [project["name"] for project in found["projects"]] == ["house-website"]
    assert found["deployTargets"] == [{"id": 1, "name": "eu-1"}, {"id": 2, "name": "us-1"}]
    assert found["groups"] == [{"name": "polydock-operators", "type": "null"}]
    assert caller.ask('{ organizationByName(name: "no-such") { id } }') is None
    assert caller.refusal("{ organizationById(id: 99) { id } }") == (
        _denied("view", "organization")
    )


def test_a_group_of_the_callers_is_found_and_no_other(caller: Caller) -> None:
    caller.add_project("foreign", addOrgOwner=False)

    assert caller.ask('{ groupByName(name: "polydock-operators") { name } }') is not None
    assert caller.refusal('{ groupByName(name: "project-foreign") { name } }') == (
        "Group not found: project-foreign"
    )


def test_the_caller_owns_the_organization_as_long_as_the_settings_say_so(caller: Caller) -> None:
    query = "{ organizationById(id: 1) { owners { email owner admin } } }"
    owner = {"email": "polydock@example.com", "owner": True, "admin": False}

    assert caller.ask(query) == {"owners": [owner]}
    caller.change(organization_role="GUEST")
    assert caller.ask(query) == {"owners": []}
    assert caller.refusal(ADD_PROJECT, input=project_input("trial-1")) == (
        _denied("addProject", "organization")
    )
