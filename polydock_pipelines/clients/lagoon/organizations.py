"""Organizations: their variables; and what `polydock doctor` asks of them, of Lagoon and of us."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gql import gql
from pydantic import BaseModel, Field, JsonValue, TypeAdapter, ValidationError

from polydock_pipelines.clients.lagoon.documents import Aliased, Operation
from polydock_pipelines.clients.lagoon.errors import (
    LagoonDeniedError,
    LagoonError,
    LagoonNotFoundError,
    LagoonRefusedError,
)
from polydock_pipelines.clients.lagoon.faults import HIDDEN, MISSING_ROW, PERMISSION, Rule
from polydock_pipelines.clients.lagoon.transport import Transport
from polydock_pipelines.lifecycle.instance import EnvVariable
from polydock_pipelines.ports import ProjectRef


@dataclass(frozen=True)
class User:
    """The user whose token we hold."""

    id: str
    email: str


@dataclass(frozen=True)
class Organization:
    """An organization's room for projects and environments; a quota of -1 means no limit."""

    id: int
    name: str
    quota_project: int
    quota_environment: int
    project_count: int
    environment_count: int
    deploy_target_ids: frozenset[int]
    group_names: frozenset[str]


class _Named(BaseModel):
    id: int | str | None = None
    name: str | None = None


class _Owner(BaseModel):
    id: str


class _UserNode(BaseModel):
    id: str
    email: str | None = None


class _OrganizationNode(BaseModel):
    id: int
    name: str
    quota_project: int | None = Field(default=None, alias="quotaProject")
    quota_environment: int | None = Field(default=None, alias="quotaEnvironment")
    projects: list[_Named] | None = None
    environments: list[_Named] | None = None
    deploy_targets: list[_Named] | None = Field(default=None, alias="deployTargets")
    groups: list[_Named] | None = None


class _ProjectNode(BaseModel):
    id: int
    name: str


class _ProjectsNode(BaseModel):
    """An organization with each of its projects in full: a gap must not pass for "not there"."""

    id: int
    projects: list[_ProjectNode]


class OrganizationsClient:
    """`ports.LagoonOrganizations`, and reads about ourselves and our organization."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def lagoon_version(self) -> str:
        """Return Lagoon's version; works with every kind of token."""
        what = "lagoonVersion"
        return str(self._transport.field(LAGOON_VERSION, what, {}, what=what) or "unknown")

    def me(self) -> User | None:
        """Return the calling user; None for a service token, which is nobody's."""
        node = self._transport.field(ME, "me", {}, what="me")
        if node is None:
            return None
        try:
            user = _UserNode.model_validate(node)
        except ValidationError:
            raise LagoonError("Lagoon answered me in a shape that we do not know.") from None
        return User(id=user.id, email=user.email or "")

    def organization_by_id(self, organization_id: int) -> Organization:
        """Return an organization; LagoonNotFoundError when it is missing or hidden from us."""
        what = f"organizationById {organization_id}"
        values = {"id": organization_id}
        node = self._transport.field(ORGANIZATION_BY_ID, "organizationById", values, what=what)
        if node is None:
            raise LagoonNotFoundError(f"There is no organization {organization_id} in Lagoon.")
        return _organization(node, what)

    def projects_of(self, organization_id: int) -> tuple[ProjectRef, ...]:
        """Return all projects of an organization, from one document without any error.

        LagoonNotFoundError for null, LagoonDeniedError for what is hidden; neither is an empty
        list, and neither is an answer in part.
        """
        what = f"the projects of organization {organization_id}"
        values = {"id": organization_id}
        node = self._transport.field(ORGANIZATION_PROJECTS, "organizationById", values, what=what)
        if node is None:
            raise LagoonNotFoundError(f"There is no organization {organization_id} in Lagoon.")
        try:
            found = _ProjectsNode.model_validate(node)
        except ValidationError:
            raise LagoonError(f"Lagoon answered {what} in a shape that we do not know.") from None
        if found.id != organization_id:
            raise LagoonError(f"Lagoon answered {what} with those of organization {found.id}.")
        return tuple(ProjectRef(project.id, project.name) for project in found.projects)

    def set_organization_variables(
        self, organization: str, variables: Sequence[EnvVariable]
    ) -> None:
        """Create or update variables of an organization, by its name."""
        items = [
            {
                "organization": organization,
                "name": variable.name,
                "value": variable.value,
                "scope": variable.scope.value,
            }
            for variable in variables
        ]
        self._transport.each(SET_VARIABLES, items, f"variables of {organization}", "name")

    def delete_organization_variables(self, organization: str, names: Collection[str]) -> None:
        """Delete variables of an organization; Lagoon says `success` for missing ones too."""
        items = [{"organization": organization, "name": name} for name in sorted(names)]
        what = f"removal of variables of {organization}"
        self._transport.each(DELETE_VARIABLES, items, what, "name")

    def is_organization_owner(self, organization_id: int) -> bool | None:
        """Say whether the calling user may create projects there, as far as Lagoon tells.

        None when it does not: service tokens pass every check, and not every user may read the
        list of owners.
        """
        user = self.me()
        if user is None:
            return None
        try:
            data = self._transport.execute(
                ORGANIZATION_OWNERS, {"id": organization_id}, what="organizationById owners"
            )
            owners = _OWNERS.validate_python(data.get("organizationById")).owners
        except (LagoonRefusedError, LagoonNotFoundError, ValidationError):
            return None
        return None if owners is None else user.id in {owner.id for owner in owners}


