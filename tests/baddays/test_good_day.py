"""The day against which the bad ones are held: nothing goes wrong."""

import pytest
from sqlalchemy import select

from polydock_pipelines.actions.operate import remove_instance, upgrade_instance
from polydock_pipelines.apps.registry import APP_TYPES
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import StatusTransition
from polydock_pipelines.lifecycle.table import LIFECYCLE
from polydock_pipelines.simulator.world import World
from tests.baddays.calls import AI_TYPES
from tests.baddays.conftest import DriverMaker
from tests.baddays.day import CLAIMED, REMOVED
from tests.baddays.driver import Driver
from tests.baddays.offers import API_KEY, EACH_TYPE, ORGANIZATION, PLAIN, SCRIPTED
from tests.baddays.soundness import assert_sound


def test_a_good_day_ends_claimed_and_the_trial_can_be_removed(driver: Driver) -> None:
    uuid = driver.sign_up(SCRIPTED)
    driver.go_on()
    assert driver.row(uuid).status == "running-healthy-claimed"
    assert_sound(driver)
    remove_instance(driver.database, uuid, driver.clock.now(), by="a test")
    driver.go_on()
    assert driver.row(uuid).status == "removed"
    assert len(driver.builds_of(uuid)) == 1
    assert_sound(driver)


def test_an_app_without_a_script_is_claimed_with_its_route(driver: Driver) -> None:
    uuid = driver.sign_up(PLAIN)
    driver.go_on()
    row = driver.row(uuid)
    assert row.status == "running-healthy-claimed"
    assert row.app_url == f"https://frontend.main.{row.name}.eu-1.lagoon.example"
    assert_sound(driver)


@pytest.mark.parametrize("app_type", APP_TYPES)
def test_each_type_goes_through_each_stage_that_is_offered(
    app_type: str, sqlite_database: Database, driving: DriverMaker
) -> None:
    driver = driving(sqlite_database)
    uuid, now = driver.sign_up(EACH_TYPE[app_type]), driver.clock.now
    for ask, ends in ((None, CLAIMED), (upgrade_instance, CLAIMED), (remove_instance, REMOVED)):
        if ask is not None:
            ask(driver.database, uuid, now(), by="a test")
        driver.go_on()
        assert driver.row(uuid).status == ends, driver.row(uuid).status_message
        assert_sound(driver)
    with driver.database.read() as session:
        seen = set(session.scalars(select(StatusTransition.to_status)))
    offered = set(APP_TYPES[app_type].steps)
    assert {f"{stage}-completed" for stage in offered} <= seen
    assert offered == {stage.name for stage in LIFECYCLE} - {"purge"}


@pytest.mark.parametrize("app_type", AI_TYPES)
def test_a_removed_trial_leaves_nothing_at_amazee_ai(app_type: str, driver: Driver) -> None:
    before = driver.ai_things()
    uuid = driver.sign_up(EACH_TYPE[app_type])
    driver.go_on()
    assert [one.kind for one in driver.ai_things() if one not in before].count("key") == 1
    remove_instance(driver.database, uuid, driver.clock.now(), by="a test")
    driver.go_on()
    assert driver.ai_things() == before


def test_an_organization_is_told_and_untold(driver: Driver) -> None:
    uuid = driver.sign_up(EACH_TYPE["dependency-track"])
    driver.go_on()
    name = driver.row(uuid).name
    told = driver.in_lagoon(organization_values)
    assert told == {
        "LAGOON_FEATURE_FLAG_INSIGHTS": "enabled",
        "LAGOON_FEATURE_FLAG_INSIGHTS_DEPENDENCY_TRACK_API_ENDPOINT": (
            f"https://apiserver.{name}.example.com"
        ),
        "LAGOON_FEATURE_FLAG_INSIGHTS_DEPENDENCY_TRACK_API_KEY": API_KEY,
    }
    remove_instance(driver.database, uuid, driver.clock.now(), by="a test")
    driver.go_on()
    assert driver.in_lagoon(organization_values) == {}


def organization_values(world: World) -> dict[str, str]:
    """Return the variables of the organization that is served."""
    organization = world.organization_named(ORGANIZATION)
    assert organization is not None
    return {name: variable.value for name, variable in organization.variables.items()}
