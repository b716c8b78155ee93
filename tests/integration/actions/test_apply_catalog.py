"""Applying and exporting, on both kinds of database."""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

import pytest
import yaml
from sqlalchemy import select

from polydock_pipelines.actions.apply_catalog import app_uuid, apply_catalog
from polydock_pipelines.actions.export_catalog import export_catalog
from polydock_pipelines.apps.registry import APP_TYPES
from polydock_pipelines.catalog.diff import Action, CatalogDiff, lines
from polydock_pipelines.catalog.problems import CatalogError
from polydock_pipelines.catalog.writing import as_yaml
from polydock_pipelines.db import schema
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.loading import open_variable
from polydock_pipelines.db.models.offers import (
    FieldValue,
    ProductType,
    Store,
    StoreApp,
    StoreAppScript,
    Variable,
)
from polydock_pipelines.db.models.types import Model
from polydock_pipelines.db.places import deploy_key
from polydock_pipelines.db.vault import Vault, VaultError, new_key
from tests.fakes.clock import START
from tests.makers import make_store, make_store_app
from tests.unit.catalog.writer import app, private_key, store, written

EXAMPLE = Path(__file__).parents[3] / "catalog" / "example.yaml"
CANARY = "Canary4711"
HIDDEN = "value: (changed)"
TABLES = (Store, StoreApp, StoreAppScript, Variable, FieldValue, ProductType)
Row = TypeVar("Row", bound=Model)
LATER = START + timedelta(days=1)
FULL = """
description: |
  Two
  lines
author: We
product_type: Drupal CMS
environment_type: production
available_for_trials: true
trial: {days: 7, extension_days: 2, max_days: 9}
naming: {prefix: cms, nouns: [owl]}
custom_route: {domain_pattern: '{project}.example.com', service: nginx}
scripts: {claim: {script: echo}, post_deploy: {script: 'true', service: node, container: app}}
mails: {ready: {body: Hello}, midtrial: {enabled: false}, theme: dark, hide_credentials: true}
variables: [{name: A, value: ''}, {name: B, value: '${TOKEN}', secret: true, scope: runtime}]
"""


def applied(database: Database, *stores: dict[str, Any], folder: Path, **more: Any) -> CatalogDiff:
    env = {"TOKEN": CANARY, "KEY": more.pop("key", ""), **more.pop("env", {})}
    file = written(folder, *stores)
    return apply_catalog(database, [file], more.pop("now", START), env, **more)


def said(diff: CatalogDiff) -> list[str]:
    return list(lines(diff))


def all_of(database: Database, kind: type[Row]) -> Sequence[Row]:
    with database.read() as session:
        return session.scalars(select(kind)).all()


def only(database: Database, kind: type[Row]) -> Row:
    (row,) = all_of(database, kind)
    return row


def dump(database: Database) -> list[dict[str, Any]]:
    """Return all rows as they are stored, ciphertexts and dates included."""
    rows = [r for kind in TABLES for r in all_of(database, kind)]
    return [{c.key: getattr(r, c.key) for c in r.__table__.columns} for r in rows]


def test_what_an_app_says_is_stored(database: Database, tmp_path: Path) -> None:
    diff = applied(database, store("status: public", app(FULL)), folder=tmp_path)
    assert said(diff) == [
        "+ store eu",
        "+ product type Drupal CMS",
        "+ app eu/cms",
        "+ script eu/cms post-deploy",
        "+ script eu/cms polydock-claim",
        "+ variable eu/cms A",
        "+ variable eu/cms B",
        "7 created, 0 unchanged",
    ]
    row = only(database, StoreApp)
    assert (row.key, row.uuid, row.author) == ("cms", app_uuid("eu", "cms"), "We")
    assert (row.trial_days, row.is_production, row.is_available_for_trials) == (7, True, True)
    assert row.naming == {"mode": "pattern", "prefix": "cms", "adjectives": [], "nouns": ["owl"]}
    assert row.custom_route == {
        "domain_pattern": "{project}.example.com",
        "service": "nginx",
        "annotations": {},
    }
    assert row.mails["ready"] == {"body": "Hello", "enabled": True}
    assert row.mails["midtrial"]["enabled"] is False
    assert (row.mails["theme"], row.mails["hide_credentials"]) == ("dark", True)
    assert (row.trial_extension_days, row.trial_max_days) == (2, 9)
    assert row.created_at == row.updated_at == START
    assert only(database, ProductType).slug == "drupal-cms"
    assert only(database, Store).status == "public"


