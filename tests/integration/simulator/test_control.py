"""The control pages: state, settings, webhooks, and the page for people."""

import time

import pytest

from polydock_pipelines.simulator.simulator import Simulator
from tests.integration.simulator.caller import SET_VARIABLE, Caller, Json


def test_the_state_shows_projects_with_all_that_hangs_on_them(caller: Caller) -> None:
    caller.add_project()
    given = {"project": "trial-1", "name": "A", "value": "1"}
    caller.ask(SET_VARIABLE, input=given)
    caller.deploy(bulkId="bulk-1")

    found = caller.state("projects")[-1]

    assert (found["name"], found["organization"]) == ("trial-1", "polydock-trials")
    assert found["variables"] == [{"name": "A", "value": "1", "scope": "global"}]
    assert found["groups"] == ["project-trial-1"]
    build = found["environments"][0]["builds"][0]
    assert (build["status"], build["bulkId"]) == ("new", "bulk-1")


def test_requests_are_counted_by_root_field_aliases_included(caller: Caller) -> None:
    caller.send("{ a: lagoonVersion b: lagoonVersion me { id } }")
    caller.send("query { ...f } fragment f on Query { lagoonVersion }")
    caller.send("{ noSuchField }")

    assert caller.state("requests") == {"lagoonVersion": 3, "me": 1}


def test_an_unknown_part_of_the_state_is_refused(caller: Caller) -> None:
    answer = caller.http.get(f"{caller.url}/_sim/state", params={"parts": "projects,colours"})

    assert answer.status_code == 422
    assert "colours" in answer.json()["error"]


def test_a_reset_forgets_all_but_the_seeds(caller: Caller) -> None:
    caller.deployed()
    caller.order("me", "http500")
    caller.change(latency_ms=1)

    caller.http.delete(f"{caller.url}/_sim/state")

    assert [p["name"] for p in caller.state("projects")] == ["house-website", "partner-website"]
    assert caller.state("settings")["latency_ms"] == 0
    assert caller.state("faults") == []
    assert caller.state("requests") == {}


def test_the_seeds_have_a_finished_environment_each(caller: Caller) -> None:
    environments = [project["environments"][0] for project in caller.state("projects")]

    assert [e["builds"][0]["status"] for e in environments] == ["complete", "complete"]
    assert environments[0]["route"] == "https://nginx.main.house-website.eu-1.lagoon.example"


def test_settings_change_one_by_one(caller: Caller) -> None:
    caller.change(build_seconds=1)
    caller.change(remove_seconds=0)

    shown = caller.http.get(f"{caller.url}/_sim/settings").json()

    assert (shown["build_seconds"], shown["remove_seconds"]) == (1, 0)


@pytest.mark.parametrize(
    "settings",
    [{"build_seconds": -1}, {"build_seconds": "soon"}, {"group_role": "KING"}, {"x": 1}, [1]],
)
def test_a_wrong_setting_is_refused_with_a_sentence_and_changes_nothing(
    caller: Caller, settings: Json
) -> None:
    before = caller.state("settings")

    answer = caller.http.put(f"{caller.url}/_sim/settings", json=settings)

    assert answer.status_code == 422
    assert answer.json()["error"]
    assert caller.state("settings") == before


@pytest.mark.parametrize(("method", "path"), [("PUT", "settings"), ("POST", "faults")])
def test_a_control_request_that_is_not_json_is_refused(
    caller: Caller, method: str, path: str
) -> None:
    answer = caller.http.request(method, f"{caller.url}/_sim/{path}", content="{")

    assert answer.status_code == 422


def test_latency_delays_every_graphql_request(caller: Caller) -> None:
    caller.change(latency_ms=150)
    began = time.monotonic()

    caller.ask("{ lagoonVersion }")

    assert time.monotonic() - began >= 0.15


def test_a_webhook_is_recorded_with_its_headers_and_body(caller: Caller) -> None:
    answer = caller.http.post(
        f"{caller.url}/_sim/webhooks/crm", content='{"a": 1}', headers={"X-Signature": "abc"}
    )

    assert answer.status_code == 204
    received = caller.state("webhooks")[0]
    assert (received["name"], received["body"]) == ("crm", '{"a": 1}')
    assert received["headers"]["x-signature"] == "abc"


def test_a_webhook_that_fails_is_not_recorded(caller: Caller) -> None:
    caller.order("POST /_sim/webhooks/crm", "http500")

    answer = caller.http.post(f"{caller.url}/_sim/webhooks/crm", content="{}")

    assert answer.status_code == 500
    assert caller.state("webhooks") == []


def test_the_page_shows_the_same_to_a_person_and_says_what_it_is(caller: Caller) -> None:
    caller.deployed()
    caller.http.post(f"{caller.url}/_sim/webhooks/crm", content="<b>bold</b>")
    caller.order("me", "http500")

    text = caller.http.get(f"{caller.url}/").text

    assert "It is not a Lagoon" in text
    assert "https://nginx.main.trial-1.eu-1.lagoon.example" in text
    assert "&lt;b&gt;bold&lt;/b&gt;" in text
    assert "http-equiv" in text
    assert "http500" in text


def test_the_page_shows_the_newest_of_many(caller: Caller) -> None:
    for number in range(60):
        caller.http.post(f"{caller.url}/_sim/webhooks/crm", content=f"body-{number}")

    text = caller.http.get(f"{caller.url}/").text

    assert "body-59" in text
    assert "body-5<" not in text
    assert "10 more." in text


def test_a_test_may_look_and_meddle_without_http(simulator: Simulator, caller: Caller) -> None:
    simulator.fault("me", "graphql_error", message="boom")
    simulator.change(build_seconds=1)

    assert caller.refusal("{ me { id } }") == "boom"
    assert caller.state("settings")["build_seconds"] == 1
    assert isinstance(simulator.state, dict)
