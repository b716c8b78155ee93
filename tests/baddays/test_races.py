"""Two at once: runs, removals, foreign projects, leases that ran out."""

import threading
from contextlib import suppress
from datetime import timedelta

import pytest

from polydock_pipelines.actions.operate import remove_instance, retry_instance
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.leases import LEASE
from polydock_pipelines.lifecycle.table import UNSTABLE
from polydock_pipelines.ports import NewProject
from tests.baddays.conftest import DriverMaker
from tests.baddays.driver import Driver
from tests.baddays.house import AFTER_DEATH, work_run
from tests.baddays.meddling import WorkerDiedError, once, watched
from tests.baddays.offers import SCRIPTED
from tests.baddays.soundness import SOMEBODYS, assert_sound
from tests.baddays.table import CLAIMED, REMOVED

FOREIGN = "https://git.example.com/somebody/else.git"
WHILE_WORKING = (
    "before projects.project_by_name",
    "before projects.add_project",
    "after projects.add_project",
    "before deployments.deploy_environment_branch",
    "after deployments.deploy_environment_branch",
    "before shell.run",
    "after shell.run",
)


def ask_for_removal(driver: Driver, uuid: str) -> None:
    remove_instance(driver.database, uuid, driver.clock.now(), by="a test")


def add_foreign_project(driver: Driver, name: str) -> None:
    new = NewProject(name, FOREIGN, "main", "main", 1, 1, 0, None)
    driver.eye.projects.add_project(new)


def assert_gone(driver: Driver, uuid: str) -> None:
    assert driver.row(uuid).status == REMOVED
    for project in driver.projects_of(uuid):
        assert all(environment["deleted"] for environment in project["environments"])
    assert_sound(driver)


# -- removal


@pytest.mark.parametrize("moment", WHILE_WORKING)
def test_a_removal_asked_for_under_a_lease_follows_the_step(moment: str, driver: Driver) -> None:
    uuid, asked = driver.sign_up(SCRIPTED), list[str]()

    def ask() -> None:
        ask_for_removal(driver, uuid)
        asked.append(driver.row(uuid).wanted or "")

    driver.ports = watched(driver.ports, once(moment, ask))
    driver.go_on()
    assert asked == ["remove"]
    assert_gone(driver, uuid)


@pytest.mark.parametrize("moment", WHILE_WORKING)
def test_a_removal_outlives_the_worker_that_was_to_obey_it(
    moment: str, sqlite_database: Database, driving: DriverMaker
) -> None:
    driver = driving(sqlite_database)
    uuid, good = driver.sign_up(SCRIPTED), driver.ports

    def ask_and_die() -> None:
        ask_for_removal(driver, uuid)
        raise WorkerDiedError

    driver.ports = watched(good, once(moment, ask_and_die))
    with suppress(WorkerDiedError):
        driver.go_on()
    assert driver.row(uuid).wanted == "remove"
    driver.ports = good
    driver.clock.advance(AFTER_DEATH)
    driver.go_on()
    assert_gone(driver, uuid)


# -- runs


def test_two_runs_with_one_hand_over_make_one_project_and_one_build(driver: Driver) -> None:
    uuids = [driver.sign_up(SCRIPTED, f"person{n}@example.com") for n in range(4)]
    while not driver.is_at_rest():
        for chunk in driver.due():
            runs = [
                threading.Thread(target=work_run, args=(driver.database, driver.ports, chunk))
                for _ in range(2)
            ]
            for run in runs:
                run.start()
            for run in runs:
                run.join()
        driver.clock.advance(5)
    assert {driver.row(uuid).status for uuid in uuids} == {CLAIMED}
    assert [len(driver.builds_of(uuid)) for uuid in uuids] == [1, 1, 1, 1]
    assert_sound(driver)


def test_a_run_that_never_begins_is_replaced(driver: Driver) -> None:
    uuid = driver.sign_up(SCRIPTED)
    (lost,) = driver.due()
    assert driver.due() == []
    driver.clock.advance(AFTER_DEATH)
    (found,) = driver.due()
    assert found.handover_id != lost.handover_id
    work_run(driver.database, driver.ports, found)
    work_run(driver.database, driver.ports, lost)  # it begins after all, and finds nothing
    driver.go_on()
    assert driver.row(uuid).status == CLAIMED
    assert_sound(driver)