def test_scripts_and_variables_are_stored(database: Database, tmp_path: Path) -> None:
    applied(database, store("", app(FULL)), folder=tmp_path)
    scripts = {s.stage: s for s in all_of(database, StoreAppScript)}
    assert scripts["polydock-claim"].service == "cli"
    assert (scripts["post-deploy"].service, scripts["post-deploy"].container) == ("node", "app")
    plain, secret = sorted(all_of(database, Variable), key=lambda v: v.name)
    assert (plain.value, plain.scope, plain.is_secret) == ("", "GLOBAL", False)
    assert (secret.scope, secret.owner_type) == ("RUNTIME", "store_app")
    assert CANARY not in secret.value
    assert open_variable(secret, database.vault).reveal() == CANARY


def test_applying_twice_writes_nothing(database: Database, tmp_path: Path) -> None:
    whole = store("", app(FULL))
    whole["lagoon"] = {**whole["lagoon"], "deploy_key": "${KEY}"}
    key = private_key()
    applied(database, whole, folder=tmp_path, key=key)
    before = dump(database)
    again = applied(database, whole, folder=tmp_path, key=key, now=LATER)
    assert again.is_empty
    assert again.unchanged == ["store eu", "app eu/cms"]
    assert dump(database) == before


def test_a_dry_run_says_the_same_and_writes_nothing(database: Database, tmp_path: Path) -> None:
    whole = store("", app(FULL))
    dry = applied(database, whole, folder=tmp_path, dry_run=True)
    assert dump(database) == []
    assert applied(database, whole, folder=tmp_path) == dry
    before = dump(database)
    changed = store("name: Elsewhere", app("trial: {days: 3}"))
    assert applied(database, changed, folder=tmp_path, dry_run=True).changes
    assert dump(database) == before


def test_what_changes_is_said_and_dated(database: Database, tmp_path: Path) -> None:
    applied(database, store("", app(FULL)), folder=tmp_path)
    other = app(FULL) | {"trial": {"days": 14}, "product_type": None, "custom_route": None}
    other["environment_type"] = "development"
    diff = applied(database, store("", other), folder=tmp_path, now=LATER)
    assert said(diff) == [
        "~ app eu/cms",
        "    trial.days: 7 -> 14",
        "    trial.extension_days: 2 -> (nothing)",
        "    trial.max_days: 9 -> (nothing)",
        "    custom_route.domain_pattern: {project}.example.com -> (nothing)",
        "    custom_route.service: nginx -> (nothing)",
        "    environment_type: production -> development",
        "    product_type: Drupal CMS -> (nothing)",
        "1 changed, 1 unchanged",
    ]
    row = only(database, StoreApp)
    assert (row.trial_days, row.custom_route, row.is_production) == (14, None, False)
    assert (row.product_type_id, row.updated_at, row.created_at) == (None, LATER, START)
    assert only(database, Store).updated_at == START


def test_what_the_file_no_longer_holds_is_taken_away(database: Database, tmp_path: Path) -> None:
    applied(database, store("variables: [{name: S, value: x}]", app(FULL)), folder=tmp_path)
    diff = applied(database, store("", app("")), folder=tmp_path, now=LATER)
    gone = [f"{c.what} {c.name}" for c in diff.changes if c.action is Action.REMOVED]
    assert sorted(gone) == [
        "script eu/cms polydock-claim",
        "script eu/cms post-deploy",
        "variable eu S",
        "variable eu/cms A",
        "variable eu/cms B",
    ]
    assert not all_of(database, StoreAppScript)
    assert not all_of(database, Variable)
    assert only(database, StoreApp).updated_at == only(database, Store).updated_at == LATER


def test_a_change_of_a_part_dates_its_app(database: Database, tmp_path: Path) -> None:
    applied(database, store("", app("scripts: {claim: {script: a}}")), folder=tmp_path)
    diff = applied(
        database, store("", app("scripts: {claim: {script: b}}")), folder=tmp_path, now=LATER
    )
    assert said(diff)[:2] == ["~ script eu/cms polydock-claim", "    script: a -> b"]
    assert only(database, StoreApp).updated_at == LATER


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("value: a", "value: b", ["value: a -> b"]),
        ("value: a", "value: a, scope: build", ["scope: global -> build"]),
        ("value: a", "value: '${TOKEN}', secret: true", ["secret: false -> true", HIDDEN]),
        ("value: '${TOKEN}', secret: true", "value: b", ["secret: true -> false", HIDDEN]),
        ("value: '${TOKEN}', secret: true", "value: '${OTHER}', secret: true", [HIDDEN]),
        ("value: '${TOKEN}', secret: true", f"value: {CANARY}", ["secret: true -> false"]),
    ],
)
def test_a_variable_changes(
    database: Database, tmp_path: Path, before: str, after: str, words: list[str]
) -> None:
    env = {"OTHER": f"{CANARY}-2"}
    first, second = (f"variables: [{{name: A, {v}}}]" for v in (before, after))
    applied(database, store(first), folder=tmp_path, env=env)
    diff = applied(database, store(second), folder=tmp_path, env=env)
    assert [line.strip() for line in said(diff)[1:-1]] == words
    assert CANARY not in json.dumps(asdict(diff))
    row = only(database, Variable)
    wanted = yaml.safe_load(second)["variables"][0]["value"]
    clear = {"${TOKEN}": CANARY, "${OTHER}": env["OTHER"]}.get(wanted, wanted)
    assert open_variable(row, database.vault).reveal() == clear
    assert applied(database, store(second), folder=tmp_path, env=env).is_empty


