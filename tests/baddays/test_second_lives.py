"""A removed instance that is built anew: the same project, and nothing else of its first life."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from polydock_pipelines.actions.purge import restore_instance
from polydock_pipelines.apps.registry import APP_TYPES
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.mails import Email
from polydock_pipelines.db.models.offers import StoreAppScript
from polydock_pipelines.db.places import login_url
from polydock_pipelines.simulator.world import World
from tests.baddays.asking import an_operator, the_end_of_grace
from tests.baddays.conftest import DriverMaker
from tests.baddays.day import CLAIMED, REMOVED
from tests.baddays.driver import Driver
from tests.baddays.offers import CLAIM, EACH_TYPE, Offer
from tests.baddays.soundness import assert_sound
from tests.makers import VAULT, a_book

DAY = timedelta(days=1)
TELLS_THE_TIME = "echo https://app.example.com/login?token=$(date +%N)"
"""Another URL each time."""


def removed(driver: Driver, offer: Offer) -> str:
    """Take somebody to the claim, and out again."""
    uuid = driver.sign_up(offer)
    driver.go_on()
    assert driver.row(uuid).status == CLAIMED
    an_operator(driver, uuid)
    driver.go_on()
    assert driver.row(uuid).status == REMOVED
    return uuid


def restore(driver: Driver, uuid: str) -> None:
    restore_instance(a_book(driver.database), uuid, driver.clock.now(), by="a test")
    driver.go_on()
    assert driver.row(uuid).status == CLAIMED, driver.row(uuid).status_message


def variables(driver: Driver, uuid: str) -> dict[str, Any]:
    """Return the variables of its project in Lagoon."""
    name = driver.row(uuid).name

    def look(world: World) -> dict[str, Any]:
        (project,) = [p for p in world.projects.values() if p.name == name]
        return {key: variable.value for key, variable in project.variables.items()}

    return driver.in_lagoon(look)


def key_ids(driver: Driver) -> set[int]:
    return {key["id"] for key in driver.state("amazee_ai")["amazee_ai"]["keys"]}


@pytest.mark.parametrize("app_type", APP_TYPES)
def test_each_type_comes_to_life_again_with_credentials_of_its_own(
    app_type: str, sqlite_database: Database, driving: DriverMaker
) -> None:
    driver = driving(sqlite_database)
    at_first = key_ids(driver)
    uuid = driver.sign_up(EACH_TYPE[app_type])
    driver.go_on()
    first = key_ids(driver) - at_first
    an_operator(driver, uuid)
    driver.go_on()
    assert key_ids(driver) == at_first
    restore(driver, uuid)
    second = key_ids(driver) - at_first
    assert (len(second), second & first) == (len(first), set())
    assert len(driver.projects_of(uuid)) == 1
    assert_sound(driver)
    an_operator(driver, uuid)
    driver.go_on()
    assert key_ids(driver) == at_first
    the_end_of_grace(driver, uuid)
    driver.go_on()
    assert driver.row(uuid).purged_at is not None
    assert driver.projects_of(uuid) == []
    assert_sound(driver)


def test_a_second_life_has_another_way_in_and_no_note_of_the_removal(driver: Driver) -> None:
    uuid = driver.sign_up(Offer(scripts={CLAIM: TELLS_THE_TIME}))
    driver.go_on()
    first = way_in(driver, uuid)
    an_operator(driver, uuid)
    driver.go_on()
    notes = {"POLYDOCK_APP_REMOVED_DATE", "POLYDOCK_APP_REMOVED_TIME"}
    assert notes <= set(variables(driver, uuid))
    restore_instance(a_book(driver.database), uuid, driver.clock.now(), by="a test")
    row = driver.row(uuid)
    assert (row.login_url, row.login_valid_until, row.app_url) == (None, None, None)
    driver.go_on()
    assert way_in(driver, uuid) != first
    assert not notes & set(variables(driver, uuid))
    builds = driver.builds_of(uuid)
    assert len({build["bulkId"] for build in builds}) == len(builds) == 2


def way_in(driver: Driver, uuid: str) -> str:
    row = driver.row(uuid)
    assert row.login_url is not None
    return VAULT.open(login_url(row), row.login_url).reveal()


def test_the_trial_begins_anew_and_its_mails_with_it(driver: Driver) -> None:
    mails = {kind: {"enabled": True} for kind in ("ready", "midtrial", "trial_complete")}
    uuid = removed(driver, Offer(app={"mails": mails}))
    first = driver.row(uuid)
    driver.clock.advance(5 * DAY)
    restore(driver, uuid)
    row = driver.row(uuid)
    began = row.trial_started_at
    assert began is not None
    assert first.trial_started_at is not None
    assert began > first.trial_started_at + 5 * DAY
    assert (row.trial_ends_at, row.midtrial_email_at) == (began + 14 * DAY, began + 7 * DAY)
    assert (row.claimed_at, row.trial_completed) == (first.claimed_at, False)
    at(driver, began + 7 * DAY)
    at(driver, began + 14 * DAY)
    driver.go_on()
    assert driver.row(uuid).status == REMOVED
    assert written(driver) == [
        ("ready", "life 1"),
        ("ready", "life 2"),
        ("midtrial", "life 2"),
        ("trial_complete", f"life 2, end {began + 14 * DAY:%Y-%m-%dT%H:%M:%S}"),
    ]
    assert_sound(driver)


def at(driver: Driver, moment: datetime) -> None:
    driver.clock.at = moment
    driver.keep_time()


def written(driver: Driver) -> list[tuple[str, str]]:
    with driver.database.read() as session:
        return [(mail.kind, mail.occasion) for mail in session.query(Email).order_by(Email.id)]


def test_what_failed_before_its_claim_is_restored_for_the_person_who_waited(
    driver: Driver,
) -> None:
    uuid = driver.sign_up(Offer(scripts={CLAIM: "exit 3"}))
    driver.go_on()
    an_operator(driver, uuid)
    driver.go_on()
    assert driver.row(uuid).status == REMOVED
    change_script(driver)
    restore(driver, uuid)
    row = driver.row(uuid)
    assert (row.claimed_at, row.life) == (row.trial_started_at, 2)
    assert_sound(driver)


def change_script(driver: Driver) -> None:
    with driver.database.write() as session:
        session.query(StoreAppScript).filter_by(stage=CLAIM).update({"script": TELLS_THE_TIME})
