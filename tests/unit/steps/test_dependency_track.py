from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from polydock_pipelines.lifecycle.holding import Holding, HoldingKind
from polydock_pipelines.lifecycle.instance import EnvVariable, Instance, Scope, Script
from polydock_pipelines.lifecycle.outcome import Done, Failed, Outcome, Waiting
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import (
    DeniedError,
    Deployment,
    EndpointError,
    NotFoundError,
    PortError,
    RefusedError,
)
from polydock_pipelines.steps.dependency_track import (
    ENDPOINT_KEY,
    TRIES,
    claim_and_tell,
    withdraw_and_prepare,
)
from tests.fakes.clock import FakeClock
from tests.fakes.shell import FakeShell, result
from tests.makers import an_app
from tests.unit.steps.ai_life import ORGANIZATION, ai_instance
from tests.unit.steps.step_world import StepWorld, a_world, an_environment, standing_lagoon

FRONTEND, API = "https://frontend.trial.example.com", "https://apiserver.trial.example.com"
LOGIN = "https://in.example.com/x?token=tiger"
SAID = f"API_KEY:odt_abc\n{LOGIN}\n"
CLAIMING = ai_instance("dependency-track", stage="polydock-claim")
ALONE = ai_instance("dependency-track", {}, stage="polydock-claim")
HELD = Holding(HoldingKind.ORGANIZATION_VARIABLES, ORGANIZATION)
THE_ENTRY = (HELD.kind, HELD.name)
CONTRACT = {
    "LAGOON_FEATURE_FLAG_INSIGHTS": "enabled",
    "LAGOON_FEATURE_FLAG_INSIGHTS_DEPENDENCY_TRACK_API_ENDPOINT": API,
    "LAGOON_FEATURE_FLAG_INSIGHTS_DEPENDENCY_TRACK_API_KEY": "odt_abc",  # pragma: allowlist secret
}
"""Contract amazee-ai §9."""
DELETE, SET = "delete_organization_variables", "set_organization_variables"


def world_of(said: str = SAID, *, routes: tuple[str, ...] = (FRONTEND, API), **o: Any) -> StepWorld:
    clock = FakeClock()
    environment = an_environment(route=routes[0], routes=routes)
    options = {"organizations": [ORGANIZATION], **o}
    lagoon = standing_lagoon(clock, environment=environment, **options)
    return a_world(lagoon, FakeShell({"polydock-claim": result(said)}), clock=clock)


def claim(world: StepWorld, instance: Instance = CLAIMING) -> Outcome:
    return claim_and_tell(world.again(instance), world.ports)


def told(world: StepWorld) -> dict[str, EnvVariable]:
    """Return what the organization's variables are."""
    return world.lagoon.state.organizations[ORGANIZATION]


# -- the claim


def test_the_organization_learns_three_variables_with_the_names_of_the_contract() -> None:
    world = world_of()
    assert isinstance(claim(world), Done)
    assert {name: one.value.reveal() for name, one in told(world).items()} == CONTRACT
    assert {one.scope for one in told(world).values()} == {Scope.GLOBAL}


def test_the_claim_is_as_usual_beside() -> None:
    outcome = claim(world_of())
    assert isinstance(outcome, Done)
    assert outcome.facts.login_url == Secret(LOGIN)
    assert outcome.facts.app_url == FRONTEND


def test_the_key_is_told_to_no_log_and_kept_nowhere() -> None:
    world = world_of()
    outcome = claim(world)
    assert world.journal.kept == {}
    assert "odt_abc" not in repr(outcome)


def test_what_was_refused_is_nobodys_debt() -> None:
    world = world_of(failing={SET: [PortError("we may not")]})
    with pytest.raises(PortError):
        claim(world)
    assert THE_ENTRY not in world.journal.held


def test_the_ledger_knows_of_the_variables_before_they_are_written() -> None:
    world = world_of(failing={SET: [EndpointError("no answer", endpoint="lagoon")]})
    with pytest.raises(EndpointError):
        claim(world)
    assert THE_ENTRY in world.journal.held


