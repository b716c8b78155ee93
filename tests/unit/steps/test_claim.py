from dataclasses import replace
from datetime import timedelta

import pytest

from polydock_pipelines.lifecycle.instance import Person, Script
from polydock_pipelines.lifecycle.outcome import Done, Failed
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import CommandResult, NotFoundError
from polydock_pipelines.steps.claim import claim, is_url, last_url, route_url
from polydock_pipelines.steps.wrapper import DIED, NO_PLACE
from tests.fakes.clock import START
from tests.fakes.lagoon import FakeLagoon
from tests.fakes.shell import FakeShell, result
from tests.makers import an_app, an_instance
from tests.unit.steps.step_world import StepWorld, a_world, an_environment, standing_lagoon

ROUTE = "https://app.trial.example.com"
CLAIMING = an_instance(stage="polydock-claim")
SCRIPTED = replace(CLAIMING, app=an_app(scripts={"polydock-claim": "echo url"}))
POOL_CLAIM = "# polydock-stage: polydock-claim"


def world_with(answer: CommandResult | None = None, *routes: str, **environment) -> StepWorld:
    """Return a world with these routes, whose claim script gives *answer*."""
    found = an_environment(route=next(iter(routes), None), routes=routes, **environment)
    shell = FakeShell({POOL_CLAIM: answer}) if answer else None
    return a_world(standing_lagoon(environment=found), shell)


def login(outcome: object) -> str | None:
    assert isinstance(outcome, Done), outcome
    url = outcome.facts.login_url
    return url.reveal() if url else None


def test_the_login_url_is_the_last_https_line_of_a_noisy_script() -> None:
    noise = (
        "Installing…\nhttps://docs.example.com/first\nsee http://plain.example.com\n"
        "  https://app.example.com/login?token=abc#x  \nhttps://two words\nDone. https://no\n\n"
    )
    outcome = claim(SCRIPTED, world_with(result(noise), ROUTE).ports)
    assert login(outcome) == "https://app.example.com/login?token=abc#x"


def test_a_login_url_is_good_for_24_hours() -> None:
    outcome = claim(SCRIPTED, world_with(result(f"{ROUTE}/in"), ROUTE).ports)
    assert isinstance(outcome, Done)
    assert outcome.facts.login_valid_until == START + timedelta(hours=24)


def test_the_apps_url_is_its_route_and_holds_no_token() -> None:
    outcome = claim(SCRIPTED, world_with(result("https://in.example.com/x?t=1"), ROUTE).ports)
    assert isinstance(outcome, Done)
    assert outcome.facts.app_url == ROUTE


def test_without_a_route_the_apps_url_is_the_login_urls_origin() -> None:
    outcome = claim(SCRIPTED, world_with(result("https://in.example.com:8443/x?t=1")).ports)
    assert isinstance(outcome, Done)
    assert outcome.facts.app_url == "https://in.example.com:8443"


@pytest.mark.parametrize("stdout", ["", "done\n", "http://plain.example.com", "https://"])
def test_a_script_that_prints_no_url_fails_for_good(stdout: str) -> None:
    outcome = claim(SCRIPTED, world_with(result(stdout), ROUTE).ports)
    assert isinstance(outcome, Failed)
    assert outcome.is_final
    assert "printed no https URL" in outcome.reason


def test_a_script_that_fails_is_final_and_its_output_stays_unsaid() -> None:
    answer = result("https://a.example.com/token", exit_code=3, stderr="password=tiger")
    outcome = claim(SCRIPTED, world_with(answer, ROUTE).ports)
    assert isinstance(outcome, Failed)
    assert outcome.is_final
    assert "exited with 3" in outcome.reason
    assert "tiger" not in outcome.reason
    assert "token" not in outcome.reason


def test_a_script_that_died_with_its_container_may_run_again() -> None:
    outcome = claim(SCRIPTED, world_with(result(exit_code=DIED), ROUTE).ports)
    assert isinstance(outcome, Failed)
    assert not outcome.is_final


def test_a_container_that_cannot_hold_a_result_is_noted() -> None:
    outcome = claim(SCRIPTED, world_with(result(ROUTE, stderr=f"{NO_PLACE}\n"), ROUTE).ports)
    assert isinstance(outcome, Done)
    assert outcome.note == NO_PLACE


