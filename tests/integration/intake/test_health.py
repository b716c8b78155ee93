"""Apps tell their health: only with their own token, and never past who they are for."""

import pytest

from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.operations import OutboxEvent
from polydock_pipelines.db.places import health_door
from tests.integration.intake.door import Door
from tests.makers import VAULT, change_row, make_group, make_instance_row

CLAIMED, UNCLAIMED = "running-healthy-claimed", "running-healthy-unclaimed"
UNHEALTHY, UNRESPONSIVE = "running-unhealthy", "running-unresponsive"


def standing(door: Door, status: str, *, is_owned: bool = True) -> AppInstance:
    with door.db.write() as session:
        group = make_group(session) if is_owned else None
        return make_instance_row(session, status=status, group=group)


def url(row: AppInstance, status: str) -> str:
    return f"/api/instance/{row.uuid}.{VAULT.token(health_door(row.uuid))}/health/{status}"


def status_of(door: Door, row: AppInstance) -> str:
    with door.db.read() as session:
        return session.get_one(AppInstance, row.id).status


def events(door: Door) -> int:
    with door.db.read() as session:
        return session.query(OutboxEvent).count()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_report_is_taken_once_and_back_again(door: Door, method: str) -> None:
    row = standing(door, CLAIMED)
    answer = door.http.request(method, url(row, UNHEALTHY))
    assert answer.status_code == 200
    assert answer.json() == {
        "message": "Health status updated successfully",
        "instance": row.uuid,
        "status": UNHEALTHY,
        "status_code": 200,
    }
    told = events(door)
    assert door.http.request(method, url(row, UNHEALTHY)).status_code == 200
    assert events(door) == told
    door.http.request(method, url(row, UNRESPONSIVE))
    door.http.request(method, url(row, CLAIMED))
    assert status_of(door, row) == CLAIMED


def test_the_token_may_come_as_the_original_sent_it(door: Door) -> None:
    row = standing(door, CLAIMED)
    path = f"/api/instance/{row.uuid}/health/{UNHEALTHY}"
    token = VAULT.token(health_door(row.uuid))
    assert door.http.get(path, params={"token": token}).status_code == 200
    assert status_of(door, row) == UNHEALTHY


@pytest.mark.parametrize("token", ["", "x", "0" * 40, "é"])
def test_without_its_token_nobody_speaks_for_an_app(door: Door, token: str) -> None:
    row, other = standing(door, CLAIMED), standing(door, CLAIMED)
    for wrong in (token, VAULT.token(health_door(other.uuid))):
        path = f"/api/instance/{row.uuid}/health/{UNHEALTHY}"
        answer = door.http.get(path, params={"token": wrong})
        assert answer.status_code == 401
        assert answer.json()["error"] == "Unauthorized: Invalid or missing health token"
    assert status_of(door, row) == CLAIMED


@pytest.mark.parametrize("way", [[UNCLAIMED], [UNHEALTHY, UNCLAIMED], [UNRESPONSIVE, UNCLAIMED]])
def test_no_way_round_leads_from_a_person_to_the_pool(door: Door, way: list[str]) -> None:
    row = standing(door, CLAIMED)
    codes = [door.http.post(url(row, status)).status_code for status in way]
    assert codes[-1] == 409
    assert status_of(door, row) != UNCLAIMED


def test_no_way_round_leads_from_the_pool_to_a_person(door: Door) -> None:
    row = standing(door, UNCLAIMED, is_owned=False)
    assert door.http.post(url(row, UNHEALTHY)).status_code == 200
    assert door.http.post(url(row, CLAIMED)).status_code == 409
    assert door.http.post(url(row, UNCLAIMED)).status_code == 200


@pytest.mark.parametrize("status", ["deploy-running", "pending-polydock-claim", "removed", "new"])
def test_only_what_runs_has_a_health(door: Door, status: str) -> None:
    row = standing(door, status)
    answer = door.http.post(url(row, UNHEALTHY))
    assert answer.status_code == 400
    assert answer.json()["error"] == "Current status is not ready for health check update"
    assert status_of(door, row) == status


@pytest.mark.parametrize(
    ("told", "says"), [("fine", "Invalid status value"), ("removed", "Invalid running status")]
)
def test_a_word_that_is_no_running_status_is_refused(door: Door, told: str, says: str) -> None:
    row = standing(door, CLAIMED)
    answer = door.http.post(url(row, told))
    assert (answer.status_code, answer.json()["error"]) == (400, says)


def test_a_trial_that_was_unhealthy_keeps_its_dates(door: Door) -> None:
    row = standing(door, CLAIMED)
    change_row(door.db, row.id, claimed_at=door.clock.now())
    claimed_at = door.clock.now()
    door.clock.advance(3600)
    door.http.post(url(row, UNHEALTHY))
    door.http.post(url(row, CLAIMED))
    with door.db.read() as session:
        assert session.get_one(AppInstance, row.id).claimed_at == claimed_at
