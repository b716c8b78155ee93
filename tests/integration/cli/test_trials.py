"""`polydock instances extend | keep | restore | purge`: sentences, JSON and exit codes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.simulator.options import SimulatorOptions
from polydock_pipelines.simulator.simulator import Simulator
from tests.integration.cli.conftest import Polydock
from tests.makers import instance_row, make_trial, make_variable

CANARY = "Canary4711"
DAY = timedelta(days=1)
SINCE = datetime.now(UTC).replace(microsecond=0) - 5 * DAY
"""The command line goes by the real clock."""
END = SINCE + 14 * DAY
NO_TIMES = ["soon", "2026-13-01", "24.12.2026", "", "9999-12-31T23:59-12:00", "99999-01-01"]


def a_trial(polydock: Polydock, **changes: Any) -> AppInstance:
    """Add a trial that began five days ago."""
    with polydock.db.write() as session:
        return make_trial(session, since=SINCE, **changes)


def a_removed(polydock: Polydock, **changes: Any) -> AppInstance:
    """Add a trial whose grace has a week to go."""
    gone = {
        "status": "removed",
        "removed_at": SINCE - 2 * DAY,
        "purge_eligible_at": SINCE + 12 * DAY,
        "lagoon_project_id": 4711,
    }
    return a_trial(polydock, **(gone | changes))


def again(polydock: Polydock, row: AppInstance) -> AppInstance:
    return instance_row(polydock.db, row.id)


# -- another end


def test_a_trial_is_extended_by_days(polydock: Polydock) -> None:
    row = a_trial(polydock)
    said = polydock("instances", "extend", row.name, "--days", "7", "--reason", "a demo")
    until = f"{END + 7 * DAY:%Y-%m-%d %H:%M:%S} UTC"
    assert (said.code, said.err) == (0, "")
    assert said.out == f"{row.name} is running-healthy-claimed: its trial ends {until}\n"
    assert again(polydock, row).trial_ends_at == END + 7 * DAY
    assert "a demo" in polydock("instances", "logs", row.name).out


@pytest.mark.parametrize(
    ("until", "end"),
    [
        ("2099-12-24", datetime(2099, 12, 24, tzinfo=UTC)),
        ("2099-12-24T18:00", datetime(2099, 12, 24, 18, tzinfo=UTC)),
        ("2099-12-24T18:00Z", datetime(2099, 12, 24, 18, tzinfo=UTC)),
        ("2099-12-24T18:00+02:00", datetime(2099, 12, 24, 16, tzinfo=UTC)),
        ("2096-02-29", datetime(2096, 2, 29, tzinfo=UTC)),
    ],
)
def test_a_trial_is_extended_until_a_time_which_is_utc_without_a_zone(
    polydock: Polydock, until: str, end: datetime
) -> None:
    row = a_trial(polydock)
    told = polydock("instances", "extend", row.uuid, "--until", until, "--json").json
    assert told == {
        "uuid": row.uuid,
        "name": row.name,
        "status": "running-healthy-claimed",
        "note": f"its trial ends {end:%Y-%m-%d %H:%M:%S} UTC",
    }
    assert again(polydock, row).trial_ends_at == end


def test_a_past_end_is_refused_in_a_line(polydock: Polydock) -> None:
    row = a_trial(polydock)
    said = polydock("instances", "extend", row.name, "--until", "2020-02-29")
    assert said.code == 1
    assert said.line == (
        "polydock: 2020-02-29 00:00:00 UTC is past; give an end that is to come, or remove it"
    )
    assert again(polydock, row).trial_ends_at == END


@pytest.mark.parametrize("arguments", [(), ("--days", "3", "--until", "2099-12-24")])
def test_an_extension_says_either_days_or_a_time(
    polydock: Polydock, arguments: tuple[str, ...]
) -> None:
    said = polydock("instances", "extend", a_trial(polydock).name, *arguments)
    assert (said.code, said.line) == (2, "polydock: say either --until or --days")


@pytest.mark.parametrize("until", NO_TIMES)
def test_what_is_no_time_is_refused(polydock: Polydock, until: str) -> None:
    said = polydock("instances", "extend", a_trial(polydock).name, "--until", until)
    assert said.code == 2
    assert "is no time; expected 2026-12-24 or 2026-12-24T18:00" in said.line


@pytest.mark.parametrize("days", ["0", "-3", "many"])
def test_what_is_no_number_of_days_is_refused(polydock: Polydock, days: str) -> None:
    said = polydock("instances", "extend", a_trial(polydock).name, "--days", days)
    assert said.code == 2
    assert "Traceback" not in said.err


def test_more_days_than_a_calendar_has_are_refused(polydock: Polydock) -> None:
    said = polydock("instances", "extend", a_trial(polydock).name, "--days", "99999999")
    assert said.code == 1
    assert "no calendar goes on for 99999999 days" in said.line


def test_a_trial_is_kept(polydock: Polydock) -> None:
    row = a_trial(polydock)
    said = polydock("instances", "keep", row.name, "--reason", "they bought it")
    assert said.out.endswith("it is kept; nothing ends it any more\n")
    assert again(polydock, row).trial_ends_at is None
    assert polydock("instances", "keep", row.name, "--json").json["note"] == "it is kept already"
    refused = polydock("instances", "extend", row.name, "--days", "1")
    assert (refused.code, "is no trial: nothing ends it" in refused.line) == (1, True)


@pytest.mark.parametrize("command", [("extend", "--days", "1"), ("keep",)])
def test_a_removed_trial_has_a_way_back_that_is_told(
    polydock: Polydock, command: tuple[str, ...]
) -> None:
    said = polydock("instances", command[0], a_removed(polydock).name, *command[1:])
    assert said.code == 1
    assert "within the grace period `polydock instances restore` builds it anew" in said.line


# -- restore and purge


def test_a_removed_trial_is_restored(polydock: Polydock) -> None:
    row = a_removed(polydock)
    told = polydock("instances", "restore", row.name, "--json").json
    assert told["status"] == "pending-post-create"
    said = polydock("instances", "restore", row.name)
    assert said.code == 1
    assert "only a removed instance can be restored; this one is pending-post-create" in said.line


def test_a_living_instance_is_purged_after_its_removal(polydock: Polydock) -> None:
    row = a_trial(polydock)
    said = polydock("instances", "purge", row.name, "--reason", "spam")
    assert said.out == (
        f"{row.name} is pending-pre-remove: its removal begins within seconds; its project goes "
        "right after\n"
    )
    facts = polydock("instances", "show", row.name, "--json").json["facts"]
    assert facts["purge without grace asked for"]
    back = polydock("instances", "purge", row.name, "--cancel")
    assert back.out.endswith("it is purged when its grace is over\n")
    assert again(polydock, row).force_purge_requested_at is None


@pytest.mark.parametrize("status", ["removed", "purge-failed"])
def test_a_removed_instance_is_purged_at_once(polydock: Polydock, status: str) -> None:
    row = a_removed(polydock, status=status)
    told = polydock("instances", "purge", row.name, "--json").json
    assert (told["status"], told["note"]) == ("pending-purge", "its purge begins within seconds")
    said = polydock("instances", "purge", row.name, "--cancel")
    assert (said.code, again(polydock, row).status) == (0, "removed")
    assert again(polydock, row).purged_at is None
    said = polydock("instances", "purge", row.name, "--cancel")
    assert said.code == 1
    assert "no purge waits to begin" in said.line


def test_a_purge_is_either_called_off_or_confirmed(polydock: Polydock) -> None:
    said = polydock("instances", "purge", a_removed(polydock).name, "--cancel", "--confirm-gone")
    assert (said.code, said.line) == (2, "polydock: say either --confirm-gone or --cancel")


@pytest.mark.parametrize("command", ["extend", "keep", "restore", "purge"])
def test_nobody_is_one_line(polydock: Polydock, command: str) -> None:
    more = ("--days", "1") if command == "extend" else ()
    said = polydock("instances", command, "nobody", *more)
    expected = "polydock: there is no instance nobody; `polydock instances list` shows them"
    assert (said.code, said.line) == (1, expected)


# -- on somebody's word, beside a Lagoon


@pytest.fixture
def lagoon(tmp_path: Path, polydock: Polydock, environ: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """The command line beside a Lagoon."""
    options = SimulatorOptions(home=tmp_path / "lagoon", port=0, ssh_port=0, smtp_port=0)
    with Simulator(options) as simulator:
        for name, value in simulator.environment.items():
            environ.setenv(name, value)
        yield simulator


def test_a_purge_that_nothing_proves_ends_on_somebodys_word(
    polydock: Polydock, lagoon: Simulator
) -> None:
    row = a_removed(polydock, status="purge-failed")
    said = polydock("instances", "purge", row.name, "--confirm-gone", "--reason", "I looked")
    assert (said.code, said.out) == (0, f"{row.name} is removed: it counts as purged\n")
    assert again(polydock, row).purged_at is not None
    again_said = polydock("instances", "purge", row.name)
    assert again_said.out.endswith("it is purged already\n")
    refused = polydock("instances", "restore", row.name)
    assert (refused.code, "a new signup makes another" in refused.line) == (1, True)


def test_what_lagoon_still_shows_is_not_gone(polydock: Polydock, lagoon: Simulator) -> None:
    (name, number) = lagoon._call(
        lambda world: next((p.name, p.id) for p in world.projects.values())
    )
    row = a_removed(polydock, status="purge-failed", name=name, lagoon_project_id=number)
    said = polydock("instances", "purge", row.uuid, "--confirm-gone")
    assert said.code == 1
    assert f"Lagoon still shows the project {name} (id {number})" in said.line
    assert f"`polydock instances purge {name}` deletes it" in said.line


def test_without_lagoon_nobodys_word_counts(
    polydock: Polydock, environ: pytest.MonkeyPatch
) -> None:
    environ.setenv("LAGOON_API_URL", "http://127.0.0.1:9/graphql")
    environ.setenv("LAGOON_TOKEN", "a-token")
    row = a_removed(polydock, status="purge-failed")
    said = polydock("instances", "purge", row.name, "--confirm-gone")
    assert said.code == 1
    assert said.line
    assert again(polydock, row).status == "purge-failed"


# -- once purged


@pytest.fixture
def purged(polydock: Polydock, lagoon: Simulator) -> AppInstance:
    """An instance with secrets that was purged."""
    row = a_removed(polydock, password=CANARY, login_url=f"https://x.example.com/{CANARY}")
    with polydock.db.write() as session:
        make_variable(session, session.get_one(AppInstance, row.id), "A", CANARY, is_secret=True)
    assert polydock("instances", "purge", row.name, "--confirm-gone").code == 0
    return again(polydock, row)


def test_every_command_works_beside_a_purged_instance(
    polydock: Polydock, purged: AppInstance
) -> None:
    shown = polydock("instances", "show", purged.uuid)
    facts = polydock("instances", "show", purged.uuid, "--json").json["facts"]
    assert {"removed", "purged"} <= set(facts)
    assert "purge from" not in facts
    listed = polydock("instances", "list", "--status", "removed", "--json").json
    assert [one["uuid"] for one in listed] == [purged.uuid]
    logs = polydock("instances", "logs", purged.uuid)
    assert "gone, they say:" in logs.out
    said = polydock("keys", "rotate")
    assert (shown.code, said.code, said.err) == (0, 0, "")
    assert CANARY not in shown.out + logs.out


@pytest.mark.parametrize(
    "command",
    [("remove",), ("retry",), ("upgrade",), ("restore",), ("extend", "--days", "1"), ("keep",)],
)
def test_nothing_moves_a_purged_instance(
    polydock: Polydock, purged: AppInstance, command: tuple[str, ...]
) -> None:
    said = polydock("instances", command[0], purged.name, *command[1:])
    assert (said.code, said.out) == (1, "")
    assert said.line
    assert again(polydock, purged).event_sequence == purged.event_sequence