def test_a_deploy_key_comes_changes_and_goes(database: Database, tmp_path: Path) -> None:
    with_key = store("")
    with_key["lagoon"] = {**with_key["lagoon"], "deploy_key": "${KEY}"}
    first, second = private_key(), private_key()
    assert said(applied(database, with_key, folder=tmp_path, key=first))[0] == "+ store eu"
    diff = applied(database, with_key, folder=tmp_path, key=second)
    assert said(diff)[:2] == ["~ store eu", "    lagoon.deploy_key: (changed)"]
    row = only(database, Store)
    assert row.deploy_key
    assert database.vault.open(deploy_key(row), row.deploy_key).reveal() == second
    gone = applied(database, store(""), folder=tmp_path)
    assert said(gone)[1] == "    lagoon.deploy_key: (changed)"
    assert only(database, Store).deploy_key is None


def test_a_secret_is_nowhere_to_be_read(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    diff = applied(database, store("", app(FULL)), folder=tmp_path)
    changed = applied(database, store("", app(FULL)), folder=tmp_path, env={"TOKEN": CANARY * 2})
    places = [caplog.text, str(dump(database)), as_yaml(export_catalog(database))]
    places += [repr(d) + str(said(d)) + json.dumps(asdict(d)) for d in (diff, changed)]
    assert changed.changes
    assert not [place for place in places if CANARY in place]


def test_a_secret_whose_key_is_gone_stops_the_apply(database: Database, tmp_path: Path) -> None:
    applied(database, store("", app(FULL)), folder=tmp_path)
    before, vault = dump(database), database.vault
    database.vault = Vault([new_key()])
    with pytest.raises(VaultError, match="POLYDOCK_SECRET_KEYS lacks the key"):
        applied(database, store("name: X", app(FULL)), folder=tmp_path)
    database.vault = vault
    assert dump(database) == before


def test_a_wrong_file_writes_nothing_of_the_right_one(database: Database, tmp_path: Path) -> None:
    right = written(tmp_path, store("", app()), name="right.yaml")
    wrong = written(tmp_path, store("{key: us, colour: x}"), name="wrong.yaml")
    with pytest.raises(CatalogError, match="colour: is unknown"):
        apply_catalog(database, [right, wrong], START, {})
    assert dump(database) == []


def test_mails_that_would_not_be_shown_as_meant_are_refused_with_their_place(
    database: Database, tmp_path: Path
) -> None:
    bare = app("key: bare")
    wrong = {
        "ready": {"body": "Fine, and\n\n<b>then</b>", "subject": "Yours \u202eis"},
        "midtrial": {"body": "[go](javascript:x)", "enabled": False},
        "trial_failed": {"body": "\u2066x"},
    }
    with pytest.raises(CatalogError) as refused:
        applied(database, store("", bare, app() | {"mails": wrong}), folder=tmp_path)
    found = refused.value.problems
    assert {problem.file for problem in found} == {str(tmp_path / "catalog.yaml")}
    assert [(problem.path.removeprefix("stores[0].apps[1].mails.")) for problem in found] == [
        "ready.subject",
        "ready.body",
        "midtrial.body",
        "trial_failed.body",
    ]
    reasons = [problem.reason for problem in found]
    assert all("expected" in reason for reason in reasons)
    assert "line 3 of the body's Markdown holds HTML" in reasons[1]
    assert all_of(database, Store) == []


def test_what_the_files_do_not_name_is_left_alone(database: Database, tmp_path: Path) -> None:
    applied(database, store("", app(), app("key: old")), store("key: us"), folder=tmp_path)
    before = {row.key: row.updated_at for row in all_of(database, StoreApp)}
    diff = applied(database, store("", app()), folder=tmp_path, now=LATER)
    assert diff.is_empty
    assert diff.not_in_files == ["store us", "app eu/old"]
    assert {row.key: row.updated_at for row in all_of(database, StoreApp)} == before


ELSEWHERE = "6f1c3f0e-5d0b-4f5e-9a56-2f3f3d1c8b11"


def test_a_uuid_of_another_app_is_refused(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        make_store_app(session, make_store(session, key="us"), key="x", uuid=ELSEWHERE)
    with pytest.raises(CatalogError) as refused:
        applied(database, store("", app(f"uuid: {ELSEWHERE}")), folder=tmp_path)
    assert "stores[0].apps[0].uuid: belongs to the app us/x; choose another" in str(refused.value)


def test_a_uuid_never_changes(database: Database, tmp_path: Path) -> None:
    applied(database, store("", app(f"uuid: {ELSEWHERE}")), folder=tmp_path)
    assert applied(database, store("", app()), folder=tmp_path).is_empty
    other = app_uuid("eu", "cms")
    with pytest.raises(CatalogError, match=f"uuid: must stay {ELSEWHERE}"):
        applied(database, store("", app(f"uuid: {other}")), folder=tmp_path)
    assert only(database, StoreApp).uuid == ELSEWHERE


def test_one_uuid_made_and_one_given_may_not_meet(database: Database, tmp_path: Path) -> None:
    given = app(f"{{key: other, uuid: {app_uuid('eu', 'cms')}}}")
    with pytest.raises(CatalogError, match=r"apps\[1\].uuid: belongs to the app eu/cms"):
        applied(database, store("", app(), given), folder=tmp_path)
    assert dump(database) == []


def test_uuids_are_the_same_on_every_machine() -> None:
    assert app_uuid("eu", "cms") == "37d17f74-148c-5b98-996c-829c902d4e37"


def test_spellings_of_a_product_type_are_one(database: Database, tmp_path: Path) -> None:
    types = ("Drupal CMS", "drupal cms")
    apps = [app(f"{{key: a{i}, product_type: {t}}}") for i, t in enumerate(types)]
    applied(database, store("", *apps), folder=tmp_path)
    assert only(database, ProductType).name == "Drupal CMS"
    assert applied(database, store("", *apps), folder=tmp_path).is_empty


def test_two_applies_at_once_make_one_store(database: Database, tmp_path: Path) -> None:
    file = written(tmp_path, store("", app(FULL)))
    diffs: list[CatalogDiff] = []

    def apply_it() -> None:
        diffs.append(apply_catalog(database, [file], START, {"TOKEN": CANARY}))

    threads = [Thread(target=apply_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(diff.changes) for diff in diffs) == [0, 0, 0, 7]


def test_the_example_applies_and_repeats(database: Database) -> None:
    first = apply_catalog(database, [EXAMPLE], START, {})
    assert {c.action for c in first.changes} == {Action.CREATED}
    assert apply_catalog(database, [EXAMPLE], LATER, {}).is_empty
    assert {a.app_type for a in all_of(database, StoreApp)} == set(APP_TYPES)


def test_an_export_applies_without_a_change(database: Database, tmp_path: Path) -> None:
    whole = store("amazee_ai_region_id: 3", app(FULL), app("key: bare"))
    whole["lagoon"] = {**whole["lagoon"], "deploy_key": "${KEY}", "group_name": "ops"}
    whole["variables"] = [{"name": "S", "value": "${TOKEN}", "secret": True}]
    key = private_key()
    applied(database, whole, store("key: empty"), folder=tmp_path, key=key)
    exported = tmp_path / "exported.yaml"
    exported.write_text(as_yaml(export_catalog(database)))
    env = {
        "POLYDOCK_STORE_EU_DEPLOY_KEY": key,
        "POLYDOCK_STORE_EU__S": CANARY,
        "POLYDOCK_APP_EU__CMS__B": CANARY,
    }
    diff = apply_catalog(database, [exported], LATER, env)
    assert said(diff) == ["nothing to change, 4 unchanged"]
    assert diff.not_in_files == []


def test_an_export_makes_the_same_catalogue_elsewhere(database: Database, tmp_path: Path) -> None:
    apply_catalog(database, [EXAMPLE], START, {})
    document = export_catalog(database)
    exported = tmp_path / "exported.yaml"
    exported.write_text(as_yaml(document))
    elsewhere = Database(f"sqlite:///{tmp_path / 'elsewhere.db'}", Vault([new_key()]))
    schema.upgrade(elsewhere)
    apply_catalog(elsewhere, [exported], START, {})
    assert export_catalog(elsewhere) == document
    elsewhere.close()


def test_an_empty_export_applies(database: Database, tmp_path: Path) -> None:
    exported = tmp_path / "exported.yaml"
    exported.write_text(as_yaml(export_catalog(database)))
    assert apply_catalog(database, [exported], START, {}).is_empty