class _OwnersNode(BaseModel):
    owners: list[_Owner] | None = None


_OWNERS = TypeAdapter(_OwnersNode)


def _organization(value: JsonValue, what: str) -> Organization:
    try:
        node = _OrganizationNode.model_validate(value)
    except ValidationError:
        raise LagoonError(f"Lagoon answered {what} in a shape that we do not know.") from None
    return Organization(
        id=node.id,
        name=node.name,
        quota_project=-1 if node.quota_project is None else node.quota_project,
        quota_environment=-1 if node.quota_environment is None else node.quota_environment,
        project_count=len(node.projects or []),
        environment_count=len(node.environments or []),
        deploy_target_ids=frozenset(int(item.id) for item in node.deploy_targets or [] if item.id),
        group_names=frozenset(item.name for item in node.groups or [] if item.name),
    )


LAGOON_VERSION = Operation(gql("query LagoonVersion { lagoonVersion }"), is_safe_twice=True)

# A service token has no user behind it, and Lagoon trips over that.
ME = Operation(gql("query Me { me { id email } }"), may_miss=frozenset({"me"}), is_safe_twice=True)

_HIDDEN_ORGANIZATION = Rule(
    f"{PERMISSION}|{HIDDEN}",
    LagoonNotFoundError,
    "The organization does not exist, or the user of our Lagoon token is not its member.",
)

ORGANIZATION_BY_ID = Operation(
    gql("""
    query OrganizationById($id: Int!) {
      organizationById(id: $id) {
        id name quotaProject quotaEnvironment
        projects { id } environments { id } deployTargets { id } groups { name }
      }
    }
    """),
    rules=(_HIDDEN_ORGANIZATION,),
    is_safe_twice=True,
)

ORGANIZATION_PROJECTS = Operation(
    gql("""
    query OrganizationProjects($id: Int!) {
      organizationById(id: $id) { id projects { id name } }
    }
    """),
    rules=(
        Rule(
            f"{PERMISSION}|{HIDDEN}",
            LagoonDeniedError,
            "The organization does not exist, or the user of our Lagoon token is not its member.",
        ),
    ),
    is_safe_twice=True,
)

ORGANIZATION_OWNERS = Operation(
    gql("query OrganizationOwners($id: Int!) { organizationById(id: $id) { owners { id } } }"),
    rules=(_HIDDEN_ORGANIZATION,),
    is_safe_twice=True,
)

_VARIABLE_RULES = (
    Rule(MISSING_ROW, LagoonNotFoundError, "There is no organization of that name."),
    Rule(
        HIDDEN,
        LagoonDeniedError,
        "The user of our Lagoon token may not see the organization.",
    ),
)
SET_VARIABLES = Aliased(
    "mutation",
    """addOrUpdateEnvVariableByName(
      input: {organization: $organization, name: $name, value: $value, scope: $scope}
    ) { id }""",
    {
        "organization": "String!",
        "name": "String!",
        "value": "String!",
        "scope": "EnvVariableScope!",
    },
    rules=_VARIABLE_RULES,
    is_safe_twice=True,
)
DELETE_VARIABLES = Aliased(
    "mutation",
    "deleteEnvVariableByName(input: {organization: $organization, name: $name})",
    {"organization": "String!", "name": "String!"},
    rules=_VARIABLE_RULES,
    is_safe_twice=True,
)
