"""The asset `lagoon_drift`, its check and its schedule: a run when something is owed."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from polydock_pipelines import wiring
from polydock_pipelines.db.holdings import hold, keep, owe
from polydock_pipelines.db.models.instances import InstanceHolding
from polydock_pipelines.lifecycle.holding import Holding, HoldingKind
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports.amazee_ai import NewAiKey, NewAiUser
from tests.e2e.house import DAGSTERS_WARNINGS, House
from tests.makers import VAULT, make_instance_row

pytestmark = DAGSTERS_WARNINGS
NAME = "trial-calm-otter-a1b2c3d4"
OWN = f"{NAME}@autogen.null"
KEY = f"{NAME}-proj-creds"
CANARY = "Canary4711"
MIDNIGHT = datetime(2026, 3, 1, 0, 37, tzinfo=UTC)
MORNING = datetime(2026, 3, 1, 9, 37, tzinfo=UTC)
DELETES = "DELETE /amazee-ai/private-ai-keys/*"


def a_debt(house: House, *, is_owed: bool = True) -> str:
    """Make a user and a key at amazee.ai; enter them for an instance; return the key's text."""
    with wiring.open_amazee_ai() as ai:
        user = ai.users.create(NewAiUser(OWN, Secret(f"{CANARY}-Password")))
        key = ai.keys.create(NewAiKey(1, KEY, owner_id=user.id))
    held = (
        Holding(HoldingKind.AI_KEY, KEY, OWN, external_id=key.id, region_id=1),
        Holding(HoldingKind.AI_USER, OWN, external_id=user.id),
    )
    now = house.clock.now()
    with house.database.write() as session:
        row = make_instance_row(session, name=NAME, status="removed", password=CANARY)
        keep(session, row.id, "token", Secret(CANARY), VAULT)
        for one in held:
            hold(session, row.id, one, now)
            if is_owed:
                owe(session, row.id, one, "amazee.ai was away", now)
    return key.llm_token.reveal()


def at_amazee_ai(house: House) -> tuple[list[str], list[str]]:
    """Return the names of the keys, and our instance's users, that stand."""
    state = house.state("amazee_ai")
    users = [user["email"] for user in state["users"] if user["email"].startswith(NAME)]
    return [key["name"] for key in state["keys"]], users


def asks_for_a_run(house: House, at: datetime) -> dg.RunRequest | str:
    """Evaluate the schedule; return its request, or why there is none."""
    schedule = house.defs.resolve_schedule_def("lagoon_drift")
    with dg.build_schedule_context(
        instance=house.dagster, scheduled_execution_time=at, resources=house.defs.resources
    ) as context:
        found = schedule.evaluate_tick(context)
    return found.run_requests[0] if found.run_requests else found.skip_message or ""


def drift(house: House) -> tuple[dict[str, Any], bool, str]:
    """Run the job; return its metadata, whether the check passed, and what it says."""
    run = house.defs.resolve_job_def("find_lagoon_drift").execute_in_process(instance=house.dagster)
    (made,) = run.asset_materializations_for_node("lagoon_drift")
    (check,) = run.get_asset_check_evaluations()
    assert check.check_name == "ai_credentials_returned"
    return dict(made.metadata), check.passed, check.description or ""


def test_without_debts_the_schedule_runs_once_a_day_only(house: House) -> None:
    assert asks_for_a_run(house, MORNING) == "nothing is owed"
    assert isinstance(asks_for_a_run(house, MIDNIGHT), dg.RunRequest)


def test_what_a_running_house_holds_is_no_debt(sqlite_house: House) -> None:
    a_debt(sqlite_house, is_owed=False)
    assert asks_for_a_run(sqlite_house, MORNING) == "nothing is owed"
    metadata, passed, said = drift(sqlite_house)
    assert (metadata["given back"].value, passed, said) == (0, True, "all is given back")
    assert at_amazee_ai(sqlite_house) == ([KEY], [OWN])


def test_a_debt_is_settled_within_the_hour_and_the_check_is_green(house: House) -> None:
    a_debt(house)
    assert isinstance(asks_for_a_run(house, MORNING), dg.RunRequest)
    metadata, passed, said = drift(house)
    assert (metadata["given back"].value, metadata["still owed"].value) == (2, 0)
    assert (passed, said) == (True, "all is given back")
    assert at_amazee_ai(house) == ([], [])
    assert asks_for_a_run(house, MORNING) == "nothing is owed"


def test_a_debt_that_cannot_be_settled_turns_the_check_red_with_a_sentence(
    sqlite_house: House,
) -> None:
    house = sqlite_house
    a_debt(house)
    house.lagoon.fault(DELETES, "http500", 1000)
    metadata, passed, said = drift(house)
    assert (metadata["given back"].value, metadata["still owed"].value, passed) == (0, 2, False)
    (one,) = said.splitlines()
    assert one.startswith(f"{NAME} holds ai-key {KEY}, ai-user {OWN}: amazee.ai ")
    assert [record.data["name"] for record in metadata["table"].records] == [KEY, OWN]
    house.lagoon._call(lambda world: world.faults.clear())
    assert drift(house)[1:] == (True, "all is given back")


@pytest.mark.parametrize("is_away", [True, False])
def test_no_secret_is_left_in_dagsters_storage(
    sqlite_house: House, caplog: pytest.LogCaptureFixture, *, is_away: bool
) -> None:
    house = sqlite_house
    caplog.set_level("DEBUG")
    secrets = [a_debt(house), CANARY, token_of(house)]
    if is_away:
        house.lagoon.fault(DELETES, "expired_token", 1000)
    _, passed, said = drift(house)
    assert passed is not is_away
    files = [path.read_bytes() for path in house.storage.rglob("*") if path.is_file()]
    text = b"".join(files).decode("utf-8", "replace")
    assert "ai_credentials_returned" in text, "nothing was looked at"
    assert not [secret for secret in secrets if secret in text + said + caplog.text]


def token_of(house: House) -> str:
    """Return our own token at amazee.ai."""
    return Path(house.lagoon.environment["AMAZEE_AI_TOKEN_FILE"]).read_text().strip()


def test_a_long_list_is_cut_and_counted(sqlite_house: House) -> None:
    house = sqlite_house
    a_debt(house)
    now = house.clock.now()
    with house.database.write() as session:
        instance_id = session.query(InstanceHolding).first().instance_id  # pyright: ignore[reportOptionalMemberAccess]
        for number in range(30):
            one = Holding(HoldingKind.AI_KEY, f"{KEY}-{number}", OWN)
            hold(session, instance_id, one, now)
            owe(session, instance_id, one, "amazee.ai was away", now)
    house.lagoon.fault(DELETES, "http500", 1000)
    metadata, passed, said = drift(house)
    assert (passed, len(said.splitlines())) == (False, 1)
    assert " and 27 more: amazee.ai " in said
    assert len(metadata["table"].records) == metadata["still owed"].value == 32


def test_a_house_without_tables_is_told_what_to_run(sqlite_house: House) -> None:
    with sqlite_house.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0003'")
    assert "polydock db upgrade" in str(asks_for_a_run(sqlite_house, MIDNIGHT))


def test_without_a_token_the_check_says_what_to_set(sqlite_house: House, tmp_path: Path) -> None:
    house = sqlite_house
    a_debt(house)
    house.monkeypatch.setenv("AMAZEE_AI_TOKEN_FILE", str(tmp_path / "nothing"))
    house.move(0)
    _, passed, said = drift(house)
    assert not passed
    assert "Set AMAZEE_AI_TOKEN_FILE or AMAZEE_AI_TOKEN" in said
