"""Mails by way of Dagster: what waits becomes a run, what fell due an asset with figures."""

import logging
import socket
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import select

from polydock_pipelines.actions.operate import remove_instance
from polydock_pipelines.actions.pause import pause
from polydock_pipelines.db.models.mails import Email
from polydock_pipelines.db.places import admin_password
from polydock_pipelines.settings import settings
from tests.baddays.offers import LOGIN_TOKEN, PLAIN, SCRIPTED, Offer
from tests.e2e.house import DAGSTERS_WARNINGS, House
from tests.mailing import ALL_MAILS, CLAIMED

pytestmark = DAGSTERS_WARNINGS
DAY = timedelta(days=1).total_seconds()
ASSETS = {"trial_failed": "failed"}
WITH_MAILS = {"mails": ALL_MAILS, "trial_days": 14}
REMINDED = replace(PLAIN, app=WITH_MAILS)
CALENDAR = {
    "midtrial_emails": ("midtrial", 7),
    "one_day_left_emails": ("one_day_left", 13),
    "trial_complete_emails": ("trial_complete", 14),
}
"""Which schedule writes which mail, on which day of a trial of two weeks."""


def claimed(house: House, offer: Offer = REMINDED, people: int = 1) -> list[str]:
    """Let people sign up, and time pass until they are served; return their instances' uuids."""
    uuids = house.sign_up(offer, people)
    for _ in range(12):
        for sensor in ("signups", "builds", "due_instances"):
            house.tick_and_run(sensor)
        if house.statuses() == {CLAIMED}:
            return uuids
        house.move(61)
    raise AssertionError(house.statuses())


def asks(house: House, name: str) -> bool:
    """Tick a schedule; keep why it skipped."""
    schedule = house.defs.resolve_schedule_def(name)
    with dg.build_schedule_context(
        instance=house.dagster, resources=house.defs.resources
    ) as context:
        seen = schedule.evaluate_tick(context)
    house.skipped = seen.skip_message or ""
    return bool(seen.run_requests)


def run(house: House, job: str) -> dg.ExecuteInProcessResult:
    return house.run(dg.RunRequest(job_name=job))


def shown(house: House, kind: str, count: int = 1) -> list[dict[str, Any]]:
    """Return the figures of an asset's materializations, newest first."""
    key = dg.AssetKey(["trial_emails", ASSETS.get(kind, kind)])
    found = house.dagster.fetch_materializations(key, limit=100)
    seen = [r.asset_materialization for r in found.records if r.asset_materialization]
    assert len(seen) == count
    return [{name: value.value for name, value in one.metadata.items()} for one in seen]


def delivered(house: House) -> list[tuple[str, str]]:
    """Return to whom the sink was given what kind of mail."""
    return [
        (mail["recipients"][0], mail["headers"]["Message-ID"].partition(".")[0].removeprefix("<"))
        for mail in house.state("mails")
    ]


def rows(house: House) -> list[Email]:
    with house.database.read() as session:
        return list(session.scalars(select(Email).order_by(Email.id)))


def test_a_claim_becomes_a_mail_a_run_and_a_materialization(house: House) -> None:
    assert house.tick("emails") == []
    assert house.skipped == "no mail waits"
    uuids = claimed(house, people=2)
    (sending,) = house.tick_and_run("emails")
    assert sending.success
    assert sorted(delivered(house)) == [(f"person{n}@example.com", "ready") for n in range(2)]
    (figures,) = shown(house, "ready")
    assert figures["sent"] == 2
    assert sorted(figures["instances"]) == sorted(uuids)
    assert house.tick("emails") == []


def test_a_signup_that_fails_becomes_a_mail_too(sqlite_house: House) -> None:
    house = sqlite_house
    house.lagoon.fault("addProject", "quota", 100)
    (uuid,) = house.sign_up(REMINDED)
    house.tick_and_run("signups")
    assert house.row(uuid).status == "create-failed"
    house.tick_and_run("emails")
    assert delivered(house) == [("person0@example.com", "trial_failed")]
    (figures,) = shown(house, "trial_failed")
    assert (figures["sent"], figures["instances"]) == (1, [uuid])


@pytest.mark.parametrize("schedule", CALENDAR)
def test_a_schedule_asks_for_a_run_when_its_mail_is_due_and_not_again(
    house: House, schedule: str
) -> None:
    kind, day = CALENDAR[schedule]
    (uuid,) = claimed(house)
    house.tick_and_run("emails")
    house.move(day * DAY - 120)
    assert not asks(house, schedule)
    assert house.skipped == "nothing is due"
    house.move(180)
    assert asks(house, schedule)
    assert run(house, f"send_{schedule}").success
    (figures,) = shown(house, kind)
    assert (figures["due"], figures["written"], figures["sent"]) == (1, 1, 1)
    assert figures["instances"] == [uuid]
    assert 0 < figures["lateness (s)"] < 3600
    assert (delivered(house)[-1], len(delivered(house))) == (("person0@example.com", kind), 2)
    assert not asks(house, schedule)
    assert run(house, f"send_{schedule}").success
    assert {one["due"] for one in shown(house, kind, 2)} == {0, 1}
    assert len(delivered(house)) == 2


