"""No secret is left where people look: Dagster's storage, our tables, the logs."""

import logging
from pathlib import Path

import pytest
from sqlalchemy import select

from polydock_pipelines.actions.operate import remove_instance, retry_instance
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.offers import StoreAppScript
from polydock_pipelines.db.places import admin_password
from tests.baddays.offers import CANARIES, CLAIM, SCRIPTED, TELLS_URL, VARIABLE_VALUE, Offer
from tests.baddays.table import CLAIMED, REMOVED
from tests.e2e.house import DAGSTERS_WARNINGS, House

pytestmark = DAGSTERS_WARNINGS
LOUD = f"env; {TELLS_URL}; env >&2; exit 3"
"""A claim script that prints all it knows, and fails."""


def test_no_secret_is_left_in_dagster_our_tables_or_the_logs(
    house: House, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    (uuid,) = house.sign_up(Offer(scripts={CLAIM: LOUD}))
    live_a_life(house, uuid)
    row = house.row(uuid)
    password = house.database.vault.open(admin_password(row), row.admin_password).reveal()
    captured = capfd.readouterr()
    texts = {
        "Dagster's storage": "".join(every_file(house.storage)),
        "our tables": "\n".join(every_value(house.database)),
        "logs": "\n".join((caplog.text, captured.out, captured.err)),
    }
    for place, text in texts.items():
        assert row.name in text, f"{place}: nothing was looked at"
        assert not [s for s in (*CANARIES, password) if s in text], place


def live_a_life(house: House, uuid: str) -> None:
    """Let Lagoon echo what it was sent, let the claim fail, mend it, claim, remove."""
    echo = f"no column takes {VARIABLE_VALUE}; got invalid value '{VARIABLE_VALUE}'"
    house.lagoon.fault("addOrUpdateEnvVariableByName", "graphql_error", message=echo)
    house.tick_and_run("signups")
    assert "no column takes ***" in house.row(uuid).status_message
    house.move(31)
    house.tick_and_run("due_instances")
    house.move(90)
    house.tick_and_run("builds")
    assert house.row(uuid).status == f"{CLAIM}-failed"
    with house.database.write() as session:
        session.query(StoreAppScript).update({"script": SCRIPTED.scripts[CLAIM]})
    retry_instance(house.database, uuid, house.clock.now(), by="a test")
    house.tick_and_run("due_instances")
    assert house.row(uuid).status == CLAIMED
    remove_instance(house.database, uuid, house.clock.now(), by="a test")
    house.tick_and_run("due_instances")
    house.move(60)
    house.tick_and_run("builds")
    assert house.row(uuid).status == REMOVED


def every_file(folder: Path) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 2
    return [path.read_bytes().decode("utf-8", "replace") for path in files]


def every_value(database: Database) -> list[str]:
    """Return each row of each table as text; scripts are the catalogue's own words."""
    tables = [t for t in database.metadata.sorted_tables if t.name != "store_app_scripts"]
    with database.read() as session:
        return [str(row) for table in tables for row in session.execute(select(table))]
