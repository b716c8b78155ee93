from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from polydock_pipelines.lifecycle.instance import Effect, Instance, bulk_id
from polydock_pipelines.lifecycle.outcome import Done, Facts, Failed, Outcome, Waiting
from polydock_pipelines.ports import (
    Deployment,
    EndpointError,
    NotFoundError,
    RefusedError,
    StaleLeaseError,
)
from polydock_pipelines.steps.build import LOOKS_APART, deploy
from tests.fakes.clock import FakeClock
from tests.fakes.lagoon import FakeLagoon
from tests.makers import an_instance
from tests.unit.steps.step_world import StepWorld, a_world, standing_lagoon

DEPLOYING = an_instance(stage="deploy")
ID = DEPLOYING.bulk_id
INTENT = (Effect.DEPLOY, ID)
HOUR = timedelta(hours=1)


def a_build(status: str, number: int = 10, bulk: str = ID) -> Deployment:
    return Deployment(number, f"lagoon-build-{number}", status, bulk)


def facts(build: Deployment) -> Facts:
    return Facts(build_name=build.name, build_status=build.status, build_bulk_id=build.bulk_id)


def world_of(*builds: Deployment, **options: Any) -> StepWorld:
    clock = FakeClock()
    lagoon = standing_lagoon(clock, builds=builds, build_takes=HOUR, **options)
    return a_world(lagoon, clock=clock)


def starts(world: StepWorld) -> int:
    return world.lagoon.operations().count("deploy_environment_branch")


def next_visit(world: StepWorld, instance: Instance = DEPLOYING) -> Outcome:
    """Run the step as the next run would: with what the journal holds by now."""
    return deploy(replace(instance, intents=dict(world.journal.intents)), world.ports)


def test_the_first_visit_starts_one_build_and_waits_until_the_deadline() -> None:
    world = world_of()
    outcome = deploy(DEPLOYING, world.ports)
    (build,) = world.lagoon.builds
    assert isinstance(outcome, Waiting)
    assert outcome.until == DEPLOYING.deadline
    assert outcome.facts == facts(build)
    assert build.bulk_id == ID
    assert set(world.journal.intents) == {INTENT}


def test_later_visits_find_the_build_by_its_bulk_id_and_start_no_other() -> None:
    world = world_of()
    deploy(DEPLOYING, world.ports)
    world.clock.advance(600)
    assert isinstance(next_visit(world), Waiting)
    world.clock.advance(HOUR)
    outcome = next_visit(world)
    assert isinstance(outcome, Done)
    assert outcome.facts.build_status == "complete"
    assert starts(world) == 1


@pytest.mark.parametrize("status", ["new", "pending", "queued", "running"])
def test_a_build_at_work_is_waited_for(status: str) -> None:
    world = world_of(a_build(status))
    outcome = deploy(DEPLOYING, world.ports)
    assert isinstance(outcome, Waiting)
    assert starts(world) == 0


@pytest.mark.parametrize("status", ["failed", "cancelled", "error"])
def test_a_build_that_ended_badly_is_final_and_says_what_to_do(status: str) -> None:
    world = world_of(a_build(status))
    outcome = deploy(DEPLOYING, world.ports)
    assert isinstance(outcome, Failed)
    assert outcome.is_final
    assert f"lagoon-build-10 ended {status}" in outcome.reason
    assert "retry" in outcome.reason
    assert outcome.facts.build_status == status


def test_of_several_builds_the_running_one_counts_then_the_newest() -> None:
    world = world_of(a_build("failed", 10), a_build("running", 11), a_build("failed", 12))
    assert isinstance(deploy(DEPLOYING, world.ports), Waiting)
    world = world_of(a_build("failed", 10), a_build("complete", 12), a_build("failed", 11))
    assert isinstance(deploy(DEPLOYING, world.ports), Done)


# -- a start without an answer


def away() -> EndpointError:
    return EndpointError("no answer", endpoint="lagoon")


def test_a_start_without_an_answer_keeps_its_intent() -> None:
    world = world_of(failing={"deploy_environment_branch": [away()]})
    with pytest.raises(EndpointError):
        deploy(DEPLOYING, world.ports)
    assert INTENT in world.journal.intents


def test_a_start_that_lagoon_carried_out_is_found_and_not_repeated() -> None:
    world = world_of(failing_after={"deploy_environment_branch": [away()]})
    with pytest.raises(EndpointError):
        deploy(DEPLOYING, world.ports)
    assert isinstance(next_visit(world), Waiting)
    assert starts(world) == 1
    assert len(world.lagoon.builds) == 1


