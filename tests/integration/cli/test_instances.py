"""`polydock instances …` over a rich story."""

from datetime import timedelta

import pytest

from polydock_pipelines.db.door import write
from polydock_pipelines.db.fields import write_field
from polydock_pipelines.db.holdings import give_back, hold, keep, owe
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.offers import FieldValue
from polydock_pipelines.db.models.operations import Handover
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle.holding import Holding, HoldingKind
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.lifecycle.transitions import Change
from tests.fakes.clock import START
from tests.integration.cli.conftest import Polydock
from tests.makers import (
    VAULT,
    instance_row,
    make_group,
    make_instance_row,
    make_registration,
    make_user,
    new_instance,
)

CANARY = "Canary4711"
LOGIN = f"https://trial.example.com/user/reset/1/{CANARY}/login"
NAME = "trial-calm-otter-a1b2c3d4"
WAY = (
    ("pending-create", "Create the Lagoon project"),
    ("create-running", ""),
    ("pending-create", "Lagoon answered addProject with HTTP 502."),
    ("create-running", ""),
    ("create-completed", ""),
    ("pending-deploy", "Build and deploy"),
    ("deploy-running", ""),
    ("deploy-failed", "lagoon-build-1 ended failed [/b] [red]really[/red] :boom:"),
)


@pytest.fixture
def story(polydock: Polydock) -> str:
    """Tell a story with runs, attempts, a failure and secrets; return the uuid."""
    with polydock.db.write() as session:
        row = make_instance_row(
            session,
            status="new",
            name=NAME,
            group=make_group(session, make_user(session)),
            password=CANARY,
            login_url=LOGIN,
            login_valid_until=START + timedelta(hours=24),
            app_url="https://trial.example.com",
            build_name="lagoon-build-1",
            build_status="failed",
        )
        make_registration(session, row)
        for number, (status, message) in enumerate(WAY):
            at = START + timedelta(seconds=10 * number)
            row.handover_id = f"h{number // 4}"
            write(session, row, Change((status,), message, attempt=number % 3), Writing(at))
        for number, run in enumerate(("run-one", "run-two")):
            at = START + timedelta(seconds=number)
            session.add(
                Handover(id=f"h{number}", kind="provision", source="x", run_id=run, created_at=at)
            )
        return row.uuid


def test_an_empty_list_says_what_to_do(polydock: Polydock) -> None:
    said = polydock("instances", "list")
    assert (said.code, said.out) == (0, "No instances. `polydock register` makes one.\n")
    assert polydock("instances", "list", "--json").json == []


def test_a_choice_that_finds_nothing_does_not_say_there_are_none(
    polydock: Polydock, story: str
) -> None:
    said = polydock("instances", "list", "--status", "removed")
    assert (said.code, said.out) == (0, "No instance like that.\n")


def test_a_status_that_does_not_exist_is_refused(polydock: Polydock) -> None:
    said = polydock("instances", "list", "--status", "asleep")
    assert said.code == 2
    assert "asleep" in said.line


def test_the_list_can_be_read_and_searched(polydock: Polydock, story: str) -> None:
    said = polydock("instances", "list")
    (line,) = [line for line in said.out.splitlines() if NAME in line]
    assert "deploy-failed" in line
    (entry,) = polydock("instances", "list", "--json").json
    assert (entry["uuid"], entry["name"], entry["status"]) == (story, NAME, "deploy-failed")
    assert entry["since"].startswith("2026-03-01T09:")


def test_the_list_may_be_cut_to_the_failed(polydock: Polydock, story: str) -> None:
    new_instance(polydock.db, status="removed")
    (entry,) = polydock("instances", "list", "--failed", "--json").json
    assert entry["uuid"] == story
    assert len(polydock("instances", "list", "--limit", "1", "--json").json) == 1


@pytest.mark.parametrize("by", ["uuid", "name"])
def test_the_whole_story_is_shown(polydock: Polydock, story: str, by: str) -> None:
    said = polydock("instances", "show", story if by == "uuid" else NAME)
    assert said.code == 0
    for words in (
        story,
        "deploy-failed",
        "Create the Lagoon project",
        "Lagoon answered addProject with HTTP 502.",
        "lagoon-build-1 (failed)",
        "http://127.0.0.1:9/runs/run-one",
        "http://127.0.0.1:9/runs/run-two",
        "2026-03-02 09:00:00",
    ):
        assert words in said.out


def test_words_of_others_are_shown_as_they_are(polydock: Polydock, story: str) -> None:
    for command in ("show", "logs"):
        said = polydock("instances", command, story)
        assert "ended failed [/b] [red]really[/red] :boom:" in said.out


