"""`GET /api/register/{uuid}` and `GET /api/regions`: what is shown, to whom, and for how long."""

import uuid as uuids
from datetime import datetime, timedelta
from typing import Any

import pytest

from polydock_pipelines.actions.operate import remove_instance, retry_instance
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.door import write
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.requests import Registration
from polydock_pipelines.db.vault import Vault, new_key
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle.transitions import Change
from tests.fakes.clock import START
from tests.integration.actions.tables import dump
from tests.integration.intake.door import APP, Door, Street, opened
from tests.makers import (
    VAULT,
    make_group,
    make_instance_row,
    make_registration,
    make_store,
    make_store_app,
    make_user,
)

LOGIN = "https://trial.example.com/user/reset/1/Canary4711/login"
PASSWORD = "Generated4Canary"  # pragma: allowlist secret
VALID_UNTIL = START + timedelta(hours=24)
PERSON = {"user_first_name": "Ada", "user_last_name": "Lovelace", "user_email": "ada@example.com"}
LAGOON = {
    "lagoon_project_id": 17,
    "lagoon_project_name": "trial-calm-otter",
    "lagoon_deploy_branch": "main",
}


def claimed(db: Database, *, status: str = "success", **changes: Any) -> str:
    """Make a registration that came to a trial; return its uuid."""
    with db.write() as session:
        row = make_instance_row(
            session,
            status="running-healthy-claimed",
            group=make_group(session, make_user(session)),
            password=PASSWORD,
            name="trial-calm-otter",
            **{"login_url": LOGIN, "login_valid_until": VALID_UNTIL, "app_url": "https://a.b"}
            | {"lagoon_project_id": 17, **PERSON}
            | changes,
        )
        result = {"result_type": "trial_created", "message": "Your trial is ready."}
        return make_registration(session, row, status=status, **result).uuid


def test_a_pending_registration_shows_that_it_waits(door: Door) -> None:
    with door.db.write() as session:
        row = make_registration(session, status="pending", message="Your trial is being created...")
    assert door.read(row.uuid).json() == {
        "status": "pending",
        "email": "ada@example.com",
        "result_data": {
            "result_type": "processing",
            "message": "Your trial is being created...",
            "message_detail": "",
            "user_email_domain": "example.com",
        },
        "created_at": "2026-03-01T09:00:00+00:00",
        "updated_at": "2026-03-01T09:00:00+00:00",
    }


def test_a_registration_in_hand_shows_where_it_is_made(door: Door) -> None:
    answer = door.read(door.register().json()["id"]).json()
    result = answer["result_data"]
    assert answer["status"] == "processing"
    assert result.keys() == {
        *("result_type", "message", "message_detail", "user_email_domain"),
        *LAGOON,
        *PERSON,
    }
    assert result["lagoon_project_id"] is None
    assert result["lagoon_project_name"].startswith("trial-")
    assert result["user_email"] == "grace@example.com"


def test_a_trial_that_is_ready_shows_how_to_log_in(door: Door) -> None:
    answer = door.read(claimed(door.db)).json()
    assert (answer["status"], answer["result_data"]) == (
        "success",
        {
            "result_type": "trial_created",
            "message": "Your trial is ready.",
            "message_detail": "",
            "user_email_domain": "example.com",
            "app_url": LOGIN,
            "app_admin_username": "demo4711",
            "app_admin_password": PASSWORD,
            **LAGOON,
            **PERSON,
        },
    )


@pytest.mark.parametrize(
    ("after", "is_shown"),
    [
        (timedelta(0), True),
        (timedelta(hours=24, seconds=-1), True),
        (timedelta(hours=24), False),
        (timedelta(days=400), False),
    ],
)
def test_the_login_vanishes_with_the_url(door: Door, after: timedelta, is_shown: bool) -> None:  # noqa: FBT001 - a case
    uuid = claimed(door.db)
    door.clock.advance(after)
    answer = door.read(uuid)
    assert (PASSWORD in answer.text, LOGIN in answer.text) == (is_shown, is_shown)
    assert ("app_admin_username" in answer.json()["result_data"]) is is_shown
    assert answer.json()["status"] == "success"


@pytest.mark.parametrize("status", ["pending", "processing", "failed"])
def test_no_login_is_shown_before_success(door: Door, status: str) -> None:
    answer = door.read(claimed(door.db, status=status))
    assert PASSWORD not in answer.text
    assert LOGIN not in answer.text


def test_a_login_without_an_end_is_not_shown(door: Door) -> None:
    assert PASSWORD not in door.read(claimed(door.db, login_valid_until=None)).text


def test_a_login_that_cannot_be_read_does_not_take_the_answer_down(
    street: Street, sqlite_url: str
) -> None:
    sealed = Database(sqlite_url, VAULT)
    uuid = claimed(sealed)
    sealed.close()
    other = Database(sqlite_url, Vault([new_key()]))
    with opened(street, other) as door:
        answer = door.read(uuid)
    other.close()
    assert (answer.status_code, answer.json()["status"]) == (200, "success")
    assert "app_admin_password" not in answer.json()["result_data"]