def test_a_start_that_was_lost_is_looked_for_twice_a_minute_apart_before_another() -> None:
    world = world_of(failing={"deploy_environment_branch": [away(), None]})
    with pytest.raises(EndpointError):
        deploy(DEPLOYING, world.ports)
    world.clock.advance(30)
    first_look = world.clock.now()
    outcome = next_visit(world)
    assert isinstance(outcome, Waiting)
    assert outcome.until == first_look + LOOKS_APART
    world.clock.advance(59)
    assert isinstance(next_visit(world), Waiting)
    assert starts(world) == 1
    world.clock.advance(1)
    next_visit(world)
    assert starts(world) == 2
    assert len(world.lagoon.builds) == 1


def test_a_build_that_shows_up_between_the_two_looks_is_taken() -> None:
    world = world_of(failing={"deploy_environment_branch": [away()]})
    with pytest.raises(EndpointError):
        deploy(DEPLOYING, world.ports)
    next_visit(world)
    world.lagoon.deployments.deploy_environment_branch(DEPLOYING.name, "main", bulk_id=ID)
    world.clock.advance(LOOKS_APART)
    outcome = next_visit(world)
    assert isinstance(outcome, Waiting)
    assert outcome.facts.build_bulk_id == ID
    assert len(world.lagoon.builds) == 1


def test_a_second_lost_start_is_looked_for_twice_again() -> None:
    world = world_of(failing={"deploy_environment_branch": [away(), away(), None]})
    for _ in range(2):
        with pytest.raises(EndpointError):
            next_visit(world)
        world.clock.advance(10)
        assert isinstance(next_visit(world), Waiting)
        world.clock.advance(LOOKS_APART)
    assert isinstance(next_visit(world), Waiting)
    assert starts(world) == 3


def test_a_definite_refusal_takes_the_intent_back() -> None:
    world = world_of(failing={"deploy_environment_branch": [RefusedError("no such branch"), None]})
    with pytest.raises(RefusedError):
        deploy(DEPLOYING, world.ports)
    assert INTENT not in world.journal.intents
    assert isinstance(next_visit(world), Waiting)
    assert len(world.lagoon.builds) == 1


def test_a_build_that_lagoon_started_and_does_not_show_is_never_built_again() -> None:
    instance = an_instance(stage="deploy")
    started = replace(instance, facts=replace(instance.facts, build_bulk_id=instance.bulk_id))
    world = a_world(standing_lagoon())
    outcome = deploy(started, world.ports)
    assert isinstance(outcome, Waiting)
    assert outcome.until == world.clock.now() + LOOKS_APART
    assert "deploy_environment_branch" not in world.lagoon.operations()


def test_nothing_is_started_when_the_lease_is_lost() -> None:
    world = world_of()
    world.journal.is_stale = True
    with pytest.raises(StaleLeaseError):
        deploy(DEPLOYING, world.ports)
    assert starts(world) == 0


# -- generations

RETRIED = an_instance(stage="deploy", generation=2)


@pytest.mark.parametrize(("status", "expected"), [("running", Waiting), ("complete", Done)])
def test_a_retry_adopts_the_last_generations_build_if_it_runs_or_ended_well(
    status: str, expected: type[Outcome]
) -> None:
    world = world_of(a_build(status))
    assert isinstance(deploy(RETRIED, world.ports), expected)
    assert starts(world) == 0


@pytest.mark.parametrize("status", ["failed", "cancelled", "error"])
def test_a_retry_starts_a_build_of_its_own_after_a_bad_one(status: str) -> None:
    world = world_of(a_build(status))
    outcome = deploy(RETRIED, world.ports)
    assert isinstance(outcome, Waiting)
    assert outcome.facts.build_bulk_id == bulk_id(DEPLOYING.uuid, "deploy", 2)
    assert starts(world) == 1


def test_an_upgrade_builds_anew_although_the_first_build_was_good() -> None:
    world = world_of(a_build("complete"))
    assert isinstance(deploy(an_instance(stage="upgrade"), world.ports), Waiting)
    assert starts(world) == 1


def test_a_build_needs_its_project() -> None:
    with pytest.raises(NotFoundError):
        deploy(DEPLOYING, a_world(FakeLagoon()).ports)


def test_a_build_that_hangs_is_cancelled_at_the_deadline_and_not_waited_for() -> None:
    world = world_of(build_status=lambda _build: None)  # it goes on running
    deploy(DEPLOYING, world.ports)
    world.clock.at = DEPLOYING.deadline - timedelta(seconds=1)
    assert isinstance(next_visit(world), Waiting)
    world.clock.at = DEPLOYING.deadline
    outcome = next_visit(world)
    assert isinstance(outcome, Failed)
    assert outcome.is_final
    assert "asked to cancel it" in outcome.reason
    assert [build.status for build in world.lagoon.builds] == ["cancelled"]
    assert starts(world) == 1
