"""Builds of Lagoon, which calls them deployments.

Only flat scalars are asked for: each nested object costs Lagoon a permission check.
"""

import re
from collections.abc import Mapping, Sequence

from gql import gql
from pydantic import BaseModel, Field, JsonValue, TypeAdapter, ValidationError

from polydock_pipelines.clients.lagoon.documents import Aliased, Operation, batches
from polydock_pipelines.clients.lagoon.errors import (
    LagoonError,
    LagoonNotFoundError,
    LagoonRefusedError,
)
from polydock_pipelines.clients.lagoon.faults import HIDDEN, MISSING_ROW, Rule, error_of, fault
from polydock_pipelines.clients.lagoon.transport import Transport
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import Deployment

_BUILD_NAME = re.compile(r"^lagoon-(build|variables)-[a-z0-9]+$")


class _DeploymentNode(BaseModel):
    id: int
    name: str
    status: str
    bulk_id: str | None = Field(default=None, alias="bulkId")


_NODES = TypeAdapter(list[_DeploymentNode])


class DeploymentsClient:
    """`ports.LagoonDeployments` over a transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def deploy_environment_branch(
        self,
        project: str,
        branch: str,
        *,
        bulk_id: str,
        build_variables: Mapping[str, str] | None = None,
    ) -> str:
        """Queue one more build and return its name; never sent twice.

        LagoonNotFoundError when the project is missing or hidden (Lagoon does not say which),
        LagoonRefusedError for quotas and restrictions; plain LagoonError when another deploy of
        the environment came within the same second.
        """
        what = f"deployEnvironmentBranch {branch} of {project}"
        values: dict[str, object] = {
            "project": project,
            "branch": branch,
            "bulkId": bulk_id,
            "buildVariables": [
                {"name": name, "value": Secret(value)}
                for name, value in (build_variables or {}).items()
            ],
        }
        answer = self._transport.field(
            DEPLOY_ENVIRONMENT_BRANCH, "deployEnvironmentBranch", values, what=what
        )
        if isinstance(answer, str) and _BUILD_NAME.match(answer):
            return answer
        raise _not_a_build(answer, what)

    def by_bulk_ids(
        self, bulk_ids: Sequence[str], *, partial: bool = False
    ) -> dict[str, list[Deployment]]:
        """Return the builds of each id, up to 400 ids a request.

        Any error fails the whole call, since a missing build would pass for one never started;
        with *partial*, ids that Lagoon failed to show are left out.
        """
        unique = list(dict.fromkeys(bulk_ids))
        found: dict[str, list[Deployment]] = {}
        for batch in batches(DEPLOYMENTS_BY_BULK_ID, [{"bulkId": id_} for id_ in unique]):
            what = f"deploymentsByBulkId of {len(unique)}"
            data, faults = self._transport.answer(batch.operation, batch.values, what=what)
            failed = {batch.index_of(fault.path) for fault in faults}
            if faults and (None in failed or not partial):
                raise error_of(faults, batch.operation.rules, what)
            for index, alias in enumerate(batch.aliases, batch.start):
                if index not in failed:
                    found[unique[index]] = _deployments(data.get(alias), what)
        return found

    def running(self) -> list[Deployment]:
        """Return all running builds that we can see."""
        what = "deploymentsByFilter"
        return _deployments(self._transport.field(RUNNING_DEPLOYMENTS, what, {}, what=what), what)

    def cancel_deployment(self, deployment_id: int) -> None:
        """Ask for the end of a build, which comes later.

        LagoonNotFoundError when it is missing or hidden: builds go with their environment.
        """
        what = f"cancelDeployment {deployment_id}"
        values = {"id": deployment_id}
        answer = self._transport.field(CANCEL_DEPLOYMENT, "cancelDeployment", values, what=what)
        if answer != "success":
            raise LagoonError(f"Lagoon answered {what} with something other than success.")


def _not_a_build(answer: JsonValue, what: str) -> LagoonError:
    """Return the error for data that is no build name: Lagoon reports some failures as data."""
    text = answer if isinstance(answer, str) else ""
    if not text.startswith(("Error", "Skipped")):
        return LagoonError(f"Lagoon answered {what} without the name of a build.")
    return error_of([fault(text)], DEPLOY_ENVIRONMENT_BRANCH.rules, what)


def _deployments(value: JsonValue, what: str) -> list[Deployment]:
    try:
        nodes = _NODES.validate_python(value)  # null is no list: "none" is spelt []
    except ValidationError:
        raise LagoonError(f"Lagoon answered {what} in a shape that we do not know.") from None
    return [
        Deployment(id=node.id, name=node.name, status=node.status.lower(), bulk_id=node.bulk_id)
        for node in nodes
    ]


DEPLOY_ENVIRONMENT_BRANCH = Operation(
    gql("""
    mutation DeployEnvironmentBranch(
      $project: String!, $branch: String!, $bulkId: String!, $buildVariables: [EnvKeyValueInput]
    ) {
      deployEnvironmentBranch(input: {
        project: {name: $project}, branchName: $branch, bulkId: $bulkId,
        buildVariables: $buildVariables, returnData: true
      })
    }
    """),
    rules=(
        Rule(
            HIDDEN,
            LagoonNotFoundError,
            "The project does not exist, or the user of our Lagoon token may not see it.",
        ),
        Rule(
            r"^(Deployments|Tasks) have been disabled|deployments disabled for project",
            LagoonRefusedError,
            "Lift the restriction on deployments of this project in Lagoon.",
        ),
        Rule(
            r"exceed environment quota",
            LagoonRefusedError,
            "Raise quotaEnvironment of the organization in Lagoon, or purge removed trials.",
        ),
        Rule(
            r"exceed (production|development) limit",
            LagoonRefusedError,
            "The project has environments that are not ours; remove them, or raise its limit.",
        ),
        Rule(
            r"match regex pattern for project|^Skipped:",
            LagoonRefusedError,
            "Let the project's branches setting in Lagoon match the store app's branch.",
        ),
        Rule(r"error creating or getting environment", LagoonError, "Repeating it may help."),
    ),
)

DEPLOYMENTS_BY_BULK_ID = Aliased(
    "query",
    "deploymentsByBulkId(bulkId: $bulkId) { id name status bulkId }",
    {"bulkId": "String!"},
    is_safe_twice=True,
)

RUNNING_DEPLOYMENTS = Operation(
    gql("""
    query RunningDeployments {
      deploymentsByFilter(deploymentStatus: [NEW, PENDING, RUNNING, QUEUED]) {
        id name status bulkId
      }
    }
    """),
    is_safe_twice=True,
)

CANCEL_DEPLOYMENT = Operation(
    gql("""
    mutation CancelDeployment($id: Int!) {
      cancelDeployment(input: {deployment: {id: $id}})
    }
    """),
    rules=(Rule(f"{HIDDEN}|{MISSING_ROW}|^No deployment found", LagoonNotFoundError),),
)