def test_a_trial_of_two_weeks_tells_each_thing_once(sqlite_house: House) -> None:
    """By its schedules and its sensor, each half day; and then it is removed."""
    house = sqlite_house
    (uuid,) = claimed(house)
    for _ in range(30):
        for schedule in CALENDAR:
            if asks(house, schedule):
                run(house, f"send_{schedule}")
        house.tick_and_run("emails")
        house.move(DAY / 2)
    assert [kind for _, kind in delivered(house)] == [
        "ready",
        "midtrial",
        "one_day_left",
        "trial_complete",
    ]
    assert {row.state for row in rows(house)} == {"sent"}
    assert asks(house, "trial_removals")
    assert run(house, "remove_ended_trials").success
    assert house.row(uuid).status == "pending-pre-remove"
    assert not asks(house, "trial_removals")


def test_an_instance_that_is_removed_meanwhile_is_counted_as_skipped(sqlite_house: House) -> None:
    house = sqlite_house
    (uuid,) = claimed(house)
    remove_instance(house.database, uuid, house.clock.now(), by="a test")
    (sending,) = house.tick_and_run("emails")
    assert sending.success
    assert delivered(house) == []
    (figures,) = shown(house, "ready")
    assert (figures["sent"], figures["skipped"]) == (0, 1)
    assert house.tick("emails") == []


def test_a_mail_that_is_put_off_asks_for_another_run_when_its_time_comes(
    sqlite_house: House,
) -> None:
    house = sqlite_house
    claimed(house)
    house.lagoon.fault("smtp", "smtp_450")
    house.tick_and_run("emails")
    (figures,) = shown(house, "ready")
    assert (figures["sent"], figures["put off"]) == (0, 1)
    assert "450" in figures["problems"]
    assert "p…@example.com" in figures["problems"]
    assert house.tick("emails") == []
    house.move(61)
    house.tick_and_run("emails")
    assert delivered(house) == [("person0@example.com", "ready")]


def test_an_absent_mail_server_is_asked_when_a_probe_is_due_and_fails_no_run(
    sqlite_house: House,
) -> None:
    house = sqlite_house
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    house.monkeypatch.setenv("SMTP_URL", f"smtp://127.0.0.1:{port}")
    settings.cache_clear()
    claimed(house)
    (sending,) = house.tick_and_run("emails")
    assert sending.success
    assert "away" in shown(house, "ready")[0]["held back"]
    assert house.tick("emails") == []
    assert "smtp is away since" in house.skipped
    house.move(31)
    (probing,) = house.tick_and_run("emails")
    assert probing.success
    assert house.tick("emails") == []
    (row,) = rows(house)
    assert (row.state, row.attempts) == ("pending", 0)


def test_a_brake_is_why_no_run_is_asked_for(sqlite_house: House) -> None:
    house = sqlite_house
    claimed(house)
    pause(house.database, house.clock.now(), work="emails", by="eve")
    assert house.tick("emails") == []
    assert "emails paused by eve" in house.skipped


def test_runs_that_are_under_way_are_enough(sqlite_house: House) -> None:
    house = sqlite_house
    claimed(house)
    job = house.defs.resolve_job_def("send_emails")
    for _ in range(2):
        house.dagster.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert house.tick("emails") == []
    assert house.skipped == "runs are at it already"


def test_nothing_of_a_mail_is_left_in_dagster_or_the_logs(
    sqlite_house: House, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    house = sqlite_house
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "mail.log")  # the sink's, who is no part of us
    (uuid,) = claimed(house, replace(SCRIPTED, app=WITH_MAILS))
    house.lagoon.fault("smtp", "smtp_450")
    house.tick_and_run("emails")
    house.move(7 * DAY)
    house.tick_and_run("emails")
    assert asks(house, "midtrial_emails")
    run(house, "send_midtrial_emails")
    assert [kind for _, kind in delivered(house)] == ["ready", "midtrial"]
    row = house.row(uuid)
    password = house.database.vault.open(admin_password(row), row.admin_password).reveal()
    assert password in house.state("mails")[0]["text"], "there is nothing to look for"
    secrets = (LOGIN_TOKEN, password, "signature=", "person0@example.com", "/unsubscribe/")
    captured = capfd.readouterr()
    texts = {
        "Dagster's storage": every_file(house.storage),
        "logs": caplog.text + captured.out + captured.err,
    }
    for place, text in texts.items():
        assert "send_midtrial_emails" in text, f"{place}: nothing was looked at"
        assert not [one for one in secrets if one in text], place
    written = [str({**vars(mail), "recipient": ""}) for mail in rows(house)]
    assert not [one for one in secrets if one in "".join(written)]


def every_file(folder: Path) -> str:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return "".join(path.read_bytes().decode("utf-8", "replace") for path in files)
