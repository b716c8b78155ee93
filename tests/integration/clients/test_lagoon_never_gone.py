"""Removal and purge over the real client: a bare `Unauthorized` is never "gone".

Lagoon says it of what does not exist and of what it hides from us; so whatever it is said of, and
however often, no step may end as if its thing were gone.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest

from polydock_pipelines.apps.app_type import Step
from polydock_pipelines.lifecycle.instance import Effect, Instance
from polydock_pipelines.lifecycle.outcome import Done, Failed
from polydock_pipelines.ports import DeniedError, PortError
from polydock_pipelines.steps import purge, removal
from polydock_pipelines.steps.variables import MARKER
from tests.fakes.clock import START
from tests.integration.clients.recorded import Player, client_of, data, error, failed
from tests.makers import an_instance
from tests.unit.steps.step_world import a_world

INSTANCE = an_instance(
    intents={(Effect.DEPLOY, "b-1"): START}, neighbours=frozenset({50}), stage="purge"
)
PROJECT = {
    "id": 1,
    "name": INSTANCE.name,
    "organization": 7,
    "gitUrl": INSTANCE.target.git_url,
    "metadata": {MARKER: INSTANCE.uuid},
    "publicKey": None,
    "environments": [],
}
NEIGHBOUR = {"id": 50, "name": "trial-next-door"}
STANDING = {"id": 2, "name": "main", "kubernetesNamespaceName": "n", "kubernetes": None}
BUILD = {"id": 8, "name": "lagoon-build-a", "status": "running", "bulkId": "b-1"}
PERMISSION = 'Unauthorized: You don\'t have permission to "view" on "project"'

Answers = Mapping[str, httpx.Response]
GOOD: Answers = {
    "projectByName": data(projectByName=PROJECT),
    "deploymentsByBulkId": data(a0=[BUILD]),
    "cancelDeployment": data(cancelDeployment="success"),
    "environmentByName": data(environmentByName=STANDING),
    "deleteEnvironment": data(deleteEnvironment="success"),
    "addOrUpdateEnvVariableByName": data(a0={"id": 1}, a1={"id": 2}),
    "deleteProject": data(deleteProject="success"),
    "organizationById": data(organizationById={"id": 7, "projects": [NEIGHBOUR]}),
}
"""By root field."""


class Lagoon(Player):
    """Answers each request by its root field."""

    def __init__(self, answers: Answers) -> None:
        super().__init__(data())
        self.by_field = answers

    def __call__(self, request: httpx.Request) -> httpx.Response:
        query = str(request.content)
        answer = next(answer for field, answer in self.by_field.items() if f"{field}(" in query)
        self.requests.append(request)
        return httpx.Response(answer.status_code, content=answer.content)


def visit(step: Step, instance: Instance, **answers: httpx.Response) -> Any:
    """Return what the step says, or raises."""
    ports = replace(a_world().ports, lagoon=client_of(Lagoon({**GOOD, **answers})))
    try:
        return step(instance, ports)
    except PortError as caught:
        return caught


def refused(field: str, text: str) -> httpx.Response:
    return failed(text, "a0" if "Bulk" in field or "Variable" in field else field)


WITHOUT = {"projectByName": data(projectByName=None)}
CALLS: list[tuple[Step, str, dict[str, httpx.Response]]] = [
    (removal.prepare, "deploymentsByBulkId", {}),
    (removal.prepare, "cancelDeployment", {}),
    (removal.delete_environment, "projectByName", {}),
    (removal.delete_environment, "environmentByName", {}),
    (removal.delete_environment, "deleteEnvironment", {}),
    (removal.record, "projectByName", {}),
    (removal.record, "addOrUpdateEnvVariableByName", {}),
    (purge.delete_project, "projectByName", {}),
    (purge.delete_project, "deleteProject", {}),
    (purge.delete_project, "organizationById", WITHOUT),
]
calls = pytest.mark.parametrize(("step", "field", "others"), CALLS)


@calls
@pytest.mark.parametrize("text", ["Unauthorized", PERMISSION])
def test_what_lagoon_hides_is_not_gone(
    step: Step, field: str, others: dict[str, httpx.Response], text: str
) -> None:
    outcome = visit(step, INSTANCE, **{**others, field: refused(field, text)})
    assert isinstance(outcome, PortError), outcome


@calls
def test_a_refused_token_shows_nothing(
    step: Step, field: str, others: dict[str, httpx.Response]
) -> None:
    refusal = error(401, "Unauthorized - Bearer token unrecognized")
    assert isinstance(visit(step, INSTANCE, **{**others, field: refusal}), PortError)


@pytest.mark.parametrize(
    ("projects", "is_gone"),
    [([NEIGHBOUR], True), ([], False), ([NEIGHBOUR, {"id": 1, "name": "renamed"}], False)],
)
def test_a_whole_list_with_a_neighbour_is_what_proves(
    projects: list[Any], *, is_gone: bool
) -> None:
    listed = data(organizationById={"id": 7, "projects": projects})
    outcome = visit(purge.delete_project, INSTANCE, **WITHOUT, organizationById=listed)
    assert isinstance(outcome, Done if is_gone else Failed)


def test_a_list_with_an_error_beside_it_proves_nothing() -> None:
    answer = failed(
        "Unauthorized",
        "organizationById",
        "projects",
        1,
        organizationById={"id": 7, "projects": [NEIGHBOUR]},
    )
    outcome = visit(purge.delete_project, INSTANCE, **WITHOUT, organizationById=answer)
    assert isinstance(outcome, DeniedError)


@pytest.mark.parametrize(
    "text", ["Not found: 'x'", 'Environment "main" does not exist in project "1"']
)
def test_what_lagoon_says_does_not_exist_is_gone(text: str) -> None:
    answer = failed(text, "deleteEnvironment")
    outcome = visit(removal.delete_environment, INSTANCE, deleteEnvironment=answer)
    assert isinstance(outcome, Done)


@pytest.mark.parametrize(
    ("field", "step"),
    [
        ("projectByName", removal.delete_environment),
        ("environmentByName", removal.delete_environment),
        ("projectByName", removal.record),
    ],
)
def test_null_without_an_error_is_gone_for_a_removal(field: str, step: Step) -> None:
    assert isinstance(visit(step, INSTANCE, **{field: data(**{field: None})}), Done)
