from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from polydock_pipelines.apps.app_type import Step
from polydock_pipelines.lifecycle.instance import Effect
from polydock_pipelines.lifecycle.outcome import Done, Facts, Failed, Waiting
from polydock_pipelines.ports import (
    DeniedError,
    Deployment,
    EndpointError,
    NotFoundError,
    PortError,
)
from polydock_pipelines.steps import removal
from polydock_pipelines.steps.build import LOOKS_APART
from polydock_pipelines.steps.variables import MARKER
from tests.baddays.meddling import once, watched_lagoon
from tests.fakes.clock import START, FakeClock
from tests.fakes.lagoon import FakeLagoon
from tests.fakes.shell import FakeShell, result
from tests.makers import an_app, an_instance
from tests.unit.steps.step_world import StepWorld, a_world, our_project, standing_lagoon

PREPARING = an_instance(stage="pre-remove")
REMOVING = an_instance(stage="remove")
RECORDING = an_instance(stage="post-remove")
BULK = "b-1"
MEANT = {(Effect.DEPLOY, BULK): START - timedelta(hours=1)}
RUNNING_BUILD = Deployment(10, "lagoon-build-10", "running", BULK)
BROKEN = result(exit_code=1)
FOREIGN = our_project(metadata={MARKER: "00000000-0000-0000-0000-000000000001"})


def world_of(**options: Any) -> StepWorld:
    clock = FakeClock()
    shell = options.pop("shell", None)
    assert shell is None or isinstance(shell, FakeShell)
    return a_world(standing_lagoon(clock, **options), shell, clock=clock)


def cancelled(world: StepWorld) -> list[object]:
    calls = [c for c in world.lagoon.calls if c.operation == "cancel_deployment"]
    return [call.arguments["deployment_id"] for call in calls]


# -- pre-remove: builds


@pytest.mark.parametrize(
    "instance",
    [
        replace(PREPARING, intents=MEANT),
        replace(PREPARING, facts=Facts(lagoon_project_id=1, build_bulk_id=BULK)),
    ],
    ids=["meant", "known"],
)
def test_a_running_build_is_cancelled_and_its_end_awaited(instance) -> None:
    world = world_of(builds=(RUNNING_BUILD,), build_takes=timedelta(hours=1))
    outcome = removal.prepare(instance, world.ports)
    assert isinstance(outcome, Waiting)
    assert outcome.until == START + timedelta(seconds=10)
    assert outcome.note == "asked Lagoon to cancel lagoon-build-10"
    assert cancelled(world) == [10]
    assert removal.prepare(instance, world.ports) == Done()


def test_a_build_that_goes_on_although_cancelled_is_awaited_again() -> None:
    world = world_of(builds=(RUNNING_BUILD,), build_takes=timedelta(hours=1))
    world.lagoon.state.builds[0].deployment = replace(RUNNING_BUILD, status="running")
    first = removal.prepare(replace(PREPARING, intents=MEANT), world.ports)
    assert isinstance(first, Waiting)
    assert "delete_environment" not in world.lagoon.operations()


def test_a_start_that_was_meant_a_moment_ago_may_still_show_up() -> None:
    world = world_of()
    meant = {(Effect.DEPLOY, BULK): START - timedelta(seconds=5)}
    instance = replace(PREPARING, intents=meant)
    assert isinstance(removal.prepare(instance, world.ports), Waiting)
    world.clock.advance(LOOKS_APART)
    assert removal.prepare(instance, world.ports) == Done()


def test_a_build_that_lagoon_has_forgotten_is_not_waited_for() -> None:
    forgotten = replace(PREPARING, facts=Facts(lagoon_project_id=1, build_bulk_id=BULK))
    assert removal.prepare(forgotten, world_of().ports) == Done()


def test_intents_of_other_effects_are_no_builds() -> None:
    meant = {(Effect.CREATE_PROJECT, "x"): START, (Effect.BUILD_MISSED, BULK): START}
    world = world_of()
    assert removal.prepare(replace(PREPARING, intents=meant), world.ports) == Done()
    assert "by_bulk_ids" not in world.lagoon.operations()


# -- the scripts


def scripted(stage: str, attempt: int = 1):
    return an_instance(stage=stage, attempt=attempt, app=an_app(scripts={stage: "backup"}))


def test_the_pre_remove_script_runs() -> None:
    world = world_of()
    assert isinstance(removal.prepare(scripted("pre-remove"), world.ports), Done)
    assert "backup" in world.shell.scripts[0]


STAGES = pytest.mark.parametrize(
    ("stage", "step"), [("pre-remove", removal.prepare), ("remove", removal.delete_environment)]
)


@STAGES
@pytest.mark.parametrize("attempt", [1, 2])
def test_a_script_that_fails_is_tried_again_before_anything_is_deleted(
    stage: str, step, attempt: int
) -> None:
    world = world_of(shell=FakeShell({"backup": BROKEN}))
    outcome = step(scripted(stage, attempt), world.ports)
    assert isinstance(outcome, Failed)
    assert not outcome.is_final
    assert "delete_environment" not in world.lagoon.operations()


@pytest.mark.parametrize("answer", [BROKEN, PortError("no pod"), NotFoundError("no service")])
def test_after_three_failures_the_removal_goes_on_without_the_script_and_says_so(answer) -> None:
    world = world_of(shell=FakeShell({"backup": answer}))
    outcome = removal.prepare(scripted("pre-remove", 3), world.ports)
    assert isinstance(outcome, Done)
    assert outcome.note.startswith("going on without the pre-remove script: ")


