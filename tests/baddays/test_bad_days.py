"""Each row of the table, played to its end, mended where it failed, and looked at for soundness."""

import pytest
from sqlalchemy import select, update

from polydock_pipelines.actions.debts import settle_debts
from polydock_pipelines.actions.operate import retry_instance, upgrade_instance
from polydock_pipelines.db import debts, places
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import InstanceLog
from polydock_pipelines.db.models.offers import Store, StoreAppScript
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.lifecycle.table import FAILED, STABLE
from tests.baddays.asking import an_operator
from tests.baddays.calls import CALL_DAYS, LOST, LOST_ANSWERS
from tests.baddays.conftest import DriverMaker
from tests.baddays.day import CLAIMED, REMOVED, BadDay
from tests.baddays.driver import Driver
from tests.baddays.endings import ENDS, PURGES, RESTORES
from tests.baddays.house import MINUTE
from tests.baddays.soundness import assert_sound
from tests.baddays.table import BUILDS, NAMED, OUTAGES, REMOVALS, UPGRADES
from tests.makers import VAULT, a_book

LOST_LIVES = [day for day in CALL_DAYS if any(f.kind == LOST.kind for f in day.faults)]
ON_SQLITE = [*NAMED, *(day for day in CALL_DAYS if day not in LOST_LIVES), *LOST_ANSWERS]
ON_POSTGRES = [
    *(*BUILDS, *OUTAGES, *REMOVALS, *UPGRADES),
    *(*ENDS, *PURGES, *RESTORES, *LOST_LIVES),
]
"""The days on which who writes what, and when, is all there is to it."""


def rows(days: list[BadDay]) -> list[object]:
    return [pytest.param(day, id=day.name) for day in days]


@pytest.mark.parametrize("day", rows(ON_SQLITE))
def test_a_bad_day_ends_well_on_sqlite(
    day: BadDay, sqlite_database: Database, driving: DriverMaker
) -> None:
    play(day, sqlite_database, driving)


@pytest.mark.parametrize("day", rows(ON_POSTGRES))
def test_a_bad_day_ends_well_on_postgres(
    day: BadDay, postgres_database: Database, driving: DriverMaker
) -> None:
    play(day, postgres_database, driving)


def play(day: BadDay, database: Database, driving: DriverMaker) -> None:
    driver = driving(database, timeout_s=day.timeout_s, token=day.token)
    uuid = begin(day, driver)
    driver.go_on(patience=day.minutes * MINUTE)
    assert driver.row(uuid).status == day.ends, driver.row(uuid).status_message
    assert_said(day, driver, uuid)
    assert_struck(day, driver)
    assert_sound(driver)
    assert_owed(day, driver, driving)
    if day.ends not in STABLE:
        mend(day, driver, driving, uuid)
        driver.go_on()
        assert driver.row(uuid).status == day.goal
        assert_sound(driver)
    driver.keep_time()
    if not driver.is_at_rest():  # a purge follows the removal
        driver.go_on()
        assert_sound(driver)
    assert len(driver.builds_of(uuid)) == day.builds


def begin(day: BadDay, driver: Driver) -> str:
    driver.simulator.change(**day.cluster)
    uuid = driver.sign_up(day.offer)
    if day.is_upgrade:
        driver.go_on()
        assert driver.row(uuid).status == CLAIMED
        upgrade_instance(driver.database, uuid, driver.clock.now(), by="a test")
    if day.once_removed:
        driver.go_on()
        an_operator(driver, uuid)
        driver.go_on()
        assert driver.row(uuid).status == REMOVED
    if day.strikes_at:
        driver.go_on(until=driver.stands(uuid, day.strikes_at))
        assert driver.row(uuid).status == day.strikes_at
    strike(day, driver)
    if day.is_upgraded:
        driver.go_on()
        assert driver.row(uuid).status == CLAIMED, driver.row(uuid).status_message
        upgrade_instance(driver.database, uuid, driver.clock.now(), by="a test")
    ask(day, driver, uuid)
    return uuid


def strike(day: BadDay, driver: Driver) -> None:
    """Let it begin to go wrong."""
    if day.befalls is not None:
        driver.in_lagoon(day.befalls)
    for fault in day.faults:
        driver.simulator.fault(fault.match, fault.kind, fault.times, message=fault.words)


def ask(day: BadDay, driver: Driver, uuid: str) -> None:
    """Let somebody ask for what the day is about."""
    if day.remove_at:
        driver.go_on(until=driver.stands(uuid, day.remove_at))
        assert driver.row(uuid).status == day.remove_at
        day.removed_by(driver, uuid)
    if day.once_removed:
        day.once_removed(driver, uuid)


def assert_said(day: BadDay, driver: Driver, uuid: str) -> None:
    row = driver.row(uuid)
    with driver.database.read() as session:
        lines = list(
            session.scalars(select(InstanceLog.message).where(InstanceLog.instance_id == row.id))
        )
    held_back = a_book(driver.database).gate(driver.clock.now()).sentences()
    places_to_look = lines if day.ends in STABLE else [row.status_message, *held_back]
    for words in day.says:
        assert [text for text in places_to_look if words in text], (words, places_to_look)


def assert_struck(day: BadDay, driver: Driver) -> None:
    left = {fault["match"]: fault["times"] for fault in driver.state("faults")["faults"]}
    for fault in day.faults:
        assert left.get(fault.match, 0) < fault.times, f"{fault} never struck"


def assert_owed(day: BadDay, driver: Driver, driving: DriverMaker) -> None:
    """Assert that debts are there when the day says so, and settled once the cause is gone."""
    assert bool(debts.all_of(driver.database)) == day.owes
    if not day.owes:
        return
    mend_outside(day, driver, driving)
    book, ports = a_book(driver.database), driver.ports
    settled = settle_debts(book, ports.lagoon, ports.amazee_ai, driver.clock.now())
    assert settled.paid
    assert not settled.left
    assert_sound(driver)


def mend(day: BadDay, driver: Driver, driving: DriverMaker, uuid: str) -> None:
    """Let somebody take the cause away; an operator retries only what failed."""
    mend_outside(day, driver, driving)
    with driver.database.write() as session:
        for stage, text in day.mended_scripts.items():
            session.execute(
                update(StoreAppScript).where(StoreAppScript.stage == stage).values(script=text)
            )
        store = session.scalars(select(Store)).one()
        for name, value in day.mended_store.items():
            setattr(store, name, value)
        if day.mended_key is not None:
            store.deploy_key = VAULT.seal(places.deploy_key(store), Secret(day.mended_key))
    driver.clock.advance(5)
    if day.ends in FAILED:
        retry_instance(driver.database, uuid, driver.clock.now(), by="a test")


def mend_outside(day: BadDay, driver: Driver, driving: DriverMaker) -> None:
    """Let somebody take the cause away outside."""
    driver.in_lagoon(lambda world: world.faults.clear())
    driver.simulator.change(**day.well)
    if day.mend is not None:
        driver.in_lagoon(day.mend)
    if day.token is not None:
        well = driving(driver.database)
        driver.ports, driver.eye = well.ports, well.eye