def test_a_repeated_claim_writes_the_same() -> None:
    world = world_of()
    claim(world)
    assert isinstance(claim(world), Done)
    assert {name: one.value.reveal() for name, one in told(world).items()} == CONTRACT


@pytest.mark.parametrize(
    ("said", "key"),
    [
        (f"noise\nAPI_KEY: odt_spaced \n{LOGIN}\n", "odt_spaced"),
        (f"API_KEY:odt_crlf\r\n{LOGIN}\r\n", "odt_crlf"),
        (f"{LOGIN}\nAPI_KEY:odt_last", "odt_last"),
        (f"the API_KEY:odt_inline is new\n{LOGIN}", "odt_inline"),
        (f"API_KEY:\n{LOGIN}\nAPI_KEY:odt_second", "odt_second"),
    ],
)
def test_the_key_is_the_word_after_api_key(said: str, key: str) -> None:
    world = world_of(said)
    assert isinstance(claim(world), Done)
    assert told(world)[ENDPOINT_KEY].value == Secret(key)


@pytest.mark.parametrize(
    "said",
    [f"{LOGIN}\n", f"API_KEY:\n{LOGIN}\n", f"API_KEY: \r\n{LOGIN}\n", f"API KEY:abc\n{LOGIN}\n"],
)
def test_a_script_without_a_key_fails_for_good_when_an_organization_waits(said: str) -> None:
    # After an empty key comes the login URL, which must not become the organization's key.
    world = world_of(said)
    outcome = claim(world)
    assert isinstance(outcome, Failed)
    assert outcome.is_final
    assert ORGANIZATION in outcome.reason
    assert "API_KEY:" in outcome.reason
    assert (told(world), world.journal.held, world.journal.kept) == ({}, {}, {})


def test_without_an_organization_nobody_asks_for_a_key() -> None:
    world = world_of(f"{LOGIN}\n")
    assert isinstance(claim(world, ALONE), Done)
    assert SET not in world.lagoon.operations()
    assert (world.journal.held, world.journal.kept) == ({}, {})


def test_without_an_organization_a_key_is_not_even_kept() -> None:
    world = world_of()
    claim(world, ALONE)
    assert (told(world), world.journal.kept) == ({}, {})


@pytest.mark.parametrize("route", ["https://api.apiserver.example.com", "http://apiserver.x.io"])
def test_no_route_of_the_api_server_is_a_failure_that_is_tried_again(route: str) -> None:
    world = world_of(routes=(FRONTEND, route))
    outcome = claim(world)
    assert isinstance(outcome, Failed)
    assert not outcome.is_final
    assert "no route that begins with apiserver." in outcome.reason
    assert (told(world), world.journal.held) == ({}, {})


def test_a_claim_that_failed_tells_the_organization_nothing() -> None:
    world = world_of("API_KEY:odt_abc\n")
    outcome = claim(world)
    assert isinstance(outcome, Failed)
    assert "no https URL" in outcome.reason
    assert told(world) == {}


def test_an_organization_that_does_not_exist_fails_the_claim() -> None:
    with pytest.raises(NotFoundError, match=ORGANIZATION):
        claim(world_of(organizations=[]))


# -- where the claim script runs


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (Script("echo"), ("apiserver", "apiserver")),
        (Script("echo", service="worker"), ("worker", None)),
        (Script("echo", container="shell"), ("cli", "shell")),
        (Script("echo", service="worker", container="shell"), ("worker", "shell")),
    ],
)
def test_the_script_runs_in_the_api_server_unless_the_catalogue_says_where(
    script: Script, expected: tuple[str, str | None]
) -> None:
    world = world_of()
    claim(world, replace(CLAIMING, app=an_app(scripts={"polydock-claim": script})))
    (at,) = world.shell.containers
    assert (at.service, at.container) == expected
    assert "echo" in world.shell.scripts[0]


def test_an_app_without_a_script_is_claimed_by_its_frontend_route() -> None:
    outcome = claim(world_of(), replace(ALONE, app=an_app()))
    assert isinstance(outcome, Done)
    assert outcome.facts.login_url == Secret(FRONTEND)


# -- pre-remove


