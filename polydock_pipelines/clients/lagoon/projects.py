"""Projects of Lagoon, their groups, variables and metadata."""

import re
from collections.abc import Collection, Mapping, Sequence

from gql import gql
from pydantic import BaseModel, Field, JsonValue, ValidationError

from polydock_pipelines.clients.lagoon.documents import Aliased, Operation
from polydock_pipelines.clients.lagoon.errors import (
    LagoonAlreadyExistsError,
    LagoonDeniedError,
    LagoonError,
    LagoonNotFoundError,
    LagoonRefusedError,
)
from polydock_pipelines.clients.lagoon.faults import HIDDEN, MISSING_ROW, PERMISSION, Rule
from polydock_pipelines.clients.lagoon.transport import Transport
from polydock_pipelines.lifecycle.instance import EnvVariable
from polydock_pipelines.ports import NewProject, Project

_NO_PROJECT = Rule(
    HIDDEN,
    LagoonNotFoundError,
    "The project does not exist, or the user of our Lagoon token may not see it.",
)
_LOCKED_VARIABLES = Rule(
    r"^Modifying project variables is disabled",
    LagoonRefusedError,
    "Lift the restriction on variables of this project in Lagoon.",
)


class _ProjectNode(BaseModel):
    id: int
    name: str
    organization: int | None = None
    git_url: str | None = Field(default=None, alias="gitUrl")
    metadata: dict[str, JsonValue] | None = None
    public_key: str | None = Field(default=None, alias="publicKey")


