"""Fields from the catalogue and from a registration: kept, changed, sealed, and exported."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import pytest
from sqlalchemy import event, text

from polydock_pipelines.actions.apply_catalog import apply_catalog
from polydock_pipelines.actions.export_catalog import export_catalog
from polydock_pipelines.actions.register import (
    IdempotencyError,
    Registered,
    RegisterType,
    Signup,
    register,
)
from polydock_pipelines.apps.ai import AMAZEE_CLAW
from polydock_pipelines.catalog.writing import as_yaml
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.loading import open_field
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.offers import FieldValue, StoreApp
from polydock_pipelines.db.models.requests import Registration
from polydock_pipelines.db.vault import VaultError
from polydock_pipelines.lifecycle.fields import FieldError
from polydock_pipelines.lifecycle.naming import is_valid
from polydock_pipelines.lifecycle.words import ADJECTIVES
from tests.fakes.clock import START
from tests.integration.actions.tables import dump
from tests.integration.actions.test_apply_catalog import CANARY, LATER, all_of, applied, only, said
from tests.makers import VAULT, make_store, make_store_app
from tests.unit.catalog.writer import app, store

REGION = "amazee_ai_region_id: 1"
ENDPOINT = "https://phoenix.example.com"
FIELDS = {
    "cluster": "ch4",
    "phoenix_api_key": "${TOKEN}",
    "phoenix_collector_endpoint": ENDPOINT,
}
AT = "eu/cms"


def gpt(fields: Mapping[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """Return a store with a PrivateGPT that says *fields*."""
    chosen = FIELDS if fields is None else fields
    return store(REGION, app("type: private-gpt") | {"fields": dict(chosen), **more})


def clear(database: Database) -> dict[str, str]:
    """Return the values of all fields, opened, by owner and name."""
    return {
        f"{row.owner_type} {row.name}": open_field(row, database.vault).reveal()
        for row in all_of(database, FieldValue)
    }


def secrecy(database: Database) -> dict[str, bool]:
    return {row.name: row.is_secret for row in all_of(database, FieldValue)}


# -- the catalogue


def test_what_an_app_says_in_its_fields_is_stored(database: Database, tmp_path: Any) -> None:
    diff = applied(database, gpt(ai_budget_usd=20), folder=tmp_path)
    assert sorted(said(diff)[:-1]) == [
        "+ app eu/cms",
        "+ field eu/cms cluster",
        "+ field eu/cms phoenix_api_key",
        "+ field eu/cms phoenix_collector_endpoint",
        "+ store eu",
    ]
    assert clear(database) == {
        "store_app cluster": "ch4",
        "store_app phoenix_api_key": CANARY,
        "store_app phoenix_collector_endpoint": ENDPOINT,
    }
    assert [name for name, is_secret in secrecy(database).items() if is_secret] == [
        "phoenix_api_key"
    ]
    assert only(database, StoreApp).ai_budget_usd == 20.0


def test_a_secret_field_is_sealed_at_rest_and_for_its_own_row(
    database: Database, tmp_path: Any
) -> None:
    applied(database, gpt(), folder=tmp_path)
    with database.engine.connect() as connection:
        raw = dict(connection.execute(text("SELECT name, value FROM field_values")).tuples().all())
    assert raw["cluster"] == "ch4"
    assert raw["phoenix_api_key"].startswith("gAAAA")
    assert CANARY not in repr(dump(database))
    moved = FieldValue(
        owner_type="store_app",
        owner_id=4711,
        name="phoenix_api_key",
        value=raw["phoenix_api_key"],
        is_secret=True,
    )
    with pytest.raises(VaultError, match=r"sealed for field_values\.value:store_app:"):
        open_field(moved, VAULT)


def test_applying_fields_twice_writes_nothing(database: Database, tmp_path: Any) -> None:
    applied(database, gpt(ai_budget_usd=0.1), folder=tmp_path)
    before = dump(database)
    again = applied(database, gpt(ai_budget_usd=0.1), folder=tmp_path, now=LATER)
    assert said(again) == ["nothing to change, 2 unchanged"]
    assert dump(database) == before


def test_a_changed_secret_says_that_it_changed_and_not_to_what(
    database: Database, tmp_path: Any
) -> None:
    applied(database, gpt(), folder=tmp_path)
    other = f"{CANARY}-2"
    diff = applied(database, gpt(), folder=tmp_path, env={"TOKEN": other}, now=LATER)
    assert said(diff)[:2] == ["~ field eu/cms phoenix_api_key", "    value: (changed)"]
    assert CANARY not in repr(diff) + json.dumps(asdict(diff))
    assert clear(database)["store_app phoenix_api_key"] == other
    assert only(database, StoreApp).updated_at == LATER


def test_a_changed_plain_field_and_budget_say_from_what_to_what(
    database: Database, tmp_path: Any
) -> None:
    applied(database, gpt(ai_budget_usd=20), folder=tmp_path)
    diff = applied(database, gpt(FIELDS | {"cluster": "de3"}), folder=tmp_path)
    assert said(diff)[:-1] == [
        "~ app eu/cms",
        "    ai_budget_usd: 20.0 -> (nothing)",
        "~ field eu/cms cluster",
        "    value: ch4 -> de3",
    ]
    assert clear(database)["store_app cluster"] == "de3"


def test_a_field_that_the_file_no_longer_holds_is_taken_away(
    database: Database, tmp_path: Any
) -> None:
    applied(database, gpt(), folder=tmp_path)
    diff = applied(database, gpt({"cluster": "ch4"}), folder=tmp_path, now=LATER)
    assert said(diff)[:-1] == [
        "- field eu/cms phoenix_api_key",
        "- field eu/cms phoenix_collector_endpoint",
    ]
    assert clear(database) == {"store_app cluster": "ch4"}
    assert only(database, StoreApp).updated_at == LATER


def test_an_app_that_changes_its_type_leaves_its_fields(database: Database, tmp_path: Any) -> None:
    applied(database, gpt(), folder=tmp_path)
    applied(database, store(REGION, app("")), folder=tmp_path)
    assert clear(database) == {}


def test_fields_of_one_app_are_not_those_of_another(database: Database, tmp_path: Any) -> None:
    two = gpt()
    two["apps"].append(two["apps"][0] | {"key": "other", "fields": {"cluster": "de3"}})
    applied(database, two, folder=tmp_path)
    two["apps"][1]["fields"] = {}
    diff = applied(database, two, folder=tmp_path)
    assert said(diff)[:-1] == ["- field eu/other cluster"]
    assert len(clear(database)) == 3


def test_a_dry_run_of_fields_writes_nothing(database: Database, tmp_path: Any) -> None:
    applied(database, gpt(), folder=tmp_path)
    before = dump(database)
    dry = applied(database, gpt({}), folder=tmp_path, dry_run=True)
    assert len(dry.changes) == 3
    assert dump(database) == before


def test_exported_fields_apply_without_a_change(database: Database, tmp_path: Any) -> None:
    namesake = [{"name": "PHOENIX_API_KEY", "value": "${OTHER}", "secret": True}]
    env = {"OTHER": "another secret"}
    applied(database, gpt(ai_budget_usd=20, variables=namesake), folder=tmp_path, env=env)
    exported = tmp_path / "exported.yaml"
    exported.write_text(as_yaml(export_catalog(database)))
    assert "phoenix_api_key: ${POLYDOCK_FIELD_EU__CMS__PHOENIX_API_KEY}" in exported.read_text()
    assert CANARY not in exported.read_text()
    env = {
        "POLYDOCK_FIELD_EU__CMS__PHOENIX_API_KEY": CANARY,
        "POLYDOCK_APP_EU__CMS__PHOENIX_API_KEY": "another secret",  # pragma: allowlist secret
    }
    assert said(apply_catalog(database, [exported], LATER, env)) == [
        "nothing to change, 2 unchanged"
    ]


# -- a registration

ASKED = Signup(
    register_type=RegisterType.REQUEST_TRIAL,
    email="grace@example.com",
    first_name="Grace",
    last_name="Hopper",
    aup_and_privacy_acceptance=1,
    company_name="Harvard & Söhne",
)
KEY, PASSWORD = f"sk-{CANARY}", f"{CANARY}-of-a-database"
SAID = {
    "llm_key": KEY,
    "llm_url": "https://llm.example.com/v1",
    "vector_db_pass": PASSWORD,
    "vector_db_port": "5432",
    "colour": CANARY,
    "amazeeai_key_mode": "user",
    "team_id": "  ",
}


def offer(database: Database, app_type: str = "amazee-claw", **changes: Any) -> str:
    with database.write() as session:
        place = make_store(session, amazee_ai_region_id=3)
        return make_store_app(session, place, app_type=app_type, **changes).uuid


def registered(
    database: Database, app_uuid: str, fields: Mapping[str, str], key: str = "", **changes: Any
) -> Registered:
    signup = replace(ASKED, trial_app=app_uuid, fields=fields, **changes)
    return register(database, signup, START, idempotency_key=key)


def instance(database: Database) -> AppInstance:
    return only(database, AppInstance)


def test_what_a_request_says_in_the_fields_of_the_type_is_kept(database: Database) -> None:
    registered(database, offer(database), SAID)
    assert clear(database) == {
        "app_instance llm_key": KEY,
        "app_instance llm_url": "https://llm.example.com/v1",
        "app_instance vector_db_pass": PASSWORD,
        "app_instance vector_db_port": "5432",
    }
    assert {name for name, is_secret in secrecy(database).items() if is_secret} == {
        "llm_key",
        "vector_db_pass",
    }
    assert {row.owner_id for row in all_of(database, FieldValue)} == {instance(database).id}
    assert instance(database).ai_region_id == 3


def test_a_type_without_fields_takes_none(database: Database) -> None:
    taken = registered(database, offer(database, "polydock-app"), SAID)
    assert taken.status == "processing"
    assert clear(database) == {}


def test_no_secret_of_a_request_is_in_clear_anywhere(database: Database) -> None:
    taken = registered(database, offer(database), SAID, key="a key")
    everything = dump(database)
    assert not [name for name, rows in everything.items() if CANARY in repr(rows)]
    assert CANARY not in repr(taken) + repr(replace(ASKED, fields=SAID))
    request = only(database, Registration).request
    assert "fields" not in request
    assert len(request["fields_mark"]) == 40


@pytest.mark.parametrize(("is_public", "kept"), [(True, {}), (False, {"lagoon_organisation": "x"})])
def test_only_an_operator_says_which_organization_is_served(
    database: Database, *, is_public: bool, kept: dict[str, str]
) -> None:
    app_uuid = offer(database, "dependency-track")
    registered(database, app_uuid, {"lagoon_organisation": "x"}, is_public=is_public)
    assert {name.split()[1]: value for name, value in clear(database).items()} == kept


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"llm_url": f"http://{CANARY}.example.com"}, ["llm_url: expected an https URL"]),
        ({"llm_url": f"https://a b{CANARY}"}, ["llm_url: expected an https URL"]),
        ({"team_id": CANARY}, ["team_id: expected a team's number"]),
        ({"vector_db_port": "0"}, ["vector_db_port: expected a port"]),
        ({"llm_key": CANARY * 26}, ["llm_key: expected at most 255 characters"]),
        ({"llm_key": f"{CANARY}\n{CANARY}"}, ["llm_key: must not hold control characters"]),
        ({"team_id": CANARY, "llm_url": CANARY}, ["llm_url: expected", "team_id: expected"]),
    ],
)
def test_a_bad_value_is_named_and_nothing_is_stored(
    database: Database, fields: dict[str, str], names: list[str]
) -> None:
    app_uuid = offer(database)
    before = dump(database)
    with pytest.raises(FieldError) as refused:
        registered(database, app_uuid, SAID | fields, key="a key")
    parts = str(refused.value).split("; ")
    assert [part.startswith(name) for part, name in zip(parts, names, strict=True)] == [True] * len(
        names
    )
    assert CANARY not in str(refused.value)
    assert dump(database) == before


def test_a_crash_after_the_fields_leaves_nothing(database: Database) -> None:
    app_uuid = offer(database)
    before = dump(database)

    def crash(*_: object) -> None:
        raise RuntimeError("the process died")

    event.listen(FieldValue, "after_insert", crash)
    try:
        with pytest.raises(RuntimeError):
            registered(database, app_uuid, SAID)
    finally:
        event.remove(FieldValue, "after_insert", crash)
    assert dump(database) == before


def test_the_same_key_and_fields_are_one_registration(database: Database) -> None:
    app_uuid = offer(database)
    first = registered(database, app_uuid, SAID, key="a key")
    before = dump(database)
    turned_round = dict(reversed(SAID.items()))
    again = registered(database, app_uuid, turned_round, key="a key")
    assert (again.uuid, again.is_new) == (first.uuid, False)
    assert dump(database) == before


@pytest.mark.parametrize("fields", [SAID | {"llm_key": "sk-other"}, {"llm_key": KEY}, {}])
def test_the_same_key_for_other_fields_is_refused(
    database: Database, fields: dict[str, str]
) -> None:
    app_uuid = offer(database)
    registered(database, app_uuid, SAID, key="a key")
    before = dump(database)
    with pytest.raises(IdempotencyError):
        registered(database, app_uuid, fields, key="a key")
    assert dump(database) == before


def test_a_request_without_fields_keeps_no_mark_and_is_not_one_with_some(
    database: Database,
) -> None:
    app_uuid = offer(database)
    registered(database, app_uuid, {}, key="a key")
    assert "fields_mark" not in only(database, Registration).request
    assert not registered(database, app_uuid, {}, key="a key").is_new
    with pytest.raises(IdempotencyError):
        registered(database, app_uuid, SAID, key="a key")


# -- names


def test_a_private_gpt_is_called_after_the_company(database: Database) -> None:
    registered(database, offer(database, "private-gpt"), {})
    name = instance(database).name
    assert (name[:-8], is_valid(name)) == ("harvardshne", True)


def test_a_private_gpt_of_nobody_is_called_like_any_other(database: Database) -> None:
    registered(database, offer(database, "private-gpt"), {}, company_name="株式会社")
    name = instance(database).name
    assert name.startswith("trial-")
    assert is_valid(name)
    assert instance(database).company_name == "株式会社"


def test_no_other_app_is_called_after_the_company(database: Database) -> None:
    registered(database, offer(database), {})
    assert "harvard" not in instance(database).name


@pytest.mark.parametrize(
    ("naming", "adjectives", "nouns"),
    [
        ({}, AMAZEE_CLAW.adjectives, AMAZEE_CLAW.nouns),
        ({"adjectives": ["big"]}, ["big"], AMAZEE_CLAW.nouns),
        ({"adjectives": ["big"], "nouns": ["owl"]}, ["big"], ["owl"]),
    ],
)
def test_a_claw_has_its_own_words_unless_the_catalogue_has_some(
    database: Database, naming: dict[str, Any], adjectives: list[str], nouns: list[str]
) -> None:
    assert not set(AMAZEE_CLAW.adjectives) & set(ADJECTIVES)
    registered(database, offer(database, naming=naming), {})
    _, adjective, noun, _ = instance(database).name.split("-")
    assert adjective in adjectives
    assert noun in nouns
