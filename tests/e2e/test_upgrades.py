"""Upgrades through Dagster: from the Launchpad by name, and by the sensors' ticks."""

from typing import Any

from polydock_pipelines.actions.operate import upgrade_instance
from tests.baddays.offers import SCRIPTED
from tests.baddays.table import CLAIMED
from tests.e2e.house import DAGSTERS_WARNINGS, House, failure_of

pytestmark = DAGSTERS_WARNINGS


def claimed(house: House, people: int) -> list[str]:
    uuids = house.sign_up(SCRIPTED, people)
    house.tick_and_run("signups")
    house.move(90)
    house.tick_and_run("builds")
    assert house.statuses() == {CLAIMED}
    return uuids


def launch(house: House, **config: Any) -> Any:
    """Launch the job as an operator does."""
    job = house.defs.resolve_job_def("upgrade_instances")
    return job.execute_in_process(
        run_config={"ops": {"prepare_upgrades": {"config": config}}},
        instance=house.dagster,
        raise_on_error=False,
    )


def test_an_upgrade_is_built_by_sensors_and_returns_to_where_it_was(house: House) -> None:
    (uuid,) = claimed(house, 1)
    upgrade_instance(house.database, uuid, house.clock.now(), by="a test", reason="a new version")
    house.tick_and_run("due_instances")
    assert house.row(uuid).status == "upgrade-running"
    house.move(90)
    house.tick_and_run("builds")
    assert house.row(uuid).status == CLAIMED
    assert house.shown(uuid)[-1] == CLAIMED


def test_the_launchpad_upgrades_those_that_are_named_and_no_others(sqlite_house: House) -> None:
    house = sqlite_house
    one, other = claimed(house, 2)
    named = house.row(one).name
    run = launch(house, instances=[named], requested_by="ada", reason="a new version")
    assert run.success
    assert (house.row(one).status, house.row(other).status) == ("upgrade-running", CLAIMED)
    house.move(90)
    house.tick_and_run("builds")
    assert house.statuses() == {CLAIMED}


def test_the_launchpad_asks_who_and_why_and_knows_its_instances(sqlite_house: House) -> None:
    house = sqlite_house
    (uuid,) = claimed(house, 1)
    run = launch(house, instances=[uuid], requested_by=" ", reason="")
    told = failure_of(run, "prepare_upgrades")
    assert "say who asks" in told.description
    run = launch(house, instances=["nobody"], requested_by="ada", reason="a new version")
    assert "there is no instance nobody" in failure_of(run, "prepare_upgrades").description
    assert house.row(uuid).status == CLAIMED