def removing(world: StepWorld, attempt: int = 1) -> Outcome:
    instance = replace(CLAIMING, stage="pre-remove", attempt=attempt)
    return withdraw_and_prepare(world.again(instance), world.ports)


def claimed_world(**options: Any) -> StepWorld:
    world = world_of(**options)
    assert isinstance(claim(world), Done)
    return world


def test_the_removal_takes_the_three_variables_away_and_closes_the_entry() -> None:
    world = claimed_world()
    told(world)["OTHER"] = EnvVariable("OTHER", Secret("1"))
    assert removing(world) == Done()
    assert set(told(world)) == {"OTHER"}
    assert world.journal.held == {}


def test_an_instance_that_told_nobody_withdraws_nothing() -> None:
    world = world_of()
    assert removing(world) == Done()
    assert DELETE not in world.lagoon.operations()


def test_other_entries_of_the_ledger_are_not_withdrawn_here() -> None:
    world = world_of()
    entry = Holding(HoldingKind.AI_KEY, ORGANIZATION)
    world.journal.held[entry.kind, entry.name] = entry
    assert removing(world) == Done()
    assert (list(world.journal.held), DELETE in world.lagoon.operations()) == (
        [(entry.kind, entry.name)],
        False,
    )


def test_variables_that_a_younger_instance_has_taken_over_stay() -> None:
    world = claimed_world()
    world.journal.held[THE_ENTRY] = replace(HELD, is_shared=True)
    assert removing(world) == Done()
    assert set(told(world)) == set(CONTRACT)
    assert world.journal.held == {}


def test_an_organization_that_is_gone_needs_no_withdrawal() -> None:
    world = claimed_world()
    del world.lagoon.state.organizations[ORGANIZATION]
    assert removing(world) == Done()
    assert (world.journal.held, world.journal.owed) == ({}, {})


REFUSALS = [RefusedError("may not"), DeniedError("may not"), PortError("may not")]


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
def test_a_withdrawal_that_is_refused_fails_and_after_the_last_try_is_owed(
    error: PortError,
) -> None:
    world = claimed_world(failing={DELETE: [error] * TRIES})
    for attempt in range(1, TRIES):
        assert removing(world, attempt) == Failed("may not")
        assert world.journal.owed == {}
    assert removing(world, TRIES) == Done()
    assert world.journal.owed == {THE_ENTRY: "may not"}
    assert THE_ENTRY in world.journal.held


def test_a_withdrawal_that_succeeds_in_the_end_is_not_owed() -> None:
    world = claimed_world(failing={DELETE: [RefusedError("may not")] * 2})
    assert [removing(world, attempt) for attempt in (1, 2, 3)][2] == Done()
    assert (world.journal.held, world.journal.owed, told(world)) == ({}, {}, {})


def test_a_lagoon_that_is_away_is_waited_for_and_nothing_is_owed() -> None:
    away = EndpointError("no answer", endpoint="lagoon")
    world = claimed_world(failing={DELETE: [away]})
    with pytest.raises(EndpointError):
        removing(world, attempt=TRIES)
    assert world.journal.owed == {}
    assert removing(world, attempt=TRIES) == Done()
    assert told(world) == {}


def test_the_usual_preparation_follows_and_may_wait() -> None:
    running = Deployment(10, "lagoon-build-10", "running", CLAIMING.bulk_id)
    world = world_of(builds=(running,), build_takes=timedelta(hours=1))
    known = replace(CLAIMING.facts, build_bulk_id=CLAIMING.bulk_id)
    instance = replace(CLAIMING, stage="pre-remove", facts=known, holdings=(HELD,))
    assert isinstance(withdraw_and_prepare(instance, world.ports), Waiting)
    operations = world.lagoon.operations()
    assert operations.index(DELETE) < operations.index("cancel_deployment")


def test_the_usual_preparation_follows_a_debt_too() -> None:
    scripts = {"pre-remove": "backup"}
    world = claimed_world(failing={DELETE: [RefusedError("may not")]})
    instance = replace(CLAIMING, stage="pre-remove", attempt=TRIES, app=an_app(scripts=scripts))
    assert isinstance(withdraw_and_prepare(world.again(instance), world.ports), Done)
    assert "backup" in world.shell.scripts[-1]
