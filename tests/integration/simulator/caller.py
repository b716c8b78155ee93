"""A bare GraphQL caller: it sends documents, and shows what came back, status and all."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

Json = Any  # the shape of an answer is what a test is about

ADD_PROJECT = (
    "mutation($input: AddProjectInput!) { addProject(input: $input) { id name publicKey } }"
)
SET_VARIABLE = (
    "mutation($input: EnvVariableByNameInput!) "
    "{ addOrUpdateEnvVariableByName(input: $input) { id name value scope updated } }"
)
DEPLOY = (
    "mutation($input: DeployEnvironmentBranchInput!) { deployEnvironmentBranch(input: $input) }"
)
ENVIRONMENT = (
    "query($project: Int!, $name: String!, $all: Boolean) { environmentByName("
    "project: $project, name: $name, includeDeleted: $all) { id name deleted route routes "
    "kubernetesNamespaceName deployments { id name status bulkId } } }"
)
DELETE_ENVIRONMENT = (
    "mutation($input: DeleteEnvironmentInput!) { deleteEnvironment(input: $input) }"
)
DELETE_PROJECT = "mutation($input: DeleteProjectInput!) { deleteProject(input: $input) }"
BULK = "query($id: String) { deploymentsByBulkId(bulkId: $id) { id name status } }"


class Hands:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


@dataclass
class Caller:
    """Sends documents with one token."""

    url: str
    token: str
    clock: Hands
    http: httpx.Client

    def send(self, query: str, **variables: object) -> httpx.Response:
        """Send a document and return the whole answer."""
        return self.http.post(
            f"{self.url}/graphql",
            json={"query": query, "variables": variables},
            headers={"Authorization": f"Bearer {self.token}"},
        )

    def ask(self, query: str, **variables: object) -> Json:
        """Return the only field of an answer without errors."""
        return self.fields(query, **variables).popitem()[1]

    def fields(self, query: str, **variables: object) -> dict[str, Json]:
        """Return the fields of an answer without errors."""
        answer = self.send(query, **variables)
        assert answer.status_code == 200, answer.text
        assert "errors" not in answer.json(), answer.text
        return answer.json()["data"]

    def refusal(self, query: str, **variables: object) -> str:
        """Return the message of an answer with one error, HTTP 200 and null for its field."""
        answer = self.send(query, **variables)
        body = answer.json()
        assert answer.status_code == 200, answer.text
        assert [len(body["errors"]), *body["data"].values()] == [1, None], answer.text
        assert set(body["errors"][0]) == {"message", "locations", "path"}
        return body["errors"][0]["message"]

    def add_project(self, name: str = "trial-1", **more: Json) -> int:
        """Make a project of which the caller is the owner."""
        return int(self.ask(ADD_PROJECT, input=project_input(name, **more))["id"])

    def deploy(self, project: str = "trial-1", branch: str = "main", **more: object) -> object:
        """Deploy a branch and return the build's name."""
        given = {"project": {"name": project}, "branchName": branch, "returnData": True, **more}
        return self.ask(DEPLOY, input=given)

    def deployed(self, name: str = "trial-1", **more: Json) -> int:
        """Make a project and let its first build end."""
        project_id = self.add_project(name, **more)
        self.deploy(name)
        self.clock.move(30)
        return project_id

    def environment(self, project: int, *, all_: bool | None = None) -> Json:
        """Return the environment `main` of a project."""
        extra = {} if all_ is None else {"all": all_}
        found = self.send(ENVIRONMENT, project=project, name="main", **extra).json()
        return found["data"]["environmentByName"]

    def order(self, match: str, kind: str, **more: object) -> None:
        """Order a fault."""
        answer = self.http.post(
            f"{self.url}/_sim/faults", json={"match": match, "kind": kind, **more}
        )
        assert answer.status_code == 201, answer.text

    def change(self, **settings: object) -> None:
        """Change settings."""
        answer = self.http.put(f"{self.url}/_sim/settings", json=settings)
        assert answer.status_code == 200, answer.text

    def state(self, part: str) -> Json:
        """Return one part of the state."""
        return self.http.get(f"{self.url}/_sim/state", params={"parts": part}).json()[part]


def project_input(name: str, **more: object) -> Mapping[str, object]:
    """Return the input of `addProject`."""
    return {
        "name": name,
        "gitUrl": "https://git.example.com/app.git",
        "productionEnvironment": "main",
        "kubernetes": 1,
        "organization": 1,
        "addOrgOwner": True,
        **more,
    }