def test_no_control_character_reaches_the_terminal(polydock: Polydock, story: str) -> None:
    with polydock.db.write() as session:
        row = session.query(AppInstance).filter_by(uuid=story).one()
        write(session, row, Change((), "a\x1b[2Jb\x07c\x9bd\re"), Writing(START))
    for command in (["show", story], ["logs", story], ["list"]):
        out = polydock("instances", *command).out
        assert not [sign for sign in out if ord(sign) < 32 and sign != "\n"]
        assert "\x9b" not in out


def test_the_story_for_programs_has_stages_runs_and_log(polydock: Polydock, story: str) -> None:
    told = polydock("instances", "show", story, "--json").json
    stages = [(s["stage"], s["attempts"], s["ended"]) for s in told["stages"]]
    assert stages == [("create", 2, "create-completed"), ("deploy", 1, "deploy-failed")]
    assert told["stages"][0]["seconds"] == 40.0
    assert told["runs"] == ["run-one", "run-two"]
    assert [move[2] for move in told["transitions"]] == [status for status, _ in WAY]
    assert polydock("instances", "logs", story, "--json").json == told["log"]


def test_no_secret_is_in_any_output(polydock: Polydock, story: str) -> None:
    commands = [["list"], ["show", story], ["logs", story], ["list", "--failed"]]
    said = [polydock("instances", *c, *j) for c in commands for j in ([], ["--json"])]
    said += [polydock("registrations", "list"), polydock("registrations", "list", "--json")]
    said += [polydock("instances", "retry", story), polydock("instances", "remove", story)]
    with polydock.db.read() as session:
        row = session.query(AppInstance).filter_by(uuid=story).one()
    for one in said:
        assert CANARY not in one.out + one.err
        assert row.admin_password[:40] not in one.out
        assert (row.login_url or "")[:40] not in one.out


def test_a_short_log_is_the_end_of_it(polydock: Polydock, story: str) -> None:
    (line,) = polydock("instances", "logs", story, "--limit", "1", "--json").json
    assert line["message"].startswith("lagoon-build-1 ended failed")


def test_an_instance_without_a_story_is_shown_too(polydock: Polydock) -> None:
    uuid = instance_row(polydock.db, new_instance(polydock.db)).uuid
    assert "none yet" in polydock("instances", "show", uuid).out
    assert polydock("instances", "show", uuid, "--json").json["stages"] == []
    assert polydock("instances", "logs", uuid).out == "The log is empty.\n"
    assert polydock("instances", "logs", uuid, "--json").json == []


@pytest.mark.parametrize("command", ["show", "logs", "retry", "remove"])
def test_an_unknown_instance_is_one_line(polydock: Polydock, command: str) -> None:
    said = polydock("instances", command, "nobody")
    expected = "polydock: there is no instance nobody; `polydock instances list` shows them"
    assert (said.code, said.line) == (1, expected)


def test_a_failed_instance_is_retried(polydock: Polydock, story: str) -> None:
    said = polydock("instances", "retry", story)
    assert (said.code, said.err) == (0, "")
    assert said.out == f"{NAME} is pending-pre-deploy: it goes on within seconds\n"


def test_a_retry_that_is_not_allowed_is_one_line(polydock: Polydock, story: str) -> None:
    polydock("instances", "retry", story)
    said = polydock("instances", "retry", story)
    assert said.code == 1
    assert "only a failed instance can be retried; this one is pending-pre-deploy" in said.line


def test_a_removal_begins_at_once(polydock: Polydock, story: str) -> None:
    told = polydock("instances", "remove", story, "--json").json
    assert told["status"] == "pending-pre-remove"
    again = polydock("instances", "remove", story)
    assert again.out.endswith("its removal is under way already\n")


def test_a_removal_waits_for_whoever_holds_the_lease(polydock: Polydock) -> None:
    until = START + timedelta(days=20_000)
    one = new_instance(polydock.db, status="deploy-running", lease_token="t", lease_until=until)
    said = polydock("instances", "remove", instance_row(polydock.db, one).name)
    assert "a step is at work; the removal follows it" in said.out
    assert instance_row(polydock.db, one).wanted == "remove"


def test_what_was_removed_cannot_be_removed_again(polydock: Polydock) -> None:
    one = new_instance(polydock.db, status="removed")
    said = polydock("instances", "remove", instance_row(polydock.db, one).name)
    assert (said.code, "that is removed cannot be asked to remove" in said.line) == (1, True)


