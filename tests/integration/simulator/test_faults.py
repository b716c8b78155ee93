"""Faults of HTTP and GraphQL, as a client meets them."""

import time

import httpx
import pytest

from tests.integration.simulator.caller import ADD_PROJECT, DEPLOY, Caller, Json, project_input

VERSION = "{ lagoonVersion }"


def _order_answer(caller: Caller, **fault: object) -> httpx.Response:
    return caller.http.post(f"{caller.url}/_sim/faults", json=fault)


def test_http500_is_a_plain_500_and_nothing_is_carried_out(caller: Caller) -> None:
    caller.order("addProject", "http500")

    answer = caller.send(ADD_PROJECT, input=project_input("trial-1"))

    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert caller.ask('{ projectByName(name: "trial-1") { id } }') is None


def test_expired_token_is_a_401_once(caller: Caller) -> None:
    caller.order("lagoonVersion", "expired_token")

    answer = caller.send(VERSION)

    assert answer.status_code == 401
    assert answer.json()["errors"][0]["message"] == (
        "Unauthorized - Keycloak token invalid: Grant validation failed. "
        "Reason: invalid token (expired)"
    )
    assert caller.send(VERSION).status_code == 200


def test_timeout_keeps_the_client_waiting_and_carries_nothing_out(caller: Caller) -> None:
    caller.order("addProject", "timeout")

    with pytest.raises(httpx.ReadTimeout):
        caller.http.post(
            f"{caller.url}/graphql",
            json={"query": ADD_PROJECT, "variables": {"input": project_input("trial-1")}},
            headers={"Authorization": f"Bearer {caller.token}"},
            timeout=0.2,
        )

    assert caller.ask('{ projectByName(name: "trial-1") { id } }') is None
    assert caller.state("requests")["addProject"] == 1
    assert "addProject" not in caller.state("executed")


def test_timeout_ends_without_an_answer(caller: Caller) -> None:
    caller.order("lagoonVersion", "timeout", seconds=0.1)

    with pytest.raises(httpx.RemoteProtocolError):
        caller.send(VERSION)


def test_drop_after_commit_carries_out_and_cuts_the_connection(caller: Caller) -> None:
    caller.order("addProject", "drop_after_commit")

    with pytest.raises(httpx.RemoteProtocolError):
        caller.send(ADD_PROJECT, input=project_input("trial-1"))

    assert caller.ask('{ projectByName(name: "trial-1") { name } }') == {"name": "trial-1"}


def test_graphql_error_is_an_error_of_that_field_alone(caller: Caller) -> None:
    caller.order("me", "graphql_error", message="boom")

    answer = caller.send("{ lagoonVersion who: me { id } }")

    assert answer.status_code == 200
    assert answer.json()["data"] == {"lagoonVersion": "2.33.1", "who": None}
    assert [(e["message"], e["path"]) for e in answer.json()["errors"]] == [("boom", ["who"])]


def test_slow_delays_the_answer(caller: Caller) -> None:
    caller.order("lagoonVersion", "slow", seconds=0.2)
    began = time.monotonic()

    assert caller.send(VERSION).status_code == 200
    assert time.monotonic() - began >= 0.2


def test_quota_is_the_refusal_of_a_full_organization(caller: Caller) -> None:
    caller.order("addProject", "quota")
    caller.order("deployEnvironmentBranch", "quota")
    deploy = {"project": {"name": "trial-1"}, "branchName": "main"}

    assert caller.refusal(ADD_PROJECT, input=project_input("trial-1")) == (
        "This would exceed this organizations project quota; 3/3"
    )
    caller.add_project()
    assert caller.refusal(DEPLOY, input=deploy).endswith("exceed environment quota")


def test_partial_data_takes_a_nested_field_away(caller: Caller) -> None:
    caller.add_project()
    caller.order("projectByName", "partial_data")

    answer = caller.send('{ projectByName(name: "trial-1") { name envVariables { name } } }')

    assert answer.json()["data"] == {"projectByName": {"name": "trial-1", "envVariables": None}}
    assert answer.json()["errors"][0]["path"] == ["projectByName", "envVariables"]


def test_partial_data_of_a_list_takes_the_named_field_of_its_first_row(caller: Caller) -> None:
    caller.order("allProjects", "partial_data", field="name")

    answer = caller.send("{ allProjects { id name } }").json()

    assert [p["name"] for p in answer["data"]["allProjects"]] == [None, "partner-website"]
    assert answer["errors"][0]["path"] == ["allProjects", 0, "name"]


def test_a_fault_strikes_as_often_as_it_was_ordered_and_in_that_order(caller: Caller) -> None:
    caller.order("lagoonVersion", "http500", times=2)
    caller.order("lagoonVersion", "expired_token")
    caller.order("me", "http500")

    assert [caller.send(VERSION).status_code for _ in range(4)] == [500, 500, 401, 200]
    assert [fault["match"] for fault in caller.state("faults")] == ["me"]


def test_a_fault_may_be_ordered_for_a_path(caller: Caller) -> None:
    caller.order("POST /graphql", "http500")
    caller.order("GET /amazee-ai/regions", "http500")

    assert caller.send(VERSION).status_code == 500
    assert caller.http.get(f"{caller.url}/amazee-ai/regions").status_code == 500
    assert caller.http.get(f"{caller.url}/amazee-ai/regions").status_code == 401


@pytest.mark.parametrize(
    "fault",
    [
        {"match": "addProject", "kind": "explode"},
        {"match": "addProject", "kind": "ssh_254"},
        {"match": "smtp", "kind": "http500"},
        {"match": "ssh:token", "kind": "smtp_450"},
        {"match": "POST /graphql", "kind": "graphql_error"},
        {"match": "addProject", "kind": "http500", "times": 0},
        {"kind": "http500"},
        {"match": "addProject", "kind": "http500", "colour": "red"},
    ],
)
def test_a_fault_that_cannot_happen_is_refused_with_a_sentence(caller: Caller, fault: Json) -> None:
    answer = _order_answer(caller, **fault)

    assert answer.status_code == 422
    assert answer.json()["error"]
    assert caller.state("faults") == []


def test_faults_are_listed_and_cleared(caller: Caller) -> None:
    caller.order("ssh:claim", "ssh_254")

    listed = caller.http.get(f"{caller.url}/_sim/faults").json()
    caller.http.delete(f"{caller.url}/_sim/faults")

    assert [(fault["match"], fault["times"]) for fault in listed] == [("ssh:polydock-claim", 1)]
    assert caller.state("faults") == []