@pytest.mark.parametrize("moment", ["before shell.run", "after shell.run"])
def test_a_worker_that_slept_over_its_lease_writes_nothing(moment: str, driver: Driver) -> None:
    uuid, good = driver.sign_up(SCRIPTED), driver.ports

    def sleep() -> None:
        driver.ports = good
        driver.clock.advance(LEASE + timedelta(seconds=60))
        driver.go_on()
        assert driver.row(uuid).status == CLAIMED

    driver.go_on(until=driver.stands(uuid, "deploy-running"))
    driver.clock.advance(30)
    driver.ports = watched(good, once(moment, sleep))
    visits = driver.tick()
    assert visits[-1].outcome == "stale"
    assert driver.row(uuid).status == CLAIMED
    assert_sound(driver)


@pytest.mark.parametrize(
    "moment", ["after projects.add_project", "after deployments.deploy_environment_branch"]
)
def test_a_worker_that_slept_after_an_effect_does_not_repeat_it(
    moment: str, driver: Driver
) -> None:
    uuid, good = driver.sign_up(SCRIPTED), driver.ports

    def sleep() -> None:
        driver.ports = good
        driver.clock.advance(LEASE + timedelta(seconds=60))
        driver.go_on()

    driver.ports = watched(good, once(moment, sleep))
    assert driver.tick()[-1].outcome == "stale"
    driver.go_on()
    assert driver.row(uuid).status == CLAIMED
    assert len(driver.builds_of(uuid)) == 1
    assert_sound(driver)


# -- somebody else in Lagoon


def test_a_name_that_is_taken_before_we_look_is_varied(driver: Driver) -> None:
    uuid = driver.sign_up(SCRIPTED)
    wanted = driver.row(uuid).name
    add_foreign_project(driver, wanted)
    driver.go_on()
    row = driver.row(uuid)
    assert (row.status, row.name.startswith(wanted[:20])) == (CLAIMED, True)
    assert row.name != wanted
    assert_sound(driver)


def test_a_name_that_is_taken_after_we_looked_fails_and_a_retry_varies_it(driver: Driver) -> None:
    uuid = driver.sign_up(SCRIPTED)
    wanted = driver.row(uuid).name
    take = once("before projects.add_project", lambda: add_foreign_project(driver, wanted))
    driver.ports = watched(driver.ports, take)
    driver.go_on()
    row = driver.row(uuid)
    assert (row.status, "not this instance's" in row.status_message) == ("create-failed", True)
    assert_sound(driver)
    retry_instance(driver.database, uuid, driver.clock.now(), by="a test")
    driver.go_on()
    assert (driver.row(uuid).status, driver.row(uuid).name != wanted) == (CLAIMED, True)
    assert_sound(driver)


def test_a_foreign_project_is_not_adopted_although_we_meant_to_make_one(driver: Driver) -> None:
    uuid = driver.sign_up(SCRIPTED)
    wanted = driver.row(uuid).name
    driver.simulator.fault("addProject", "http500")  # ours is never carried out
    driver.tick()
    add_foreign_project(driver, wanted)
    driver.go_on()
    assert driver.row(uuid).status == "create-failed"
    (theirs,) = [p for p in driver.state("projects")["projects"] if p["name"] == wanted]
    assert theirs["metadata"] == {}
    ask_for_removal(driver, uuid)
    driver.go_on()
    assert driver.row(uuid).status == REMOVED
    assert theirs in driver.state("projects")["projects"]


def test_somebody_deploys_within_the_same_second(driver: Driver) -> None:
    uuid = driver.sign_up(SCRIPTED)
    name = driver.row(uuid).name

    def deploy() -> None:
        driver.eye.deployments.deploy_environment_branch(name, "main", bulk_id=SOMEBODYS)

    moment = "before deployments.deploy_environment_branch"
    driver.ports = watched(driver.ports, once(moment, deploy))
    driver.go_on()
    assert driver.row(uuid).status == CLAIMED
    assert len({build["bulkId"] for build in driver.builds_of(uuid)}) == 2
    assert_sound(driver)


def test_a_retry_right_after_a_failed_build_waits_out_the_second(driver: Driver) -> None:
    driver.simulator.fault("deployEnvironmentBranch", "build_failed")
    driver.simulator.change(build_seconds=0)
    uuid = driver.sign_up(SCRIPTED)
    while driver.row(uuid).status in UNSTABLE:
        driver.tick()
    assert driver.row(uuid).status == "deploy-failed"
    retry_instance(driver.database, uuid, driver.clock.now(), by="a test")
    driver.go_on()
    assert driver.row(uuid).status == CLAIMED
    assert len(driver.builds_of(uuid)) == 2
