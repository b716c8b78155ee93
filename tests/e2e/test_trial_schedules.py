"""The calendar's schedules, their assets, and what operators do to trials from the Launchpad."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import select

from polydock_pipelines.actions.pause import pause, resume
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.mails import Email
from polydock_pipelines.lifecycle.mails import MailKind
from tests.e2e.house import DAGSTERS_WARNINGS, SCHEDULES, House, failure_of
from tests.makers import make_store_app, make_trial

pytestmark = DAGSTERS_WARNINGS
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MAILS = {kind.value: {"enabled": True} for kind in MailKind}
OVER = [HOUR / 2, 3 * DAY]


def a_trial(house: House, ends_in: timedelta = DAY, **changes: Any) -> AppInstance:
    """Add a trial whose end is to come, or was."""
    now = house.clock.now()
    with house.database.write() as session:
        app = make_store_app(session, mails=MAILS)
        given: dict[str, Any] = {
            "since": now - 10 * DAY,
            "trial_ends_at": now + ends_in,
            "updated_at": now,
        }
        return make_trial(session, app, **(given | changes))


def again(house: House, row: AppInstance) -> AppInstance:
    return house.row(row.uuid)


def run_all(house: House, name: str) -> list[dg.ExecuteInProcessResult]:
    return [house.run(request) for request in house.tick_schedule(name)]


def metadata(house: House, asset: str) -> dict[str, Any]:
    """Return what the last materialization of an asset says."""
    event = house.dagster.get_latest_materialization_event(dg.AssetKey(asset))
    assert event is not None
    assert event.asset_materialization is not None
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def mails(house: House) -> list[tuple[int, str]]:
    """Return whose mails were written, and of which kind."""
    with house.database.read() as session:
        return [(mail.instance_id, mail.kind) for mail in session.scalars(select(Email))]


def test_a_minute_with_nothing_due_starts_no_run(sqlite_house: House) -> None:
    a_trial(sqlite_house)
    a_trial(sqlite_house, trial_ends_at=None, is_trial=False)
    for name in (*SCHEDULES, "lagoon_drift", "retention", "stuck_instances"):
        at = datetime(2026, 3, 1, 9, 5, tzinfo=UTC)
        assert (sqlite_house.tick_schedule(name, at), bool(sqlite_house.skipped)) == ([], True)


@pytest.mark.parametrize("late", OVER)
def test_a_scheduler_that_slept_ends_and_removes_once(house: House, late: timedelta) -> None:
    row = a_trial(house, -late)
    for name in ("trial_complete_emails", "trial_removals"):
        (run,) = run_all(house, name)
        assert run.success
        assert run_all(house, name) == []
    found = again(house, row)
    assert (found.status, found.trial_completed) == ("pending-pre-remove", True)
    assert mails(house) == [(row.id, "trial_complete")]
    said = metadata(house, "trial_removals")
    assert said["removals begun"] == 1
    assert late.total_seconds() <= said["lateness (s)"] < late.total_seconds() + 60
    assert len(house.state("mails")) == 1


def test_while_removals_are_paused_a_trial_ends_and_stays_where_it_is(sqlite_house: House) -> None:
    house = sqlite_house
    row = a_trial(house, -HOUR)
    pause(house.database, house.clock.now(), work="removal", by="ada", reason="inventory")
    (run,) = run_all(house, "trial_removals")
    assert run.success
    assert "removal paused by ada" in metadata(house, "trial_removals")["held back"]
    assert again(house, row).status == "running-healthy-claimed"
    assert run_all(house, "trial_removals") == []  # ended, and nothing more to do
    resume(house.database, house.clock.now(), work="removal", by="ada")
    run_all(house, "trial_removals")
    (request,) = house.tick("due_instances")
    assert (request.job_name, again(house, row).status) == (
        "remove_instances",
        "pending-pre-remove",
    )


def test_a_purge_that_failed_keeps_its_check_red(sqlite_house: House) -> None:
    house, now = sqlite_house, sqlite_house.clock.now()
    gone = {"removed_at": now - 20 * DAY, "purge_eligible_at": now - 6 * DAY}
    row = a_trial(house, -20 * DAY, status="purge-failed", status_message="it stands", **gone)
    at = datetime(2026, 3, 1, 9, 10, tzinfo=UTC)
    (request,) = house.tick_schedule("project_purges", at)
    assert house.tick_schedule("project_purges", at + timedelta(minutes=1)) == []
    (check,) = house.run(request).get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("no_overdue_purges", False)
    assert check.description == f"{row.name} (purge-failed): it stands"
    assert metadata(house, "project_purges")["overdue"] == 1


def test_an_old_failure_is_swept_by_the_look_for_what_is_stuck(
    sqlite_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, at = sqlite_house, datetime(2026, 3, 1, 9, 5, tzinfo=UTC)
    monkeypatch.setenv("POLYDOCK_FAILED_RETENTION_DAYS", "3")
    house.move(0)
    old, young = (
        a_trial(house, status="create-failed", updated_at=house.clock.now() - days * DAY)
        for days in (4, 2)
    )
    (request,) = house.tick_schedule("stuck_instances", at)
    assert house.run(request).success
    assert metadata(house, "stuck_instances")["old failures removed"] == 1
    found = again(house, old)
    assert (found.status, again(house, young).status) == ("pending-pre-remove", "create-failed")
    assert found.force_purge_requested_at is not None
    assert house.tick_schedule("stuck_instances", at) == []


# -- the Launchpad


def extend(house: House, **config: Any) -> dg.ExecuteInProcessResult:
    """Run `extend_trials` as somebody who fills the Launchpad."""
    given = {"requested_by": "ada", "reason": "a demo", **config}
    return house.run(
        dg.RunRequest(job_name="extend_trials", run_config={"ops": {"extend": {"config": given}}})
    )


def test_trials_are_extended_from_the_launchpad(sqlite_house: House) -> None:
    house = sqlite_house
    one, other = a_trial(house), a_trial(house)
    assert extend(house, instances=[one.uuid, other.name], days=3).success
    for row in (one, other):
        assert row.trial_ends_at is not None
        assert again(house, row).trial_ends_at == row.trial_ends_at + 3 * DAY


def test_trials_are_kept_from_the_launchpad(sqlite_house: House) -> None:
    row = a_trial(sqlite_house)
    assert extend(sqlite_house, instances=[row.name], keep=True).success
    found = again(sqlite_house, row)
    assert (found.is_trial, found.trial_ends_at) == (False, None)


def test_one_that_is_refused_makes_the_run_red_and_holds_up_no_other(sqlite_house: House) -> None:
    house = sqlite_house
    gone, row = a_trial(house, status="removed"), a_trial(house)
    run = extend(house, instances=[gone.name, "nobody", row.name])
    assert not run.success
    said = failure_of(run, "extend")
    assert said.description == "2 of 3 refused"
    notes = [record.data["note"] for record in said.metadata["table"].records]
    assert "polydock instances restore" in notes[0]
    assert "there is no instance nobody" in notes[1]
    assert notes[2].startswith("its trial ends")
    assert row.trial_ends_at is not None
    assert again(house, row).trial_ends_at == row.trial_ends_at + 7 * DAY


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"requested_by": " "}, "say who asks"),
        ({"reason": ""}, "say who asks"),
        ({"instances": []}, "name instances"),
    ],
)
def test_the_launchpad_asks_who_why_and_what(
    sqlite_house: House, config: dict[str, Any], says: str
) -> None:
    row = a_trial(sqlite_house)
    run = extend(sqlite_house, **({"instances": [row.name]} | config))
    assert not run.success
    assert says in failure_of(run, "extend").description
    assert again(sqlite_house, row).trial_ends_at == row.trial_ends_at


@pytest.mark.parametrize("missing", ["requested_by", "reason"])
def test_the_launchpad_requires_who_and_why(sqlite_house: House, missing: str) -> None:
    given = {"requested_by": "ada", "reason": "a demo", "instances": ["x"]}
    del given[missing]
    job = sqlite_house.defs.resolve_job_def("extend_trials")
    with pytest.raises(dg.DagsterInvalidConfigError, match=missing):
        dg.validate_run_config(job, {"ops": {"extend": {"config": given}}})