def test_after_three_failures_of_the_remove_script_the_environment_is_deleted() -> None:
    world = world_of(shell=FakeShell({"backup": BROKEN}))
    outcome = removal.delete_environment(scripted("remove", 3), world.ports)
    assert isinstance(outcome, Waiting)
    assert "delete_environment" in world.lagoon.operations()
    assert "going on without the remove script" in outcome.note


def test_an_ssh_server_that_is_away_spends_none_of_the_scripts_tries() -> None:
    away = EndpointError("no answer", endpoint="lagoon-ssh")
    world = world_of(shell=FakeShell({"backup": away}))
    with pytest.raises(EndpointError):
        removal.prepare(scripted("pre-remove", 3), world.ports)


def test_an_instance_without_an_environment_runs_no_script() -> None:
    world = a_world(FakeLagoon(projects=[our_project()]))
    assert removal.prepare(scripted("pre-remove"), world.ports) == Done()
    assert world.shell.calls == []


# -- remove


def test_the_environments_deletion_is_asked_for_and_awaited() -> None:
    world = world_of(removal_takes=timedelta(minutes=5))
    outcome = removal.delete_environment(REMOVING, world.ports)
    assert isinstance(outcome, Waiting)
    assert outcome.until == REMOVING.deadline
    assert "main" in outcome.note
    world.clock.advance(300)
    assert removal.delete_environment(REMOVING, world.ports) == Done(Facts(lagoon_project_id=1))


def test_asking_again_while_it_goes_away_does_no_harm() -> None:
    world = world_of(removal_takes=timedelta(minutes=5))
    for _ in range(3):
        assert isinstance(removal.delete_environment(REMOVING, world.ports), Waiting)


def test_without_a_project_there_is_nothing_to_delete() -> None:
    outcome = removal.delete_environment(REMOVING, a_world(FakeLagoon()).ports)
    assert isinstance(outcome, Done)
    assert "no project" in outcome.note


def test_without_an_environment_the_deletion_is_done() -> None:
    world = a_world(FakeLagoon(projects=[our_project()]))
    assert removal.delete_environment(REMOVING, world.ports) == Done(Facts(lagoon_project_id=1))


def test_an_environment_that_vanishes_as_we_ask_is_done() -> None:
    world = world_of(failing={"delete_environment": [NotFoundError("gone")]})
    assert removal.delete_environment(REMOVING, world.ports) == Done(Facts(lagoon_project_id=1))


@pytest.mark.parametrize("step", [removal.delete_environment, removal.record])
def test_a_foreign_project_of_our_name_is_not_touched(step) -> None:
    world = a_world(FakeLagoon(projects=[FOREIGN]))
    assert isinstance(step(REMOVING, world.ports), Done)
    assert world.lagoon.operations() == ["project_by_name"]


def test_a_foreign_project_runs_none_of_our_scripts() -> None:
    lagoon = FakeLagoon(projects=[FOREIGN])
    world = a_world(lagoon)
    removal.delete_environment(scripted("remove"), world.ports)
    assert world.shell.calls == []


# -- post-remove


def test_the_day_and_time_of_the_removal_are_written_on_the_project() -> None:
    world = a_world(FakeLagoon(projects=[our_project()]))
    assert removal.record(RECORDING, world.ports) == Done()
    assert world.lagoon.values(RECORDING.name) == {
        "POLYDOCK_APP_REMOVED_DATE": "2026-03-01",
        "POLYDOCK_APP_REMOVED_TIME": "09:00:00",
    }


def test_a_project_that_is_gone_needs_no_note() -> None:
    assert removal.record(RECORDING, a_world(FakeLagoon()).ports) == Done()


def test_a_project_that_goes_as_we_write_needs_no_note() -> None:
    world = a_world(FakeLagoon(projects=[our_project()]))
    goes = once(
        "before projects.set_variables",
        lambda: world.lagoon.projects.delete_project(RECORDING.name),
    )
    ports = replace(world.ports, lagoon=watched_lagoon(world.lagoon, goes))
    assert removal.record(RECORDING, ports) == Done()


# -- a bare `Unauthorized` is never "gone"


HIDDEN = DeniedError("Unauthorized")


@pytest.mark.parametrize(
    ("step", "operation"),
    [
        (removal.prepare, "by_bulk_ids"),
        (removal.prepare, "environment_by_name"),
        (removal.delete_environment, "project_by_name"),
        (removal.delete_environment, "environment_by_name"),
        (removal.delete_environment, "delete_environment"),
        (removal.record, "project_by_name"),
        (removal.record, "set_variables"),
    ],
)
def test_what_is_hidden_is_not_gone(step: Step, operation: str) -> None:
    world = world_of(failing={operation: [HIDDEN]})
    app = an_app(scripts={"pre-remove": "backup"})
    instance = replace(PREPARING, app=app, intents=MEANT)
    with pytest.raises(DeniedError):
        step(instance, world.ports)


def test_a_note_that_a_hidden_project_does_not_take_is_not_one_too_many() -> None:
    """A bare `Unauthorized` of a variable reads as "not found"; the project is there."""
    world = world_of(failing={"set_variables": [NotFoundError("Unauthorized")]})
    with pytest.raises(NotFoundError):
        removal.record(RECORDING, world.ports)


def test_a_project_that_is_hidden_when_the_note_fails_is_not_gone() -> None:
    failing = {
        "set_variables": [NotFoundError("Unauthorized")],
        "project_by_name": [None, HIDDEN],
    }
    with pytest.raises(DeniedError):
        removal.record(RECORDING, world_of(failing=failing).ports)