@pytest.mark.parametrize(
    "uuid",
    [
        "00000000-0000-0000-0000-000000000000",
        "Canary4711",
        "1",
        "%00",
        "%F0%9F%92%A9",
        "%27%20OR%201=1--",
        "x" * 3000,
    ],
)
def test_an_unknown_registration_is_a_404(shut_door: Door, uuid: str) -> None:
    answer = shut_door.read(uuid)
    assert answer.status_code == 404
    assert answer.json() == {"status": "error", "message": "Registration not found"}


def test_a_uuid_may_be_written_in_capitals(door: Door) -> None:
    assert door.read(claimed(door.db).upper()).status_code == 200


def test_nobody_may_keep_the_answer(door: Door) -> None:
    assert door.read(claimed(door.db)).headers["cache-control"] == "no-store"
    assert door.read(str(uuids.uuid4())).headers["cache-control"] == "no-store"


def test_reading_changes_nothing(door: Door) -> None:
    uuid = door.register().json()["id"]
    with door.db.write() as session:
        broken = make_instance_row(session, status="deploy-failed")
        failed = make_registration(session, broken, status="processing").uuid
    while not door.launcher.calls:
        door.http.get("/healthz")
    before = dump(door.db)
    door.clock.advance(timedelta(days=30))
    for path in (f"/api/register/{uuid}", f"/api/register/{failed}", "/api/regions", "/readyz"):
        assert door.http.get(path).status_code == 200
        assert door.http.head(path).status_code in (200, 405)
    assert dump(door.db) == before


def fail(db: Database, uuid: str, now: datetime) -> str:
    """Let the instance of a registration fail; return its uuid."""
    with db.write() as session:
        row = session.query(AppInstance).join(
            Registration, Registration.instance_id == AppInstance.id
        )
        instance = row.filter(Registration.uuid == uuid).one()
        write(session, instance, Change(("create-failed",), "no quota Canary4711"), Writing(now))
        return instance.uuid


def test_a_registration_fails_with_its_instance_and_nobody_has_to_ask(door: Door) -> None:
    uuid = door.register().json()["id"]
    fail(door.db, uuid, door.clock.now())
    result = door.read(uuid)
    assert result.json()["status"] == "failed"
    assert result.json()["result_data"]["message"] == "Failed to process registration."
    assert result.json()["result_data"]["message_detail"] == "An unexpected error occurred."
    assert result.json()["result_data"]["result_type"] == "registration_failed"
    assert "Canary4711" not in result.text


def test_a_retry_takes_the_registration_along(door: Door) -> None:
    uuid = door.register().json()["id"]
    instance = fail(door.db, uuid, door.clock.now())
    retry_instance(door.db, instance, door.clock.now(), by="test")
    result = door.read(uuid).json()
    assert (result["status"], result["result_data"]["result_type"]) == ("processing", "processing")


def test_a_removal_before_the_claim_is_told(door: Door) -> None:
    uuid = door.register().json()["id"]
    instance = fail(door.db, uuid, door.clock.now())
    remove_instance(door.db, instance, door.clock.now(), by="test")
    result = door.read(uuid).json()
    assert result["status"] == "failed"
    assert "removed before it was ready" in result["result_data"]["message_detail"]


def test_the_list_of_regions_has_the_shape_of_the_original(door: Door) -> None:
    answer = door.http.get("/api/regions")
    (region,) = answer.json()["data"]["regions"]
    assert answer.status_code == 200
    assert answer.json().keys() == {"status", "message", "data", "status_code"}
    assert (answer.json()["status"], answer.json()["status_code"]) == ("success", 200)
    assert region.keys() == {"id", "label", "apps"}
    assert [(app.keys(), app["uuid"]) for app in region["apps"]] == [({"uuid", "label"}, APP)]


def test_only_what_anybody_may_try_is_listed(street: Street, database: Database) -> None:
    listed: dict[str, Any] = {"is_listed_in_marketplace": True}
    with database.write() as session:
        south = make_store(session, name="South", **listed)
        north = make_store(session, name="North", **listed)
        make_store(session, name="Empty", **listed)
        for number, store in enumerate(
            [
                make_store(session, name="Private", status="private", **listed),
                make_store(session, name="Away", status="unavailable", **listed),
                make_store(session, name="Unlisted", is_listed_in_marketplace=False),
            ]
        ):
            make_store_app(session, store, name=f"Hidden {number}")
        make_store_app(session, south, name="Wiki")
        make_store_app(session, south, name="CMS")
        make_store_app(session, north, name="Wiki")
        make_store_app(session, south, name="Gone", status="unavailable")
        make_store_app(session, south, name="Not to try", is_available_for_trials=False)
    with opened(street, database) as door:
        regions = door.http.get("/api/regions").json()["data"]["regions"]
    shown = [(r["label"], [app["label"] for app in r["apps"]]) for r in regions]
    assert shown == [("North", ["Wiki"]), ("South", ["CMS", "Wiki"])]


def test_no_region_is_an_empty_list(street: Street, database: Database) -> None:
    with opened(street, database) as door:
        answer = door.http.get("/api/regions")
    assert (answer.status_code, answer.json()["data"]) == (200, {"regions": []})