class ProjectsClient:
    """`ports.LagoonProjects` over a transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def project_by_name(self, name: str) -> Project | None:
        """Return the project, or None when there is none of that name.

        LagoonRefusedError when it exists and is hidden from us: that must not pass for "gone".
        """
        what = f"projectByName {name}"
        node = self._transport.field(PROJECT_BY_NAME, "projectByName", {"name": name}, what=what)
        return None if node is None else _project(node, what)

    def add_project(self, new: NewProject) -> Project:
        """Create a project for one branch; the calling user becomes its Owner.

        LagoonAlreadyExistsError, LagoonRefusedError (quota, permission, name, URL, key).
        """
        what = f"addProject {new.name}"
        values = {"input": _add_project_input(new)}
        return _project(self._transport.field(ADD_PROJECT, "addProject", values, what=what), what)

    def add_groups_to_project(self, project: str, groups: Sequence[str]) -> None:
        """Give *groups* access. A bare `Unauthorized` here means that the project is missing."""
        if not groups:
            return
        values = {"project": project, "groups": [{"name": group} for group in groups]}
        what = f"addGroupsToProject {project} ({', '.join(groups)})"
        self._transport.execute(ADD_GROUPS_TO_PROJECT, values, what=what)

    def set_variables(self, project: str, variables: Sequence[EnvVariable]) -> None:
        """Create or update variables, many in a request; after an error some may be set.

        Lagoon answers null without an error when a value is written twice within a second.
        """
        items = [
            {
                "project": project,
                "name": variable.name,
                "value": variable.value,
                "scope": variable.scope.value,
            }
            for variable in variables
        ]
        self._transport.each(
            ADD_OR_UPDATE_ENV_VARIABLE_BY_NAME, items, f"variables of {project}", "name"
        )

    def delete_variables(self, project: str, names: Collection[str]) -> None:
        """Delete variables; Lagoon says `success` for missing ones too."""
        items = [{"project": project, "name": name} for name in sorted(names)]
        self._transport.each(
            DELETE_ENV_VARIABLE_BY_NAME, items, f"removal of variables of {project}", "name"
        )

    def update_project_metadata(self, project_id: int, metadata: Mapping[str, str]) -> None:
        """Set metadata keys; empty values are left out, Lagoon refuses them.

        A missing project is LagoonNotFoundError for a platform admin; Lagoon tells other users
        that they lack permission, which is LagoonRefusedError.
        """
        items = [
            {"id": project_id, "key": key, "value": value}
            for key, value in metadata.items()
            if value
        ]
        self._transport.each(
            UPDATE_PROJECT_METADATA, items, f"metadata of project {project_id}", "key"
        )

    def delete_project(self, name: str) -> None:
        """Delete a project without environments; LagoonNotFoundError when it is gone."""
        what = f"deleteProject {name}"
        values = {"project": name}
        if self._transport.field(DELETE_PROJECT, "deleteProject", values, what=what) != "success":
            raise LagoonError(f"Lagoon answered {what} with something other than success.")


def _add_project_input(new: NewProject) -> dict[str, object]:
    """Return AddProjectInput for a project that builds its one branch, and no pull requests."""
    fields: dict[str, object] = {
        "name": new.name,
        "gitUrl": new.git_url,
        "kubernetes": new.deploy_target_id,
        "organization": new.organization_id,
        # Without it we could create the project, but neither set variables nor deploy.
        "addOrgOwner": True,
        "productionEnvironment": new.production_environment,
        "branches": f"^{re.escape(new.branch)}$",
        "pullrequests": "false",
        "autoIdle": new.auto_idle,
    }
    if new.private_key is not None:
        fields["privateKey"] = new.private_key
    return fields


def _project(value: JsonValue, what: str) -> Project:
    try:
        node = _ProjectNode.model_validate(value)
    except ValidationError:
        raise LagoonError(f"Lagoon answered {what} without a project that we understand.") from None
    return Project(
        id=node.id,
        name=node.name,
        organization_id=node.organization,
        git_url=node.git_url or "",
        metadata={key: str(text) for key, text in (node.metadata or {}).items()},
        public_key=" ".join(node.public_key.split()[:2]) if node.public_key else None,
    )


PROJECT_BY_NAME = Operation(
    gql("""
    query ProjectByName($name: String!) {
      projectByName(name: $name) { id name organization gitUrl metadata publicKey }
    }
    """),
    rules=(
        Rule(
            f"{PERMISSION}|{HIDDEN}",
            LagoonDeniedError,
            "A project of that name exists, but the user of our Lagoon token may not see it.",
        ),
    ),
    may_miss=frozenset({"projectByName.publicKey"}),
    is_safe_twice=True,
)

ADD_PROJECT = Operation(
    gql("""
    mutation AddProject($input: AddProjectInput!) {
      addProject(input: $input) { id name organization gitUrl metadata publicKey }
    }
    """),
    rules=(
        Rule(r"Project already exists", LagoonAlreadyExistsError),
        Rule(
            r"exceed this organizations project quota",
            LagoonRefusedError,
            "Raise quotaProject of the organization in Lagoon, or purge removed trials.",
        ),
        Rule(
            r"deploytarget is not valid|^Openshift ID:|Must provide kubernetes",
            LagoonRefusedError,
            "Correct the store's deploy target id, or add it to the organization in Lagoon.",
        ),
        Rule(
            r"project name must be provided|^Only lowercase|^Multiple consecutive dashes",
            LagoonRefusedError,
            "Correct the name prefix of the store app.",
        ),
        Rule(r"gitUrl is invalid", LagoonRefusedError, "Correct the store app's git URL."),
        Rule(r"error with the privateKey", LagoonRefusedError, "Correct the store's deploy key."),
        Rule(
            r"restricted to organizations only",
            LagoonRefusedError,
            "Set the store's Lagoon organization id.",
        ),
        Rule(
            f'{HIDDEN}|{PERMISSION} to "addProject"',
            LagoonDeniedError,
            "Check the store's organization id, and make the user of our Lagoon token owner or "
            "admin of that organization.",
        ),
    ),
    # The project stands by then; failing would only lose its id.
    may_miss=frozenset({"addProject.publicKey", "addProject.metadata", "addProject.gitUrl"}),
)

ADD_GROUPS_TO_PROJECT = Operation(
    gql("""
    mutation AddGroupsToProject($project: String!, $groups: [GroupInput!]!) {
      addGroupsToProject(input: {project: {name: $project}, groups: $groups}) { id }
    }
    """),
    rules=(
        _NO_PROJECT,
        Rule(
            r"^Group not found",
            LagoonNotFoundError,
            "Create the group in the organization, or correct the store's group name.",
        ),
        Rule(
            r"^Group must be in same organization",
            LagoonRefusedError,
            "Move the group to the store's organization, or correct the store's group name.",
        ),
    ),
    is_safe_twice=True,
)

ADD_OR_UPDATE_ENV_VARIABLE_BY_NAME = Aliased(
    "mutation",
    """addOrUpdateEnvVariableByName(
      input: {project: $project, name: $name, value: $value, scope: $scope}
    ) { id }""",
    {"project": "String!", "name": "String!", "value": "String!", "scope": "EnvVariableScope!"},
    rules=(
        _NO_PROJECT,
        _LOCKED_VARIABLES,
        Rule(
            r"^A variable name must be provided",
            LagoonRefusedError,
            "Name the variable in the catalogue.",
        ),
    ),
    is_safe_twice=True,
)

DELETE_ENV_VARIABLE_BY_NAME = Aliased(
    "mutation",
    "deleteEnvVariableByName(input: {project: $project, name: $name})",
    {"project": "String!", "name": "String!"},
    rules=(_NO_PROJECT, _LOCKED_VARIABLES),
    is_safe_twice=True,
)

UPDATE_PROJECT_METADATA = Aliased(
    "mutation",
    "updateProjectMetadata(input: {id: $id, patch: {key: $key, value: $value}}) { id }",
    {"id": "Int!", "key": "String!", "value": "String!"},
    rules=(
        Rule(MISSING_ROW, LagoonNotFoundError, "There is no project of that id."),
        Rule(
            PERMISSION,
            LagoonDeniedError,
            "The project does not exist, or our token's user is not at least its Maintainer.",
        ),
        Rule(
            r"^Only lowercase|expects both key and value",
            LagoonRefusedError,
            "Keys are made of lower-case letters, digits and dashes.",
        ),
    ),
    is_safe_twice=True,
)

DELETE_PROJECT = Operation(
    gql("""
    mutation DeleteProject($project: String!) {
      deleteProject(input: {project: $project})
    }
    """),
    rules=(
        Rule(r"^Not found\b", LagoonNotFoundError),
        Rule(
            r"existing environments that need to be removed",
            LagoonError,
            "Environments still stand; Lagoon removes them after it was asked to.",
        ),
    ),
)