def test_the_script_runs_in_its_container_on_the_clusters_ssh_host() -> None:
    script = Script("echo", service="php", container="web")
    instance = replace(CLAIMING, app=an_app(scripts={"polydock-claim": script}))
    world = world_with(result(ROUTE), ROUTE, ssh_host="ssh.eu.example.com", ssh_port=2020)
    claim(instance, world.ports)
    (at,) = world.shell.containers
    assert (at.namespace, at.service, at.container) == ("trial-calm-otter-main", "php", "web")
    assert (at.host, at.port) == ("ssh.eu.example.com", 2020)


def test_the_script_gets_todays_values_and_when_it_was_claimed() -> None:
    world = world_with(result(ROUTE), ROUTE)
    claim(SCRIPTED, world.ports)
    (script,) = world.shell.scripts
    assert "export POLYDOCK_USER_EMAIL=ada@example.com" in script
    assert "export POLYDOCK_CLAIMED_AT='2026-03-01 09:00:00'" in script


# -- without a script


def test_without_a_script_the_route_with_frontend_is_the_login_url() -> None:
    world = world_with(None, "https://api.example.com", "https://frontend.example.com")
    assert login(claim(CLAIMING, world.ports)) == "https://frontend.example.com"


def test_without_such_a_route_the_first_one_is() -> None:
    world = world_with(None, ROUTE, "https://other.example.com")
    assert login(claim(CLAIMING, world.ports)) == ROUTE


def test_a_route_that_lagoon_writes_without_a_scheme_is_https() -> None:
    assert route_url(an_environment(route="app.example.com")) == "https://app.example.com"
    assert route_url(an_environment(route="http://app.example.com")) is None


def test_no_route_yet_is_a_failure_that_is_tried_again() -> None:
    outcome = claim(CLAIMING, world_with(None).ports)
    assert isinstance(outcome, Failed)
    assert not outcome.is_final
    assert "has no https route" in outcome.reason


def test_without_an_environment_there_is_nothing_to_claim() -> None:
    project = standing_lagoon().stored(CLAIMING.name)
    assert project is not None
    with pytest.raises(NotFoundError, match="has no environment main"):
        claim(CLAIMING, a_world(FakeLagoon(projects=[project.project])).ports)


# -- the person


def test_a_pool_instances_variables_and_metadata_are_rewritten_for_its_person() -> None:
    world = world_with(None, ROUTE)
    claim(replace(CLAIMING, person=Person()), world.ports)
    assert world.lagoon.values(CLAIMING.name)["POLYDOCK_USER_EMAIL"] == ""
    claim(CLAIMING, world.ports)
    values = world.lagoon.values(CLAIMING.name)
    assert values["POLYDOCK_USER_EMAIL"] == "ada@example.com"
    assert values["POLYDOCK_CLAIMED_AT"] == "2026-03-01 09:00:00"
    stored = world.lagoon.stored(CLAIMING.name)
    assert stored is not None
    assert stored.project.metadata["email"] == "ada@example.com"


def test_the_person_is_written_before_the_script_runs() -> None:
    world = world_with(result(exit_code=1), ROUTE)
    claim(SCRIPTED, world.ports)
    assert world.lagoon.operations()[:2] == ["set_variables", "update_project_metadata"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://a.example.com", True),
        ("https://a.example.com/x?y=z", True),
        ("http://a.example.com", False),
        ("ftp://a.example.com", False),
        ("https:///nohost", False),
        ("https://[broken", False),
        ("see https://a.example.com", False),
        ("https://a.example.com b", False),
        ("", False),
    ],
)
def test_only_one_https_url_with_a_host_is_a_login_url(text: str, expected: bool) -> None:  # noqa: FBT001
    assert is_url(text) is expected


def test_carriage_returns_of_a_terminal_do_not_hide_the_url() -> None:
    assert last_url(["https://a.example.com\r", "\r", ""]) == "https://a.example.com"


def test_the_login_url_is_a_secret() -> None:
    outcome = claim(SCRIPTED, world_with(result(f"{ROUTE}/tiger"), ROUTE).ports)
    assert "tiger" not in repr(outcome)
    assert login(outcome) == Secret(f"{ROUTE}/tiger").reveal()
