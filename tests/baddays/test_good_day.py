"""The day against which the bad ones are held: nothing goes wrong."""

import pytest
from sqlalchemy import select

from polydock_pipelines.actions.operate import remove_instance, upgrade_instance
from polydock_pipelines.apps.registry import APP_TYPES
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import InstanceLog, StatusTransition
from polydock_pipelines.lifecycle.table import LIFECYCLE
from polydock_pipelines.simulator.world import World
from tests.baddays.calls import AI_TYPES
from tests.baddays.conftest import DriverMaker
from tests.baddays.day import CLAIMED, REMOVED
from tests.baddays.driver import Driver
from tests.baddays.offers import API_KEY, EACH_TYPE, ORGANIZATION, PLAIN, SCRIPTED
from tests.baddays.soundness import SOMEBODYS, assert_sound
from tests.makers import change_row


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
    assert {f"{stage.name}-completed" for stage in LIFECYCLE if stage.has_completed} <= seen
    driver.ask_for_purge(uuid)
    driver.go_on()
    assert driver.row(uuid).status == REMOVED, driver.row(uuid).status_message
    assert driver.projects_of(uuid) == []
    assert_sound(driver)
    assert set(APP_TYPES[app_type].steps) == {stage.name for stage in LIFECYCLE}


def test_a_purge_deletes_first_what_still_stands_in_the_project(driver: Driver) -> None:
    uuid, name = removed(driver)
    driver.ports.lagoon.deployments.deploy_environment_branch(name, "main", bulk_id=SOMEBODYS)
    driver.ask_for_purge(uuid)
    driver.go_on()
    assert driver.projects_of(uuid) == []
    lines = said(driver)
    assert "Purge attempt 1/144: environments still stand: main" in lines
    assert lines[-1] == "Lagoon project deleted"
    assert_sound(driver)


def test_a_project_that_somebody_deleted_is_gone_beside_a_neighbour_only(driver: Driver) -> None:
    uuid, name = removed(driver)
    driver.ports.lagoon.projects.delete_project(name)
    driver.ask_for_purge(uuid)
    driver.tick()
    assert "cannot be proven" in driver.row(uuid).status_message
    driver.sign_up(SCRIPTED, "neighbour@example.com")
    driver.go_on()
    assert driver.row(uuid).status == REMOVED
    assert said(driver)[-1] == "Lagoon project already deleted"
    assert_sound(driver)


def test_a_purge_that_is_never_proven_ends_at_its_cap(driver: Driver) -> None:
    uuid, name = removed(driver)
    driver.ports.lagoon.projects.delete_project(name)
    driver.ask_for_purge(uuid)
    change_row(driver.database, driver.row(uuid).id, attempt=142)  # the day is nearly over
    driver.go_on()
    row = driver.row(uuid)
    assert row.status == "purge-failed"
    assert row.status_message.startswith(
        "Purge polling cap reached (144 attempts) without success: Purge attempt 144/144: "
    )
    assert f"polydock instances purge {name} --confirm-gone" in row.status_message
    assert_sound(driver)


def removed(driver: Driver) -> tuple[str, str]:
    """Return uuid and name of an instance that was claimed and removed."""
    uuid = driver.sign_up(SCRIPTED)
    driver.go_on()
    remove_instance(driver.database, uuid, driver.clock.now(), by="a test")
    driver.go_on()
    row = driver.row(uuid)
    assert row.status == REMOVED
    return uuid, row.name


def said(driver: Driver) -> list[str]:
    """Return the lines of all purges, oldest first."""
    chosen = select(InstanceLog.message).where(InstanceLog.stage == "purge")
    with driver.database.read() as session:
        return list(session.scalars(chosen.order_by(InstanceLog.id)))


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
