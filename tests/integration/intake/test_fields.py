"""`instance_config_<name>` over HTTP: the fields of the app's type, and nothing else."""

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from httpx import Response
from sqlalchemy import select

from polydock_pipelines.db.loading import open_field
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.offers import FieldValue
from polydock_pipelines.db.models.requests import Registration
from tests.integration.actions.tables import counts, dump
from tests.integration.intake.door import Door
from tests.integration.intake.test_registering import until_launched
from tests.makers import make_store_app

CANARY = "Canary4711"
KEY = f"sk-{CANARY}"
CLAW = "6a5c2f0e-1111-4c12-8f0f-0d3f1a6a4a11"
PREFIX = "instance_config_"
NOTHING: Mapping[str, object] = MappingProxyType({})
SAID = {
    f"{PREFIX}llm_key": f"  {KEY} ",
    f"{PREFIX}llm_url": "https://llm.example.com/v1",
    f"{PREFIX}vector_db_pass": CANARY,
    f"{PREFIX}openclaw_default_model": "chat",
}


@pytest.fixture
def claw(door: Door) -> Door:
    """A door with a Claw on offer, too."""
    with door.db.write() as session:
        make_store_app(session, app_type="amazee-claw", uuid=CLAW)
    return door


def ask(door: Door, said: Mapping[str, object] = NOTHING, *, key: str | None = None) -> Response:
    """Register for the Claw; *said* goes into the body as it is."""
    return door.register(key, **{"trial_app": CLAW, **said})


def kept(door: Door) -> dict[str, str]:
    """Return the fields of the only instance, opened."""
    with door.db.read() as session:
        (instance_id,) = session.scalars(select(AppInstance.id)).all()
        rows = session.scalars(select(FieldValue)).all()
    assert {(row.owner_type, row.owner_id) for row in rows} <= {("app_instance", instance_id)}
    return {row.name: open_field(row, door.db.vault).reveal() for row in rows}


def test_what_is_said_reaches_the_instances_fields(claw: Door) -> None:
    assert ask(claw, SAID).status_code == 202
    assert kept(claw) == {
        "llm_key": KEY,
        "llm_url": "https://llm.example.com/v1",
        "vector_db_pass": CANARY,
        "openclaw_default_model": "chat",
    }


def test_what_the_type_does_not_know_or_the_catalogue_alone_says_is_let_go(claw: Door) -> None:
    unknown = dict.fromkeys(("country", "amazeeai_key_mode", "cluster", "phoenix_api_key"), CANARY)
    asked = ask(claw, {"llm_key": CANARY} | {f"{PREFIX}{n}": x for n, x in unknown.items()})
    assert asked.status_code == 202
    assert kept(claw) == {}
    assert CANARY not in json.dumps(dump(claw.db))


def test_an_app_without_fields_lets_all_go(door: Door) -> None:
    assert door.register(**SAID).status_code == 202
    assert kept(door) == {}


def test_nobody_from_the_street_says_which_organization_is_served(door: Door) -> None:
    with door.db.write() as session:
        make_store_app(session, app_type="dependency-track", uuid=CLAW)
    assert ask(door, {f"{PREFIX}lagoon_organisation": "partners"}).status_code == 202
    assert kept(door) == {}
    assert "partners" not in json.dumps(dump(door.db))


def test_numbers_are_taken_as_a_form_would_send_them(claw: Door) -> None:
    numbers = {f"{PREFIX}team_id": 4711, f"{PREFIX}vector_db_port": 5432}
    assert ask(claw, numbers).status_code == 202
    assert kept(claw) == {"team_id": "4711", "vector_db_port": "5432"}


@pytest.mark.parametrize("nothing", ["", "   ", None])
def test_an_empty_answer_is_none(claw: Door, nothing: str | None) -> None:
    assert ask(claw, {f"{PREFIX}llm_key": nothing, f"{PREFIX}team_id": nothing}).status_code == 202
    assert kept(claw) == {}


def test_a_body_cannot_bring_fields_by_another_way(claw: Door) -> None:
    ways = {"instance_fields": {"llm_key": KEY}, "fields": {"llm_key": KEY}, "is_public": False}
    assert ask(claw, ways).status_code == 202
    assert kept(claw) == {}


BAD: list[tuple[str, object, str]] = [
    ("llm_url", f"http://{CANARY}.example.com", "llm_url: expected an https URL"),
    ("llm_url", f"javascript:{CANARY}", "llm_url: expected an https URL"),
    ("team_id", CANARY, "team_id: expected a team's number"),
    ("team_id", 1.5, "team_id: expected a team's number"),
    ("vector_db_port", -1, "vector_db_port: expected a port"),
    ("llm_key", CANARY * 26, "llm_key: expected at most 255 characters"),
    ("llm_key", CANARY * 410, "instance_config_llm_key: expected at most 4096 characters"),
    ("llm_key", f"{CANARY}\n{CANARY}", "instance_config_llm_key: must not hold control characters"),
    ("llm_key", f"{CANARY}\u202e", "instance_config_llm_key: must not hold control characters"),
    ("llm_key", f"{CANARY}\0", "instance_config_llm_key: must not hold control characters"),
    ("llm_key", f"{CANARY}\ud800", "instance_config_llm_key: "),
    ("llm_key", [CANARY], "instance_config_llm_key: Input should be a valid string"),
    ("llm_key", {"a": CANARY}, "instance_config_llm_key: Input should be a valid string"),
    ("llm_key", True, "instance_config_llm_key: Input should be a valid string"),
    ("unknown", [CANARY], "instance_config_unknown: Input should be a valid string"),
]


