"""No secret is left where people look: Dagster's storage, our tables, the logs."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from polydock_pipelines.actions.operate import remove_instance, retry_instance
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import KeptValue
from polydock_pipelines.db.models.offers import StoreAppScript
from polydock_pipelines.db.places import admin_password, kept_value
from polydock_pipelines.simulator.world import World
from polydock_pipelines.steps.amazee_claw import MODE_FIELD
from tests.baddays.offers import (
    CANARIES,
    CLAIM,
    EACH_TYPE,
    SCRIPTED,
    TELLS_URL,
    VARIABLE_VALUE,
    Offer,
)
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
    assert_nowhere(house, row.name, {*CANARIES, password}, caplog, capfd)


def assert_nowhere(
    house: House,
    name: str,
    secrets: set[str],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Assert that no place where people look holds one of *secrets*."""
    captured = capfd.readouterr()
    texts = {
        "Dagster's storage": "".join(every_file(house.storage)),
        "our tables": "\n".join(every_value(house.database)),
        "logs": "\n".join((caplog.text, captured.out, captured.err)),
    }
    for place, text in texts.items():
        assert name in text, f"{place}: nothing was looked at"
        assert not [s for s in secrets if s in text], place


AI_OFFERS = {
    **{key: EACH_TYPE[key] for key in EACH_TYPE if key != "polydock-app"},
    "amazee-claw, injected": Offer(app_type="amazee-claw"),
}
INJECTED = {
    "llm_key": "canary-of-an-llm-key-1a2b",
    "backend_token": "canary-of-a-backend-token-3c4d",
    "vector_db_pass": "canary-of-a-vector-db-5e6f",  # pragma: allowlist secret
    "llm_url": "https://llm.example.com",
}
"""What a request brings; the last one is no secret."""


@pytest.mark.parametrize("kind", AI_OFFERS)
def test_no_ai_credential_is_left_in_dagster_our_tables_or_the_logs(
    kind: str,
    sqlite_house: House,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    house, fields = sqlite_house, INJECTED if "injected" in kind else {}
    caplog.set_level(logging.DEBUG)
    offer = AI_OFFERS[kind]
    loud = {"post-deploy": "env; env >&2", CLAIM: f"env; {offer.scripts[CLAIM]}; env >&2"}
    (uuid,) = house.sign_up(replace(offer, scripts=loud), fields=fields)
    secrets = live_with_ai(house, uuid)
    secrets |= {value for name, value in fields.items() if name != "llm_url"}
    assert secrets, "there is nothing to look for"
    assert_nowhere(house, house.row(uuid).name, secrets | set(CANARIES), caplog, capfd)


def live_with_ai(house: House, uuid: str) -> set[str]:
    """Let amazee.ai echo its token, claim, remove; return every secret that there was."""
    token = Path(house.lagoon.environment["AMAZEE_AI_TOKEN_FILE"]).read_text().strip()
    echo = f"no user for Bearer {token} and its password"
    house.lagoon.fault("POST /amazee-ai/users", "ai_500_after_commit", message=echo)
    go_on(house, uuid, CLAIMED)
    secrets = {token, *house.lagoon._call(secrets_of), *kept(house.database)}
    remove_instance(house.database, uuid, house.clock.now(), by="a test")
    go_on(house, uuid, REMOVED)
    return secrets


def go_on(house: House, uuid: str, status: str) -> None:
    """Tick and let a minute pass until the instance stands in *status*."""
    for _ in range(12):
        for sensor in ("signups", "builds", "due_instances"):
            house.tick_and_run(sensor)
        if house.row(uuid).status == status:
            return
        house.move(61)
    raise AssertionError(f"it is {house.row(uuid).status}: {house.row(uuid).status_message}")


def secrets_of(world: World) -> set[str]:
    """Return every secret that the simulated amazee.ai has given out."""
    ai = world.amazee_ai
    llm = {key.llm.token for key in ai.keys.values() if key.llm}
    databases = {key.vector_db.password for key in ai.keys.values() if key.vector_db}
    return llm | databases | {one.token for one in ai.tokens.values()}


def kept(database: Database) -> set[str]:
    """Return the secrets that are kept for instances, in clear text."""
    with database.read() as session:
        rows = list(session.query(KeptValue).filter(KeptValue.name != MODE_FIELD))
    return {database.vault.open(kept_value(row), row.value).reveal() for row in rows}


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
