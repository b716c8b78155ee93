"""A worker may die around every call that changes something: the next one goes on from there."""

from contextlib import suppress

import pytest

from polydock_pipelines.actions.operate import remove_instance, upgrade_instance
from polydock_pipelines.db.database import Database
from tests.baddays.conftest import DriverMaker
from tests.baddays.driver import Driver
from tests.baddays.house import AFTER_DEATH
from tests.baddays.meddling import WorkerDiedError, once, watched
from tests.baddays.offers import CLAIM, LOGIN_TOKEN, SCRIPTED, Offer
from tests.baddays.soundness import assert_sound
from tests.baddays.table import CLAIMED, REMOVED

FULL = Offer(
    scripts={
        **SCRIPTED.scripts,
        "post-deploy": "echo post-deploy >> ../ran",
        "pre-remove": "echo pre-remove >> ../ran",
        "remove": "echo remove >> ../ran",
    }
)
"""Each script keeps count of how often it ran."""

LOOKS = {
    "projects.project_by_name",
    "environments.environment_by_name",
    "deployments.by_bulk_ids",
}
LIFE = (
    ("projects.project_by_name", 1),  # pre-create
    ("projects.project_by_name", 2),  # create
    ("projects.add_project", 1),
    ("projects.update_project_metadata", 1),  # the marker
    ("projects.add_groups_to_project", 1),
    ("projects.update_project_metadata", 2),
    ("projects.set_variables", 1),
    ("projects.set_variables", 2),  # pre-deploy
    ("deployments.by_bulk_ids", 1),
    ("deployments.deploy_environment_branch", 1),
    ("deployments.by_bulk_ids", 2),  # the build has ended
    ("environments.environment_by_name", 1),
    ("shell.run", 1),  # post-deploy
    ("projects.set_variables", 3),  # the claim writes the person
    ("projects.update_project_metadata", 3),
    ("environments.environment_by_name", 2),
    ("shell.run", 2),
)
DEATH = (
    ("deployments.by_bulk_ids", 1),
    ("environments.environment_by_name", 1),
    ("environments.environment_by_name", 2),
    ("shell.run", 1),  # pre-remove
    ("projects.project_by_name", 1),
    ("environments.environment_by_name", 3),
    ("environments.environment_by_name", 4),
    ("environments.environment_by_name", 5),
    ("shell.run", 2),  # remove
    ("environments.delete_environment", 1),
    ("projects.project_by_name", 2),  # it is gone
    ("environments.environment_by_name", 6),
    ("projects.project_by_name", 3),  # post-remove
    ("projects.set_variables", 1),
)


def die() -> None:
    raise WorkerDiedError


def moments(calls: tuple[tuple[str, int], ...]) -> list[object]:
    """Return the moments around each call that changes something, and after the first looks."""
    chosen = [(f"after {call}", time) for call, time in calls if call not in LOOKS or time == 1]
    chosen += [(f"before {call}", time) for call, time in calls if call not in LOOKS]
    return [pytest.param(moment, time, id=f"{moment} {time}") for moment, time in chosen]


def survive(driver: Driver, moment: str, time: int) -> None:
    """Let a worker die at a moment, and others go on when its lease has run out."""
    good, deaths = driver.ports, list[str]()

    def last_words() -> None:
        deaths.append(moment)
        die()

    driver.ports = watched(good, once(moment, last_words, time=time))
    with suppress(WorkerDiedError):
        driver.go_on()
    assert deaths == [moment]
    driver.ports = good
    driver.look_at_builds()
    driver.clock.advance(AFTER_DEATH)
    driver.go_on()


@pytest.mark.parametrize(("moment", "time"), moments(LIFE))
def test_a_worker_that_dies_on_the_way_to_the_claim_costs_nothing(
    moment: str, time: int, sqlite_database: Database, driving: DriverMaker
) -> None:
    driver = driving(sqlite_database)
    uuid = driver.sign_up(FULL)
    survive(driver, moment, time)
    assert driver.row(uuid).status == CLAIMED
    assert len(driver.builds_of(uuid)) == 1
    assert scripts_that_ran(driver, uuid) == ["post-deploy"]
    assert_sound(driver)


