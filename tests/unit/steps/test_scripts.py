from dataclasses import replace

import pytest

from polydock_pipelines.lifecycle.outcome import Done, Facts, Failed
from polydock_pipelines.ports import NotFoundError
from polydock_pipelines.steps.scripts import environment_of, run_stage_script
from polydock_pipelines.steps.wrapper import DIED, NO_PLACE
from tests.fakes.lagoon import FakeLagoon
from tests.fakes.shell import FakeShell, result
from tests.makers import an_app, an_instance
from tests.unit.steps.step_world import a_world, our_project, standing_lagoon

INSTANCE = an_instance(stage="post-deploy", app=an_app(scripts={"post-deploy": "drush cim"}))


def world_answering(answer):
    return a_world(standing_lagoon(), FakeShell({"# polydock-stage: post-deploy": answer}))


def test_a_stage_without_a_script_is_done_and_asks_nobody() -> None:
    world = a_world(standing_lagoon())
    assert run_stage_script(replace(INSTANCE, stage="pre-upgrade"), world.ports) == Done()
    assert world.lagoon.calls == []
    assert world.shell.calls == []


def test_a_script_that_succeeds_is_done_and_its_namespace_known() -> None:
    world = world_answering(result("anything"))
    assert run_stage_script(INSTANCE, world.ports) == Done(Facts(namespace="trial-calm-otter-main"))
    assert "drush cim" in world.shell.scripts[0]


def test_a_script_that_fails_is_final_because_its_result_is_kept() -> None:
    outcome = run_stage_script(INSTANCE, world_answering(result(exit_code=7)).ports)
    assert outcome == Failed(
        "the post-deploy script exited with 7; mend the script or the app, then retry",
        is_final=True,
    )


def test_a_script_that_ended_with_its_container_runs_again() -> None:
    outcome = run_stage_script(INSTANCE, world_answering(result(exit_code=DIED)).ports)
    assert isinstance(outcome, Failed)
    assert not outcome.is_final


def test_a_container_without_a_place_is_noted() -> None:
    outcome = run_stage_script(INSTANCE, world_answering(result(stderr=NO_PLACE)).ports)
    assert isinstance(outcome, Done)
    assert outcome.note == NO_PLACE


def test_a_script_needs_its_environment() -> None:
    world = a_world(FakeLagoon(projects=[our_project()]))
    with pytest.raises(NotFoundError, match="has no environment main in Lagoon"):
        run_stage_script(INSTANCE, world.ports)


def test_an_instance_without_a_project_has_no_environment() -> None:
    world = a_world(standing_lagoon())
    assert environment_of(replace(INSTANCE, facts=Facts()), world.ports) is None
    assert world.lagoon.calls == []
