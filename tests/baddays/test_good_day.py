"""The day against which the bad ones are held: nothing goes wrong."""

from polydock_pipelines.actions.operate import remove_instance
from tests.baddays.driver import Driver
from tests.baddays.offers import PLAIN, SCRIPTED
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
