"""Dagster is told of new signups once; what fails is free again at once."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from polydock_pipelines.actions.hand_over import NEW, hand_over_new
from polydock_pipelines.actions.launch import launch_provisioning
from polydock_pipelines.db import handovers
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.operations import Handover
from polydock_pipelines.lifecycle.table import Kind
from polydock_pipelines.ports import EndpointError, PortError
from tests.fakes.clock import START, FakeClock
from tests.fakes.launcher import FakeLauncher
from tests.makers import (
    a_book,
    change_row,
    instance_row,
    make_group,
    make_instance_row,
    new_instance,
)


def waiting(db: Database, number: int) -> list[int]:
    """Make new requests."""
    return [new_instance(db, priority=0) for _ in range(number)]


def test_a_launch_names_the_job_and_carries_ids_only(database: Database) -> None:
    one = new_instance(database, user_email="ada@example.com")
    launcher = FakeLauncher()
    assert launch_provisioning(database, launcher, START) == "run-1"
    (call,) = launcher.calls
    row = instance_row(database, one)
    assert call.job == "provision_instances"
    assert call.run_config == {
        "ops": {"create_projects": {"config": {"handover_id": row.handover_id}}}
    }
    assert call.tags["polydock/kind"] == "provision"
    assert call.tags["polydock/instances"] == "1"
    assert call.tags["polydock/instance"] == row.uuid
    assert row.user_email not in call.tags.values()


def test_nothing_new_is_no_launch(database: Database) -> None:
    launcher = FakeLauncher()
    assert launch_provisioning(database, launcher, START) is None
    assert launcher.calls == []


def test_while_a_run_has_not_begun_there_is_no_second(database: Database) -> None:
    launcher, clock = FakeLauncher(), FakeClock()
    for _ in range(20):
        waiting(database, 1)
        launch_provisioning(database, launcher, clock.now())
        clock.advance(1)
    assert len(launcher.calls) == 1


def test_once_the_run_began_the_next_signup_gets_another(database: Database) -> None:
    launcher = FakeLauncher()
    (one,) = waiting(database, 1)
    launch_provisioning(database, launcher, START)
    handover_id = instance_row(database, one).handover_id
    assert handover_id is not None
    handovers.start(database, handover_id, Kind.PROVISION, "run-1", START)
    waiting(database, 1)
    assert launch_provisioning(database, launcher, START) == "run-2"


def test_a_run_that_never_begins_is_replaced(database: Database) -> None:
    launcher = FakeLauncher()
    waiting(database, 1)
    launch_provisioning(database, launcher, START)
    later = START + handovers.BEFORE_START
    assert launch_provisioning(database, launcher, later - timedelta(seconds=1)) is None
    assert launch_provisioning(database, launcher, later) == "run-2"


@pytest.mark.parametrize("error", [PortError("refused"), EndpointError("away", endpoint="dagster")])
def test_a_launch_that_fails_frees_its_rows_at_once(database: Database, error: PortError) -> None:
    rows = waiting(database, 3)
    launcher = FakeLauncher(failing=[error])
    assert launch_provisioning(database, launcher, START) is None
    assert {instance_row(database, one).handed_until for one in rows} == {None}
    (chunk,) = hand_over_new(a_book(database), START, "signups")
    assert chunk.size == 3
    with database.read() as session:
        failed = session.scalars(select(Handover).where(Handover.source == "intake")).one()
    assert failed.ended_at == START


def test_the_next_wake_after_a_failure_launches_again(database: Database) -> None:
    waiting(database, 1)
    launcher = FakeLauncher(failing=[PortError("refused")])
    launch_provisioning(database, launcher, START)
    assert launch_provisioning(database, launcher, START) == "run-2"


def test_only_new_requests_are_launched(database: Database) -> None:
    (held,) = waiting(database, 1)
    change_row(database, held, lease_token="t", lease_until=START + timedelta(minutes=1))
    with database.write() as session:
        group = make_group(session)
        make_instance_row(session, status="pending-deploy", group=group)
        make_instance_row(session, status="running-healthy-claimed", group=group)
        assert NEW == ("pending-pre-create",)
    launcher = FakeLauncher()
    assert launch_provisioning(database, launcher, START) is None
    assert launcher.calls == []


def test_a_burst_is_one_launch(database: Database) -> None:
    waiting(database, 120)
    launcher = FakeLauncher()
    launch_provisioning(database, launcher, START)
    (call,) = launcher.calls
    assert call.tags["polydock/instances"] == "120"