@pytest.mark.parametrize(("field", "value", "words"), BAD, ids=[f"{b[0]}-{b[2]}" for b in BAD])
def test_a_bad_value_is_a_sentence_that_names_the_field_and_stores_nothing(
    claw: Door, field: str, value: object, words: str
) -> None:
    before = dump(claw.db)
    answer = ask(claw, {f"{PREFIX}{field}": value}, key="a key")
    assert answer.status_code == 422, answer.text
    assert answer.json().keys() == {"status", "message"}
    assert answer.json()["message"].startswith(f"Malformed registration request: {words}")
    assert CANARY not in answer.text
    assert dump(claw.db) == before
    assert ask(claw, key="a key").status_code == 202


def test_all_bad_values_are_named_at_once(claw: Door) -> None:
    bad = {f"{PREFIX}team_id": CANARY, f"{PREFIX}llm_url": CANARY}
    message = ask(claw, bad).json()["message"]
    assert message == (
        "Malformed registration request: llm_url: expected an https URL; "
        "team_id: expected a team's number"
    )


@pytest.mark.parametrize(
    "name", ["", "Llm_Key", "llm key", "1st", "a-b", "llm_key\n", "ключ", "a" * 65]
)
def test_a_name_that_no_field_has_is_refused_and_not_repeated(claw: Door, name: str) -> None:
    before = dump(claw.db)
    answer = ask(claw, {f"{PREFIX}{name}": "x", f"{PREFIX}{CANARY}": "x"})
    assert answer.status_code == 422
    assert answer.json()["message"] == (
        "Malformed registration request: instance_config_*: expected names of lower-case letters, "
        "digits and underscores"
    )
    assert dump(claw.db) == before


def test_more_fields_than_any_form_has_are_refused(claw: Door) -> None:
    many = {f"{PREFIX}field_{n}": "x" for n in range(50)}
    assert ask(claw, many).status_code == 202
    until_launched(claw)
    before = counts(claw.db)
    answer = ask(claw, many | {f"{PREFIX}one_more": "x"})
    assert (answer.status_code, answer.json()["message"]) == (
        422,
        "Malformed registration request: instance_config_*: expected at most 50",
    )
    assert counts(claw.db) == before


def test_what_is_wrong_with_fields_does_not_hide_what_is_wrong_beside_them(claw: Door) -> None:
    message = ask(claw, {"email": CANARY, f"{PREFIX}llm_key": [CANARY]}).json()["message"]
    assert "email: must be an e-mail address" in message
    assert "instance_config_llm_key: " in message
    assert CANARY not in message


# -- nowhere to be read


def test_no_secret_is_in_clear_in_any_table_answer_or_line_of_the_log(
    claw: Door, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    answer = ask(claw, SAID, key="a key")
    again = ask(claw, SAID, key="a key")
    ask(claw, {f"{PREFIX}llm_url": KEY, f"{PREFIX}llm_key": KEY})
    ask(claw, {f"{PREFIX}llm_key": [KEY]})
    until_launched(claw)
    shown = claw.read(answer.json()["id"])
    assert again.json() == answer.json()
    tables = dump(claw.db)
    assert len(tables["field_values"]) == 4
    assert not [name for name, rows in tables.items() if CANARY in repr(rows)]
    ours = [r.getMessage() for r in caplog.records if not r.name.startswith(("http", "asyncio"))]
    everywhere = [*ours, repr(claw.launcher.calls), answer.text, shown.text]
    assert ours
    assert not [place for place in everywhere if CANARY in place]


def test_an_error_behind_the_door_tells_no_secret(
    claw: Door, caplog: pytest.LogCaptureFixture
) -> None:
    with claw.db.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE field_values")
    answer = ask(claw, SAID)
    assert answer.status_code in (500, 503)
    assert caplog.records
    assert CANARY not in caplog.text + answer.text
    with claw.db.read() as session:
        assert session.scalars(select(Registration.id)).all() == []


# -- the same request again


def test_the_same_key_and_fields_are_one_registration(claw: Door) -> None:
    first = ask(claw, SAID, key="a key")
    until_launched(claw)
    before = dump(claw.db)
    again = ask(claw, dict(reversed(SAID.items())), key="a key")
    assert (again.status_code, again.json()) == (202, first.json())
    assert dump(claw.db) == before


@pytest.mark.parametrize(
    "changes", [{f"{PREFIX}llm_key": "sk-other"}, {f"{PREFIX}llm_key": ""}, {f"{PREFIX}team_id": 1}]
)
def test_the_same_key_for_another_secret_is_refused(claw: Door, changes: dict[str, Any]) -> None:
    ask(claw, SAID, key="a key")
    until_launched(claw)
    before = dump(claw.db)
    again = ask(claw, SAID | changes, key="a key")
    assert again.status_code == 409
    assert "Idempotency-Key" in again.json()["message"]
    assert "sk-" not in again.text
    assert dump(claw.db) == before


def test_the_description_says_how_fields_are_sent(claw: Door) -> None:
    document = claw.http.get("/openapi.json").json()
    post = document["paths"]["/api/register"]["post"]
    schema = post["requestBody"]["content"]["application/json"]["schema"]
    ((pattern, described),) = schema["patternProperties"].items()
    assert re.fullmatch(pattern, f"{PREFIX}llm_key")
    assert not re.fullmatch(pattern, "llm_key")
    assert described["maxLength"] == 4096
    assert "instance_fields" not in schema["properties"]
