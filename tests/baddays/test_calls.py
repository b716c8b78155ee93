"""The tables of `calls.py` name all there is."""

from dataclasses import replace

import pytest

from polydock_pipelines.actions.operate import remove_instance, upgrade_instance
from polydock_pipelines.apps.registry import APP_TYPES
from polydock_pipelines.db.database import Database
from polydock_pipelines.simulator.faults import AMAZEE_AI, BUILD, SSH, TRANSPORT, kinds_for
from tests.baddays.calls import AI_CALLS, CALL_DAYS, CALLS, SCRIPTS
from tests.baddays.conftest import DriverMaker
from tests.baddays.day import CLAIMED, REMOVED
from tests.baddays.offers import EACH_TYPE
from tests.baddays.table import NAMED

PROBE = {"lagoonVersion"}
"""What is asked to learn whether Lagoon is there; it fails with all the others."""
SAID_ELSEWHERE = {"ai_limit"}
"""It is refused for good, so that no day ends well with it: see `ai_days.py`."""
NO_TROUBLE = {"slow"}
"""An answer that is late and yet in time; without end it is a `timeout`."""


def test_every_app_type_has_an_offer_on_which_everything_happens() -> None:
    assert set(EACH_TYPE) == set(APP_TYPES)
    assert {day.offer.app_type for day in CALL_DAYS} == set(APP_TYPES)
    assert all(offer.app_type == key for key, offer in EACH_TYPE.items())


@pytest.mark.parametrize("app_type", EACH_TYPE)
def test_every_call_of_a_life_is_in_the_table(
    app_type: str, sqlite_database: Database, driving: DriverMaker
) -> None:
    driver = driving(sqlite_database)
    offer = EACH_TYPE[app_type]
    offer = replace(offer, scripts={**dict.fromkeys(SCRIPTS, "true"), **offer.scripts})
    uuids = [driver.sign_up(offer, f"person{n}@example.com") for n in range(2)]
    driver.go_on(until=driver.stands(uuids[0], "deploy-running"))
    remove_instance(driver.database, uuids[0], driver.clock.now(), by="a test")
    driver.go_on()
    upgrade_instance(driver.database, uuids[1], driver.clock.now(), by="a test")
    driver.go_on()
    assert [driver.row(uuid).status for uuid in uuids] == [REMOVED, CLAIMED]
    remove_instance(driver.database, uuids[1], driver.clock.now(), by="a test")
    driver.go_on()
    seen = driver.state("requests", "commands", "amazee_ai")
    asked = set(seen["requests"]) | set(seen["amazee_ai"]["requests"])
    asked |= {f"ssh:{command['stage']}" for command in seen["commands"]}
    made = {call.match for call in CALLS if call.is_made_by(app_type)}
    assert asked - PROBE == made - {"ssh:token"}


def test_every_call_fails_on_some_day_in_every_way_of_the_transport() -> None:
    struck = {(f.match, f.kind) for day in [*CALL_DAYS, *NAMED] for f in day.faults}
    for call in CALLS:
        possible = TRANSPORT if "ssh:" not in call.match else {way.kind for way in call.ways}
        if call in AI_CALLS:
            possible = set(kinds_for(call.match)) - SAID_ELSEWHERE
        assert {(call.match, kind) for kind in possible - NO_TROUBLE} <= struck


def test_every_kind_of_fault_that_the_simulator_knows_happens_on_some_day() -> None:
    happened = {fault.kind for day in [*CALL_DAYS, *NAMED] for fault in day.faults}
    assert happened >= (TRANSPORT | SSH | BUILD | AMAZEE_AI) - NO_TROUBLE