@pytest.mark.parametrize(("moment", "time"), moments(DEATH))
def test_a_worker_that_dies_during_a_removal_costs_nothing(
    moment: str, time: int, sqlite_database: Database, driving: DriverMaker
) -> None:
    driver = driving(sqlite_database)
    uuid = driver.sign_up(FULL)
    driver.go_on()
    remove_instance(driver.database, uuid, driver.clock.now(), by="a test")
    survive(driver, moment, time)
    assert driver.row(uuid).status == REMOVED
    assert scripts_that_ran(driver, uuid) == ["post-deploy", "pre-remove", "remove"]
    assert_sound(driver)


UPGRADES = ("pre-upgrade", "upgrade", "post-upgrade")
UPGRADING = Offer(
    scripts={**SCRIPTED.scripts, **{stage: f"echo {stage} >> ../ran" for stage in UPGRADES}}
)


@pytest.mark.parametrize(
    ("moment", "time"),
    [
        ("after shell.run", 1),
        ("after projects.set_variables", 1),
        ("before deployments.deploy_environment_branch", 1),
        ("after deployments.deploy_environment_branch", 1),
        ("after shell.run", 2),
        ("after shell.run", 3),
    ],
)
def test_a_worker_that_dies_during_an_upgrade_costs_nothing(
    moment: str, time: int, sqlite_database: Database, driving: DriverMaker
) -> None:
    driver = driving(sqlite_database)
    uuid = driver.sign_up(UPGRADING)
    driver.go_on()
    upgrade_instance(driver.database, uuid, driver.clock.now(), by="a test")
    survive(driver, moment, time)
    assert driver.row(uuid).status == CLAIMED
    assert len(driver.builds_of(uuid)) == 2
    assert scripts_that_ran(driver, uuid) == list(UPGRADES)
    assert_sound(driver)


def scripts_that_ran(driver: Driver, uuid: str) -> list[str]:
    namespace = driver.row(uuid).namespace
    (ran,) = (driver.simulator.options.home / "containers").glob(f"{namespace}.*/ran")
    return ran.read_text().split()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "call", ["add_project", "update_project_metadata", "set_variables", "add_groups_to_project"]
)
def test_a_worker_that_dies_on_postgres_costs_nothing(
    when: str, call: str, postgres_database: Database, driving: DriverMaker
) -> None:
    driver = driving(postgres_database)
    uuid = driver.sign_up(FULL)
    survive(driver, f"{when} projects.{call}", 1)
    assert driver.row(uuid).status == CLAIMED
    assert_sound(driver)


def test_the_moments_above_are_all_the_calls_of_a_life(driver: Driver) -> None:
    good, calls = driver.ports, list[str]()
    driver.ports = watched(good, calls.append)
    uuid = driver.sign_up(FULL)
    driver.go_on()
    assert numbered(calls) == list(LIFE)
    calls.clear()
    remove_instance(driver.database, uuid, driver.clock.now(), by="a test")
    driver.go_on()
    assert numbered(calls) == list(DEATH)


def numbered(calls: list[str]) -> list[tuple[str, int]]:
    """Return each call that was made, with its number."""
    made = [call.removeprefix("before ") for call in calls if call.startswith("before ")]
    return [(call, made[: n + 1].count(call)) for n, call in enumerate(made)]


def test_six_workers_that_die_in_one_stage_are_enough(driver: Driver) -> None:
    uuid = driver.sign_up(SCRIPTED)
    good, moment = driver.ports, "before projects.add_project"
    for _ in range(6):
        driver.ports = watched(good, once(moment, die))
        with suppress(WorkerDiedError):
            driver.tick()
        driver.clock.advance(AFTER_DEATH)
    driver.ports = good
    driver.go_on()
    row = driver.row(uuid)
    assert row.status == "create-failed"
    assert "the worker died in each of 6 attempts" in row.status_message
    assert_sound(driver)


def test_a_bug_in_a_step_is_tried_six_times_and_ends_as_a_failure(driver: Driver) -> None:
    uuid, met = driver.sign_up(SCRIPTED), list[str]()

    def bug(now: str) -> None:
        if now == "before shell.run":
            met.append(now)
            raise ZeroDivisionError(LOGIN_TOKEN)

    driver.ports = watched(driver.ports, bug)
    driver.go_on()
    assert (len(met), driver.row(uuid).status) == (6, f"{CLAIM}-failed")
    assert_sound(driver)
