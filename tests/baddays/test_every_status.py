"""Every status is one that instances really come through: walked to, over the local Lagoon."""

from functools import partial

import pytest
from sqlalchemy import select

from polydock_pipelines.actions.operate import remove_instance, upgrade_instance
from polydock_pipelines.actions.report_health import report_health
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import StatusTransition
from polydock_pipelines.db.models.people import UserGroup
from polydock_pipelines.db.places import health_door
from polydock_pipelines.lifecycle.status import Resting
from polydock_pipelines.lifecycle.table import FAILED, STAGES, STATUSES, Kind, stage_of
from polydock_pipelines.lifecycle.transitions import pending
from tests.baddays.conftest import DriverMaker
from tests.baddays.driver import Driver
from tests.baddays.meddling import once, watched
from tests.baddays.offers import CLAIM, SCRIPTED, Offer
from tests.baddays.soundness import assert_sound
from tests.baddays.table import ALWAYS, CLAIMED, REMOVED, Trouble
from tests.makers import change_row


def walked(driver: Driver) -> set[str]:
    """Return every status that an instance has been in."""
    with driver.database.read() as session:
        return {"new", *session.scalars(select(StatusTransition.to_status))}


def test_a_life_without_trouble_comes_through_every_status_but_failures(driver: Driver) -> None:
    uuid = driver.sign_up(SCRIPTED)
    driver.go_on()
    upgrade_instance(driver.database, uuid, driver.clock.now(), by="a test")
    driver.go_on()
    for told in (Resting.UNRESPONSIVE, Resting.UNHEALTHY, Resting.HEALTHY_CLAIMED):
        token = driver.database.vault.token(health_door(uuid))
        report_health(driver.database, uuid, token, told, driver.clock.now())
    remove_instance(driver.database, uuid, driver.clock.now(), by="a test")
    driver.go_on()
    assert driver.row(uuid).status == REMOVED
    driver.ask_for_purge(uuid)
    driver.go_on()
    assert driver.row(uuid).status == REMOVED
    pool = pooled(driver)
    driver.go_on()
    assert driver.row(pool).status == Resting.HEALTHY_UNCLAIMED
    assert walked(driver) == set(STATUSES) - FAILED
    assert_sound_but_for_the_pool(driver, pool)


def pooled(driver: Driver) -> str:
    """Return an instance that nobody waits for: the pool's own way in comes with the pool."""
    uuid = driver.sign_up(SCRIPTED, email="pool@example.com")
    change_row(driver.database, driver.row(uuid).id, user_group_id=None)
    return uuid


def assert_sound_but_for_the_pool(driver: Driver, pool: str) -> None:
    """Give the pool's instance its owner back: a registration does wait for it here."""
    with driver.database.read() as session:
        group = session.scalars(select(UserGroup.id).order_by(UserGroup.id.desc())).first()
    change_row(driver.database, driver.row(pool).id, user_group_id=group)


BREAKS = {
    "pre-create": Trouble("projectByName", "graphql_error", ALWAYS),
    "create": Trouble("addProject", "quota", ALWAYS),
    "post-create": Trouble("addGroupsToProject", "graphql_error", ALWAYS),
    "pre-deploy": Trouble("addOrUpdateEnvVariableByName", "graphql_error", ALWAYS),
    "deploy": Trouble("deployEnvironmentBranch", "build_failed"),
    "post-deploy": Trouble("ssh:post-deploy", "ssh_254", ALWAYS),
    CLAIM: Trouble("ssh:polydock-claim", "ssh_254", ALWAYS),
    "pre-upgrade": Trouble("ssh:pre-upgrade", "ssh_254", ALWAYS),
    "upgrade": Trouble("deployEnvironmentBranch", "build_failed"),
    "post-upgrade": Trouble("ssh:post-upgrade", "ssh_254", ALWAYS),
    "pre-remove": Trouble("deploymentsByBulkId", "graphql_error", ALWAYS),
    "remove": Trouble("deleteEnvironment", "graphql_error", ALWAYS),
    "post-remove": Trouble("projectByName", "graphql_error", ALWAYS),
    "purge": Trouble("deleteProject", "graphql_error", ALWAYS, "Unauthorized"),
}
"""What makes each stage fail for good."""
AFTER = {
    "pre-deploy": "after projects.set_variables",
    "post-remove": "after environments.environment_by_name",
}
"""The last call of the stage before, where the fault would strike that one too."""
WITH_ALL_SCRIPTS = Offer(
    scripts={
        **SCRIPTED.scripts,
        **dict.fromkeys(("post-deploy", "pre-upgrade", "upgrade", "post-upgrade"), "true"),
    }
)


def test_the_table_of_breaks_names_every_stage() -> None:
    assert set(BREAKS) == set(STAGES)


@pytest.mark.parametrize("name", sorted(BREAKS))
def test_every_stage_can_fail_and_then_rests_with_a_reason(
    name: str, sqlite_database: Database, driving: DriverMaker
) -> None:
    driver = driving(sqlite_database)
    uuid = driver.sign_up(WITH_ALL_SCRIPTS)
    reach(driver, uuid, name)
    fault = BREAKS[name]
    strike = partial(
        driver.simulator.fault, fault.match, fault.kind, fault.times, message=fault.words
    )
    if name in AFTER:
        driver.ports = watched(driver.ports, once(AFTER[name], strike))
    else:
        strike()
    driver.go_on()
    row = driver.row(uuid)
    assert row.status == f"{name}-failed", row.status_message
    assert (row.next_check_at, row.deadline) == (None, None)
    assert_sound(driver)


def reach(driver: Driver, uuid: str, name: str) -> None:
    """Let the instance go as far as the beginning of a stage, each stage at a tick of its own."""
    stage = stage_of(pending(name))
    assert stage is not None
    if stage.kind in (Kind.UPGRADE, Kind.REMOVE, Kind.PURGE):
        driver.go_on()
        assert driver.row(uuid).status == CLAIMED
        act = upgrade_instance if stage.kind is Kind.UPGRADE else remove_instance
        act(driver.database, uuid, driver.clock.now(), by="a test")
    if stage.kind is Kind.PURGE:
        driver.go_on()
        driver.ask_for_purge(uuid)
        change_row(driver.database, driver.row(uuid).id, attempt=143)  # the day is nearly over
    if stage.name == "post-remove":
        driver.go_on(until=driver.stands(uuid, "remove-running"))
    if stage.name in ("post-deploy", CLAIM):
        driver.go_on(until=driver.stands(uuid, "deploy-running"))
