"""The schedule `stuck_instances` and its asset: a run when there is something to tell."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from polydock_pipelines.actions.pause import pause, resume
from polydock_pipelines.db.models.instances import AppInstance
from tests.baddays.offers import PLAIN
from tests.e2e.house import DAGSTERS_WARNINGS, House
from tests.makers import change_row

pytestmark = DAGSTERS_WARNINGS
QUIET = datetime(2026, 3, 1, 9, 5, tzinfo=UTC)
HALF_PAST = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def asks_for_a_run(house: House, at: datetime = QUIET) -> bool:
    schedule = house.defs.resolve_schedule_def("stuck_instances")
    resources = house.defs.resources
    with dg.build_schedule_context(
        instance=house.dagster, scheduled_execution_time=at, resources=resources
    ) as context:
        return bool(schedule.evaluate_tick(context).run_requests)


def checks(house: House) -> dict[str, tuple[bool, str]]:
    """Run the job; return its checks, whether they passed and what they say."""
    job = house.defs.resolve_job_def("find_stuck_instances")
    run = job.execute_in_process(instance=house.dagster)
    found = run.get_asset_check_evaluations()
    return {check.check_name: (check.passed, check.description or "") for check in found}


def test_in_quiet_times_it_runs_each_half_hour(sqlite_house: House) -> None:
    house = sqlite_house
    house.sign_up(PLAIN)
    assert not asks_for_a_run(house)
    assert asks_for_a_run(house, HALF_PAST)
    assert checks(house) == dict.fromkeys(
        ("no_stuck_instances", "lagoon_reachable", "nothing_paused"), (True, "all is well")
    )


def test_a_pause_is_told_at_once_and_so_is_its_end(sqlite_house: House) -> None:
    house = sqlite_house
    house.sign_up(PLAIN)
    pause(house.database, house.clock.now(), by="ada", reason="inventory")
    assert asks_for_a_run(house)
    passed, said = checks(house)["nothing_paused"]
    assert not passed
    assert "paused by ada" in said
    assert "polydock resume" in said
    assert house.tick("signups") == []
    resume(house.database, house.clock.now(), by="ada")
    assert asks_for_a_run(house)
    assert checks(house)["nothing_paused"][0]
    assert len(house.tick("signups")) == 1
    house.move(3600)
    assert not asks_for_a_run(house)


def test_an_absent_lagoon_is_told_and_holds_everything_back(sqlite_house: House) -> None:
    house = sqlite_house
    (uuid,) = house.sign_up(PLAIN)
    house.lagoon.fault("POST /graphql", "http500", 1000)
    house.tick_and_run("signups")
    assert (house.row(uuid).status, house.row(uuid).attempt) == ("pending-pre-create", 0)
    passed, said = checks(house)["lagoon_reachable"]
    assert not passed
    assert "lagoon is away since" in said
    house.move(1)
    assert house.tick("signups") == []
    assert "lagoon is away since" in house.skipped
    house.lagoon._call(lambda world: world.faults.clear())
    house.move(60)
    house.tick("builds")
    assert len(house.tick("signups") + house.tick("due_instances")) == 1
    assert checks(house)["lagoon_reachable"][0]


@pytest.mark.parametrize("changes", [{"next_check_at": None}, {"status": "create-completed"}])
def test_a_row_without_an_owner_is_found_and_gets_one_or_an_end(
    sqlite_house: House, changes: dict[str, object]
) -> None:
    house = sqlite_house
    (uuid,) = house.sign_up(PLAIN)
    change_row(house.database, house.row(uuid).id, **changes)
    assert asks_for_a_run(house)
    passed, said = checks(house)["no_stuck_instances"]
    assert (passed, "no owner" in said) == (False, True)
    house.move(timedelta(minutes=11).total_seconds())
    checks(house)
    row: AppInstance = house.row(uuid)
    if "status" in changes:
        assert (row.status, "stood still" in row.status_message) == ("create-failed", True)
    else:
        assert len(house.tick("signups")) == 1
