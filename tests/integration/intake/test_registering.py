"""`POST /api/register`: what is taken, what is kept of it, and what is not."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from polydock_pipelines.actions.register import RegisterType
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.offers import Variable
from polydock_pipelines.db.models.people import User
from polydock_pipelines.db.models.requests import Registration
from tests.integration.actions.tables import counts, dump
from tests.integration.intake.door import APP, SETTINGS, Door, Street, body, offer, opened, without

CANARY = "Canary4711"
FAILED = "Failed to process registration."


def kept(door: Door) -> Registration:
    """Return the only registration."""
    with door.db.read() as session:
        return session.scalars(select(Registration)).one()


def test_a_good_request_is_answered_as_the_original_engine_did(door: Door) -> None:
    answer = door.register()
    row = kept(door)
    assert answer.status_code == 202
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "status": "pending",
        "message": "Registration pending",
        "id": row.uuid,
    }
    assert (row.status, row.result_type) == ("processing", "processing")
    assert row.message == "Your trial is being created..."
    assert row.instance_id is not None


def test_a_good_request_starts_one_run(door: Door) -> None:
    door.register()
    door.http.get("/healthz")
    until_launched(door)
    (call,) = door.launcher.calls
    assert call.job == "provision_instances"
    assert "grace" not in repr(call).lower()


def until_launched(door: Door) -> None:
    """Wait for the thread that speaks to Dagster."""
    for _ in range(500):
        if door.launcher.calls:
            return
        time.sleep(0.01)


def test_a_body_of_exactly_64_kib_is_taken(door: Door) -> None:
    assert door.post(json.dumps(body()).encode().ljust(64 * 1024)).status_code == 202


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api+json", ""]
)
def test_json_may_be_called_by_its_other_names(door: Door, kind: str) -> None:
    assert door.post(json.dumps(body()), {"Content-Type": kind}).status_code == 202


NAMES = (
    "דוד",
    "\u0645\u062d\u0645\u062f\u200c\u0631\u0636\u0627",
    "\u200fشيرين\u200f",
    "👩\u200d💻 Grace 🏳️\u200d🌈",
    "Zoë O'Hara-Ño",
    "李明",
    "\U0001d4a2race",
    "<b>Grace</b>",
    "Robert'); DROP TABLE users;--",
    "{{ 7 * 7 }}",
    "[/bold]",
    "x" * 255,
)


def test_names_of_all_scripts_are_kept_as_they_are(door: Door) -> None:
    for name in NAMES:
        answer = door.register(first_name=f"  {name} ", last_name=name, company_name=name)
        assert answer.status_code == 202, answer.text
    with door.db.read() as session:
        rows = session.scalars(select(AppInstance).order_by(AppInstance.id)).all()
        requests = session.scalars(select(Registration.request).order_by(Registration.id)).all()
    for name, row, request in zip(NAMES, rows, requests, strict=True):
        assert (row.user_first_name, row.user_last_name, row.company_name) == (name, name, name)
        assert request["first_name"] == name


def test_an_address_is_kept_in_lower_case(door: Door) -> None:
    door.register(email="  Grace.Hopper@Example.COM ")
    with door.db.read() as session:
        assert session.scalars(select(User.email)).all() == ["grace.hopper@example.com"]
    assert kept(door).email == "grace.hopper@example.com"


UNKNOWN = {
    "instance_config_amazeeai_key_mode": CANARY,
    "instance_config_country": CANARY,
    "lagoon-claim-script": CANARY,
    "config": {"lagoon-deploy-private-key": CANARY},
    "config.user-email": CANARY,
    "recaptcha": CANARY,
    "is_trial": False,
    "admin_created": True,
    "user_email": CANARY,
    "user_group_id": 1,
    "status": CANARY,
    "__proto__": {"is_trial": False},
    CANARY: CANARY,
    "deep": [[[[{"a": CANARY}]]]],
    "surrogate": "\ud800",
    "nul": "\0",
    "huge": 10**400,
}


def test_fields_that_we_do_not_know_are_neither_read_nor_kept(door: Door) -> None:
    assert door.register(**UNKNOWN).status_code == 202
    assert CANARY not in json.dumps(dump(door.db))
    with door.db.read() as session:
        assert session.scalars(select(Variable)).all() == []
        assert session.scalars(select(AppInstance.is_trial)).all() == [True]
    known = set(kept(door).request)
    assert not known & set(UNKNOWN)


def test_optional_fields_may_be_null(door: Door) -> None:
    nothing = dict.fromkeys(("company_name", "organization", "job_title", "region"))
    assert door.register(**nothing).status_code == 202
    assert kept(door).request["company_name"] == ""


def test_any_answer_about_product_news_is_an_answer(door: Door) -> None:
    answers = ((True, 1, "on", "¤" * 999), (False, 0, "no", ""))
    for opt_in, meaning in [(x, True) for x in answers[0]] + [(x, False) for x in answers[1]]:
        assert door.register(opt_in_to_product_updates=opt_in).status_code == 202
        with door.db.read() as session:
            newest = session.scalars(select(Registration).order_by(Registration.id.desc())).first()
        assert newest is not None
        assert newest.request["opt_in_to_product_updates"] is meaning


@pytest.mark.parametrize(
    ("changes", "message", "detail"),
    [
        (
            {"aup_and_privacy_acceptance": 0},
            FAILED,
            "You must accept the AUP and Privacy Policy to proceed",
        ),
        (
            {"aup_and_privacy_acceptance": 2},
            FAILED,
            "You must accept the AUP and Privacy Policy to proceed",
        ),
        (
            {"trial_app": "00000000-0000-0000-0000-000000000000"},
            FAILED,
            "The requested trial is not available",
        ),
        ({"register_type": "TEST_FAIL"}, "Registration failed at your request", ""),
    ],
)
def test_a_request_that_fails_a_check_is_kept_as_failed(
    door: Door, changes: dict[str, Any], message: str, detail: str
) -> None:
    answer = door.register(**changes)
    result = door.read(answer.json()["id"]).json()
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    assert result["status"] == "failed"
    assert result["result_data"] == {
        "result_type": "registration_failed",
        "message": message,
        "message_detail": detail,
        "user_email_domain": "example.com",
    }
    assert counts(door.db).keys() == {"stores", "store_apps", "registrations", "outbox_events"}
    assert door.launcher.calls == []


def test_an_unlisted_region_gets_an_honest_answer(door: Door) -> None:
    wish = without("trial_app", register_type="REQUEST_TRIAL_UNLISTED_REGION", region="Antarctica")
    answer = door.post(json.dumps(wish))
    result = door.read(answer.json()["id"]).json()
    assert (answer.status_code, result["status"]) == (202, "success")
    assert result["result_data"]["result_type"] == "trial_registered"
    assert result["result_data"]["message"] == "You have been registered for a trial allocation."
    assert "none was made" in result["result_data"]["message_detail"]
    assert counts(door.db).get("app_instances") is None


@pytest.mark.parametrize("app", ["", None, APP])
def test_an_unlisted_region_may_name_an_app_or_not(door: Door, app: str | None) -> None:
    answer = door.register(register_type="REQUEST_TRIAL_UNLISTED_REGION", trial_app=app)
    assert answer.status_code == 202
    assert counts(door.db).get("app_instances") is None


def test_a_test_of_failure_needs_nothing_but_an_address(door: Door) -> None:
    wish = {"register_type": RegisterType.TEST_FAIL.value, "email": "grace@example.com"}
    assert door.post(json.dumps(wish)).status_code == 202
    assert kept(door).status == "failed"


def test_the_same_key_and_body_are_one_registration(door: Door) -> None:
    first = door.register(key="a key")
    until_launched(door)
    before = dump(door.db)
    again = door.register(key="a key", unknown=CANARY)
    assert (again.status_code, again.json()) == (202, first.json())
    assert dump(door.db) == before


def test_the_same_key_for_another_body_is_refused(door: Door) -> None:
    door.register(key="a key")
    before = counts(door.db)["registrations"]
    again = door.register(key="a key", email="Canary4711@example.com")
    assert again.status_code == 409
    assert "Idempotency-Key" in again.json()["message"]
    assert CANARY.lower() not in again.text.lower()
    assert counts(door.db)["registrations"] == before


@pytest.mark.parametrize("key", ["k" * 255, "ключ".encode().decode("latin-1"), "' OR 1=1 --"])
def test_a_key_may_be_any_text(door: Door, key: str) -> None:
    headers = {b"Idempotency-Key": key.encode("latin-1")}
    for _ in range(2):
        answer = door.http.post("/api/register", json=body(), headers=headers)
        assert answer.status_code == 202, answer.text
    assert counts(door.db)["registrations"] == 1


def test_one_key_from_many_callers_at_once_is_one_registration(door: Door) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: door.register(key="a key"), range(8)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert counts(door.db)["registrations"] == counts(door.db)["app_instances"] == 1


def test_without_a_key_every_request_counts(door: Door) -> None:
    assert door.register().json()["id"] != door.register(key="").json()["id"]
    assert counts(door.db)["registrations"] == 2


@pytest.mark.parametrize(
    ("setting", "statuses"),
    [
        ("register_only_captures", ["success"] * 6),
        ("register_simulate_error", ["failed"] * 6),
        (
            "register_simulate_round_robin",
            ["success", "success", "failed", "success", "success", "success"],
        ),
    ],
)
def test_a_form_can_be_tried_without_a_trial(
    street: Street, database: Database, setting: str, statuses: list[str]
) -> None:
    offer(database)
    settings = SETTINGS.model_copy(update={setting: True})
    with opened(street, database, settings) as door:
        ids = [door.register().json()["id"] for _ in range(6)]
        results = [door.read(uuid).json() for uuid in ids]
    assert [result["status"] for result in results] == statuses
    assert not {"app_instances", "users", "user_groups"} & counts(database).keys()
    assert door.launcher.calls == []


def test_a_round_of_tries_shows_each_result(street: Street, database: Database) -> None:
    offer(database)
    settings = SETTINGS.model_copy(update={"register_simulate_round_robin": True})
    with opened(street, database, settings) as door:
        results = [door.read(door.register().json()["id"]).json()["result_data"] for _ in range(3)]
    assert [result["result_type"] for result in results] == [
        "trial_registered",
        "trial_created",
        "registration_failed",
    ]
    assert results[1]["app_url"].startswith("https://www.example.com/")
    assert "app_url" not in results[0] | results[2]


def test_a_form_that_only_captures_needs_no_app(street: Street, database: Database) -> None:
    settings = SETTINGS.model_copy(update={"register_only_captures": True})
    with opened(street, database, settings) as door:
        result = door.read(door.register().json()["id"]).json()
    assert (result["status"], result["result_data"]["result_type"]) == (
        "success",
        "trial_registered",
    )


def test_nothing_of_a_person_reaches_the_log(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    door.register(first_name=CANARY, email=f"{CANARY}@example.com", recaptcha=CANARY)
    door.register(first_name=CANARY, email="no address")
    until_launched(door)
    ours = [r.getMessage() for r in caplog.records if not r.name.startswith(("http", "asyncio"))]
    assert CANARY.lower() not in "\n".join(ours).lower()


def test_events_carry_ids_and_statuses_only(door: Door) -> None:
    door.register(first_name=CANARY, email=f"{CANARY}@example.com", company_name=CANARY)
    events = json.dumps(dump(door.db)["outbox_events"])
    assert "registration.status.changed" in events
    assert CANARY.lower() not in events.lower()


def test_the_description_of_the_api_is_whole(shut_door: Door) -> None:
    document = shut_door.http.get("/openapi.json").json()
    refs = [part.split('"')[0] for part in json.dumps(document).split('"$ref": "')[1:]]
    assert refs
    for ref in refs:
        place = document
        for step in ref.removeprefix("#/").split("/"):
            place = place[step.replace("~1", "/")]
    assert shut_door.http.get("/docs").status_code == 200