def test_upgrades_are_asked_for_by_name_and_only_of_what_runs(polydock: Polydock) -> None:
    one = new_instance(polydock.db, status="running-healthy-claimed")
    two = new_instance(polydock.db, status="removed")
    names = [instance_row(polydock.db, row).name for row in (one, two)]
    said = polydock("instances", "upgrade", *names, "--reason", "a new version")
    assert (said.code, "that is removed cannot be asked to upgrade" in said.err) == (1, True)
    assert said.out == f"{names[0]} is pending-pre-upgrade: its upgrade begins within seconds\n"
    again = polydock("instances", "upgrade", names[0], "--json").json
    assert again[0]["note"] == "its upgrade is under way already"
    told = polydock("instances", "logs", names[0])
    assert "a new version" in told.out


# -- what stands outside, and the fields of the app's type

OWN = f"{NAME}@autogen.null"
HELD = (
    Holding(HoldingKind.AI_USER, OWN, external_id=11),
    Holding(HoldingKind.AI_KEY, f"{NAME}-proj-creds", OWN, 12, region_id=3, budget_usd=2.5),
    Holding(HoldingKind.AI_KEY, "lost", OWN),
    Holding(HoldingKind.ORGANIZATION_VARIABLES, "trials"),
    Holding(HoldingKind.AI_TEAM, f"gpt-{NAME}", external_id=14),
    Holding(HoldingKind.AI_TOKEN, "returned", OWN, external_id=15),
)


@pytest.fixture
def holder(polydock: Polydock) -> str:
    """Let an instance hold, owe and have returned things; return the uuid."""
    with polydock.db.write() as session:
        row = make_instance_row(session, name=NAME, ai_region_id=3)
        for one in HELD:
            hold(session, row.id, one, START)
        owe(session, row.id, HELD[4], "it has [b]users[/b]\x1b[2J", START)
        give_back(session, row.id, HELD[5], START + timedelta(seconds=5))
        keep(session, row.id, "token", Secret(CANARY), VAULT)
        for name, value in (("llm_key", Secret(CANARY)), ("llm_url", "https://l.example.com")):
            field = FieldValue(owner_type="app_instance", owner_id=row.id, name=name)
            write_field(field, value, VAULT)
            session.add(field)
        return row.uuid


def test_what_stands_outside_is_shown_with_how_it_stands(polydock: Polydock, holder: str) -> None:
    out = polydock("instances", "show", holder).out
    table = out.partition("\nOutside\n")[2].partition("\nRuns\n")[0].splitlines()
    assert [" ".join(line.split()) for line in table] == [
        "kind name id region budget stands",
        f"ai-user {OWN} 11 yes",
        f"ai-key {NAME}-proj-creds 12 3 2.5 USD a month yes",
        "ai-key lost maybe: its answer was lost",
        "organization-variables trials yes",
        f"ai-team gpt-{NAME} 14 owed since 2026-03-01 09:00:00: it has [b]users[/b]\ufffd[2J",
        "ai-token returned 15 given back 2026-03-01 09:00:05",
    ]


def test_what_stands_outside_is_told_to_programs(polydock: Polydock, holder: str) -> None:
    told = polydock("instances", "show", NAME, "--json").json["holdings"]
    assert [one["name"] for one in told] == [one.name for one in HELD]
    assert told[1] == {
        "kind": "ai-key",
        "name": f"{NAME}-proj-creds",
        "external_id": 12,
        "region_id": 3,
        "budget_usd": 2.5,
        "returned_at": None,
        "owed_since": None,
        "problem": "",
    }
    assert told[4]["owed_since"] == "2026-03-01T09:00:00+00:00"
    assert told[5]["returned_at"] == "2026-03-01T09:00:05+00:00"


def test_fields_are_shown_and_secret_ones_are_not(polydock: Polydock, holder: str) -> None:
    lines = [
        " ".join(line.split()) for line in polydock("instances", "show", NAME).out.splitlines()
    ]
    assert "field llm_url https://l.example.com" in lines
    assert "field llm_key (secret)" in lines
    assert "amazee.ai region 3" in lines
    facts = polydock("instances", "show", NAME, "--json").json["facts"]
    assert (facts["field llm_key"], facts["field llm_url"]) == ("(secret)", "https://l.example.com")
    for as_json in ([], ["--json"]):
        assert CANARY not in polydock("instances", "show", NAME, *as_json).out


def test_an_instance_that_holds_nothing_has_no_such_section(polydock: Polydock) -> None:
    uuid = instance_row(polydock.db, new_instance(polydock.db)).uuid
    assert "Outside" not in polydock("instances", "show", uuid).out
    assert polydock("instances", "show", uuid, "--json").json["holdings"] == []
