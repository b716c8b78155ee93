from dataclasses import replace
from datetime import timedelta

from polydock_pipelines.lifecycle.instance import Instance, Script, bulk_id
from polydock_pipelines.lifecycle.outcome import Done, Facts, Failed, Waiting
from polydock_pipelines.steps import upgrade
from tests.fakes.clock import FakeClock
from tests.fakes.shell import FakeShell, result
from tests.makers import an_app, an_instance
from tests.unit.steps.step_world import StepWorld, a_world, standing_lagoon

HOUR = timedelta(hours=1)


def at(stage: str, *, generation: int = 2, **facts: object) -> Instance:
    """Return a running instance at a stage of its upgrade, every stage with a script."""
    stages = ("pre-upgrade", "upgrade", "post-upgrade")
    app = an_app(scripts={name: Script(f"run {name}") for name in stages})
    known = Facts(lagoon_project_id=1, **facts)  # pyright: ignore[reportArgumentType]
    return an_instance(stage=stage, generation=generation, app=app, facts=known)


def world_of(shell: FakeShell | None = None) -> StepWorld:
    clock = FakeClock()
    return a_world(standing_lagoon(clock, build_takes=HOUR), shell, clock=clock)


def built(instance: Instance, generation: int) -> Facts:
    known = bulk_id(instance.uuid, "upgrade", generation)
    return replace(instance.facts, build_bulk_id=known, build_status="complete")


def test_before_the_build_the_script_runs_and_variables_are_pushed() -> None:
    world = world_of()
    assert isinstance(upgrade.prepare(at("pre-upgrade"), world.ports), Done)
    assert "run pre-upgrade" in world.shell.scripts[0]
    assert "POLYDOCK_APP_NAME" in world.lagoon.values(at("pre-upgrade").name)


def test_a_failed_script_pushes_nothing() -> None:
    world = world_of(FakeShell({"run pre-upgrade": result(exit_code=3)}))
    assert isinstance(upgrade.prepare(at("pre-upgrade"), world.ports), Failed)
    assert "set_variables" not in world.lagoon.operations()


def test_the_script_waits_for_the_build_and_runs_once_it_is_good() -> None:
    world = world_of()
    first = upgrade.deploy(at("upgrade"), world.ports)
    assert isinstance(first, Waiting)
    assert world.shell.scripts == []
    world.clock.advance(HOUR.total_seconds() + 1)
    done = upgrade.deploy(replace(at("upgrade"), intents=world.journal.intents), world.ports)
    assert isinstance(done, Done)
    assert done.facts.build_status == "complete"
    assert ["run upgrade" in script for script in world.shell.scripts] == [True]


def test_a_retry_after_a_failed_script_uses_the_build_that_is_there() -> None:
    world = world_of(FakeShell({"run upgrade": [result(exit_code=3), result()]}))
    upgrade.deploy(at("upgrade"), world.ports)
    world.clock.advance(HOUR.total_seconds() + 1)
    failed = upgrade.deploy(replace(at("upgrade"), intents=world.journal.intents), world.ports)
    assert isinstance(failed, Failed)
    assert failed.facts == Facts()
    again = upgrade.deploy(at("upgrade", generation=3), world.ports)
    assert isinstance(again, Done)
    assert len(world.lagoon.builds) == 1


def test_a_second_upgrade_builds_again_although_the_first_one_was_good() -> None:
    world = world_of()
    upgrade.deploy(at("upgrade"), world.ports)
    world.clock.advance(HOUR.total_seconds() + 1)
    second = at("upgrade", generation=3)
    second = replace(second, facts=built(second, 2))
    assert isinstance(upgrade.deploy(second, world.ports), Waiting)
    assert len(world.lagoon.builds) == 2


def test_afterwards_the_project_says_when_it_was_upgraded() -> None:
    world = world_of()
    assert isinstance(upgrade.complete(at("post-upgrade"), world.ports), Done)
    values = world.lagoon.values(at("post-upgrade").name)
    assert values["POLYDOCK_APP_LAST_UPGRADED_DATE"] == f"{world.clock.now():%Y-%m-%d}"
    assert values["POLYDOCK_APP_LAST_UPGRADED_TIME"] == f"{world.clock.now():%H:%M:%S}"
    assert "run post-upgrade" in world.shell.scripts[0]
