"""Environments of Lagoon projects. Lagoon shows deleted ones unless told not to."""

from collections.abc import Sequence

from gql import gql
from pydantic import BaseModel, Field, JsonValue, ValidationError

from polydock_pipelines.clients.lagoon.documents import Aliased, Operation, batches
from polydock_pipelines.clients.lagoon.errors import (
    LagoonDeniedError,
    LagoonError,
    LagoonNotFoundError,
)
from polydock_pipelines.clients.lagoon.faults import HIDDEN, PERMISSION, Rule, error_of
from polydock_pipelines.clients.lagoon.transport import Transport
from polydock_pipelines.ports import Environment, EnvironmentRef


class _KubernetesNode(BaseModel):
    ssh_host: str | None = Field(default=None, alias="sshHost")
    ssh_port: int | str | None = Field(default=None, alias="sshPort")


class _EnvironmentNode(BaseModel):
    id: int
    name: str
    namespace: str | None = Field(default=None, alias="kubernetesNamespaceName")
    route: str | None = None
    routes: str | None = None
    kubernetes: _KubernetesNode | None = None


class _NameNode(BaseModel):
    name: str


class _ProjectNode(BaseModel):
    environments: list[_NameNode]


class EnvironmentsClient:
    """`ports.LagoonEnvironments` over a transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def environment_by_name(self, project_id: int, name: str) -> Environment | None:
        """Return the environment; None when it is missing or deleted.

        LagoonRefusedError when it is hidden from us, which must not pass for "gone".
        """
        what = f"environmentByName {name} of project {project_id}"
        values = {"project": project_id, "name": name}
        node = self._transport.field(ENVIRONMENT_BY_NAME, "environmentByName", values, what=what)
        return None if node is None else _environment(node, what)

    def standing(self, refs: Sequence[EnvironmentRef]) -> frozenset[EnvironmentRef]:
        """Return those of *refs* that stand, up to 400 a request.

        One that Lagoon fails to show counts as standing: only a plain null is "gone".
        """
        items = [{"project": ref.project_id, "name": ref.name} for ref in refs]
        found: set[EnvironmentRef] = set()
        for batch in batches(STANDING, items):
            what = f"environmentByName of {len(items)}"
            data, faults = self._transport.answer(batch.operation, batch.values, what=what)
            failed = {batch.index_of(fault.path) for fault in faults}
            if None in failed:
                raise error_of(faults, (), what)
            found |= {
                refs[index]
                for index, alias in enumerate(batch.aliases, batch.start)
                if index in failed or data.get(alias, "absent") is not None
            }
        return frozenset(found)

    def names_of(self, project: str) -> tuple[str, ...]:
        """Return the names of all environments of a project that stand, not of deleted ones.

        LagoonNotFoundError without the project. What Lagoon fails to show is no empty list.
        """
        what = f"the environments of {project}"
        values = {"name": project}
        node = self._transport.field(PROJECT_ENVIRONMENTS, "projectByName", values, what=what)
        if node is None:
            raise LagoonNotFoundError(f"There is no project {project} in Lagoon.")
        try:
            found = _ProjectNode.model_validate(node)
        except ValidationError:
            raise LagoonError(f"Lagoon answered {what} in a shape that we do not know.") from None
        return tuple(environment.name for environment in found.environments)

    def delete_environment(self, project: str, name: str) -> None:
        """Ask for its removal; Lagoon says `success` when that is queued, not when it is done.

        LagoonNotFoundError when the environment or its project is gone.
        """
        what = f"deleteEnvironment {name} of {project}"
        values = {"project": project, "name": name}
        answer = self._transport.field(DELETE_ENVIRONMENT, "deleteEnvironment", values, what=what)
        if answer != "success":
            # Lagoon's remover reports its failures as data.
            raise LagoonError(f"Lagoon answered {what} with something other than success.")


def _environment(value: JsonValue, what: str) -> Environment:
    try:
        node = _EnvironmentNode.model_validate(value)
        kubernetes = node.kubernetes or _KubernetesNode()
        port = int(kubernetes.ssh_port) if kubernetes.ssh_port else None
    except ValueError:  # pydantic's ValidationError is one, and its text holds the answer
        raise LagoonError(f"Lagoon answered {what} in a shape that we do not know.") from None
    routes = tuple(part.strip() for part in (node.routes or "").split(",") if part.strip())
    return Environment(
        id=node.id,
        name=node.name,
        namespace=node.namespace or "",
        route=node.route or None,
        routes=routes,
        ssh_host=kubernetes.ssh_host or None,
        ssh_port=port,
    )


ENVIRONMENT_BY_NAME = Operation(
    gql("""
    query EnvironmentByName($project: Int!, $name: String!) {
      environmentByName(project: $project, name: $name, includeDeleted: false) {
        id name kubernetesNamespaceName route routes
        kubernetes { sshHost sshPort }
      }
    }
    """),
    # Without the cluster's own SSH host, the configured one is tried.
    may_miss=frozenset(
        {
            "environmentByName.kubernetes",
            "environmentByName.kubernetes.sshHost",
            "environmentByName.kubernetes.sshPort",
        }
    ),
    is_safe_twice=True,
)

STANDING = Aliased(
    "query",
    "environmentByName(project: $project, name: $name, includeDeleted: false) { id }",
    {"project": "Int!", "name": "String!"},
    is_safe_twice=True,
)

PROJECT_ENVIRONMENTS = Operation(
    gql("""
    query ProjectEnvironments($name: String!) {
      projectByName(name: $name) { environments(includeDeleted: false) { name } }
    }
    """),
    rules=(
        Rule(
            f"{PERMISSION}|{HIDDEN}",
            LagoonDeniedError,
            "The user of our Lagoon token may not see the project, or not its environments.",
        ),
    ),
    is_safe_twice=True,
)

DELETE_ENVIRONMENT = Operation(
    gql("""
    mutation DeleteEnvironment($project: String!, $name: String!) {
      deleteEnvironment(input: {project: $project, name: $name})
    }
    """),
    rules=(
        Rule(r"does not exist in project|^Not found\b", LagoonNotFoundError),
        Rule(
            PERMISSION,
            LagoonDeniedError,
            "Deleting a production environment needs the role Owner on its project.",
        ),
    ),
)
