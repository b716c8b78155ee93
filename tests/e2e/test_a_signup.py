"""From a signup to the removal, through Dagster: sensors, runs, materializations, metadata."""

import dagster as dg
import pytest

from polydock_pipelines.actions.operate import remove_instance, retry_instance
from polydock_pipelines.actions.read_registration import read_registration
from polydock_pipelines.db.models.requests import Registration
from polydock_pipelines.ports import Shell
from polydock_pipelines.resources.lagoon import ShellResource
from tests.baddays.meddling import Hook, watched_shell
from tests.baddays.offers import CLAIM, LOGIN_TOKEN, LOGIN_URL, PLAIN, SCRIPTED, Offer
from tests.baddays.table import CLAIMED, REMOVED
from tests.e2e.house import DAGSTERS_WARNINGS, House, failure_of, load_definitions
from tests.makers import change_row

pytestmark = DAGSTERS_WARNINGS


def claim(house: House) -> None:
    """Take everybody who signed up to their login URL."""
    assert house.tick_and_run("signups")
    house.move(90)
    assert house.tick_and_run("builds")


def test_a_signup_is_claimed_and_removed(house: House) -> None:
    (uuid,) = house.sign_up(SCRIPTED)
    (provision,) = house.tick_and_run("signups")
    assert (provision.success, house.row(uuid).status) == (True, "deploy-running")
    house.move(90)
    (activate,) = house.tick_and_run("builds")
    assert (activate.success, house.row(uuid).status) == (True, CLAIMED)
    assert_registered(house)
    remove_instance(house.database, uuid, house.clock.now(), by="a test")
    (removal,) = house.tick_and_run("due_instances")
    assert (removal.success, house.row(uuid).status) == (True, "remove-running")
    house.move(60)
    (ending,) = house.tick_and_run("builds")
    assert (ending.success, house.row(uuid).status) == (True, REMOVED)
    (project,) = [p for p in house.state("projects") if p["name"] == house.row(uuid).name]
    assert all(environment["deleted"] for environment in project["environments"])
    assert house.shown(uuid) == [
        "pending-pre-deploy", "deploy-running",
        "pending-post-deploy", "pending-polydock-claim", CLAIMED,
        "pending-remove", "remove-running", "pending-post-remove", REMOVED,
    ]  # fmt: skip
    assert house.tick("signups") == house.tick("builds") == house.tick("due_instances") == []


def assert_registered(house: House) -> None:
    with house.database.read() as session:
        registration = session.query(Registration).one()
    view = read_registration(house.database, registration.uuid, house.clock.now())
    assert view is not None
    assert (view.status, view.result_data["app_url"]) == ("success", LOGIN_URL)


def test_a_run_carries_ids_only_and_shows_its_table(sqlite_house: House) -> None:
    house = sqlite_house
    (uuid,) = house.sign_up(SCRIPTED)
    (request,) = house.tick("signups")
    run = house.run(request)
    handover = house.row(uuid).handover_id
    assert request.run_key == handover
    assert request.run_config == {"ops": {"create_projects": {"config": {"handover_id": handover}}}}
    assert {k: v for k, v in run.dagster_run.tags.items() if k.startswith("polydock/")} == {
        "polydock/kind": "provision",
        "polydock/instances": "1",
        "polydock/source": "signups",
        "polydock/instance": uuid,
        "polydock/handover": handover,
    }
    shown = metadata_of(run, "summarize")
    assert (shown["instances"].value, shown["failed for good"].value) == (1, 0)
    stages = [record.data["stage"] for record in records(shown["table"])]
    assert stages == ["pre-create", "create", "post-create", "pre-deploy", "deploy"]


def metadata_of(run: dg.ExecuteInProcessResult, op: str) -> dict[str, dg.MetadataValue]:
    outputs = [e for e in run.events_for_node(op) if e.is_successful_output]
    return dict(outputs[0].step_output_data.metadata)


def records(value: dg.MetadataValue) -> list[dg.TableRecord]:
    assert isinstance(value, dg.TableMetadataValue)
    return list(value.records)


def test_the_partition_of_an_instance_is_known_and_its_events_say_what_happened(
    sqlite_house: House,
) -> None:
    house = sqlite_house
    (uuid,) = house.sign_up(PLAIN)
    claim(house)
    assert house.dagster.get_dynamic_partitions("app_instance") == [uuid]
    last = next(m for m in house.materializations() if m.partition == uuid)
    assert {name: value.value for name, value in last.metadata.items() if name != "seconds"} == {
        "project": house.row(uuid).name,
        "status": CLAIMED,
        "stage": CLAIM,
        "outcome": "done",
        "message": "",
    }


def test_a_failed_instance_makes_its_run_red_with_a_sentence_and_a_table(house: House) -> None:
    (uuid,) = house.sign_up(Offer(scripts={CLAIM: "exit 3"}))
    assert house.tick_and_run("signups")[0].success
    house.move(90)
    (run,) = house.tick_and_run("builds")
    assert not run.success
    details = failure_of(run, "summarize")
    assert "1 instances failed for good" in details.description
    assert f"{house.row(uuid).name} at {CLAIM}: the {CLAIM} script exited" in details.description
    assert details.metadata["failed for good"].value == 1
    assert records(details.metadata["table"])[0].data["outcome"] == "failed"
    assert house.shown(uuid)[-1] == f"{CLAIM}-failed"
    assert house.row(uuid).handed_until is None


def test_a_retry_by_an_operator_turns_the_next_run_green(house: House) -> None:
    house.lagoon.fault("ssh:polydock-claim", "ssh_no_url")
    (uuid,) = house.sign_up(SCRIPTED)
    claim(house)
    retry_instance(house.database, uuid, house.clock.now(), by="a test")
    (run,) = house.tick_and_run("due_instances")
    assert (run.success, house.row(uuid).status) == (True, CLAIMED)
    assert house.shown(uuid)[-2:] == [f"{CLAIM}-failed", CLAIMED]


@pytest.mark.parametrize(
    ("match", "kind", "outcome"),
    [
        ("POST /graphql", "http500", "unreachable"),
        ("projectByName", "graphql_error", "failed"),
    ],
)
def test_what_will_be_tried_again_stays_green(
    match: str, kind: str, outcome: str, sqlite_house: House
) -> None:
    house = sqlite_house
    house.lagoon.fault(match, kind, 3)
    (uuid,) = house.sign_up(SCRIPTED)
    (run,) = house.tick_and_run("signups")
    assert (run.success, house.row(uuid).status) == (True, "pending-pre-create")
    (record,) = records(metadata_of(run, "summarize")["table"])
    assert record.data["outcome"] == outcome
    assert house.tick("due_instances") == house.tick("signups") == []
    house.move(31)
    assert [r.success for r in house.tick_and_run("signups")] == [True]


def test_a_run_whose_instances_another_run_holds_stays_green(sqlite_house: House) -> None:
    house = sqlite_house
    house.sign_up(SCRIPTED)
    (request,) = house.tick("signups")
    assert house.run(request).success
    assert house.run(request).success
    assert [run.success for run in house.runs] == [True, True]
    assert len(house.state("deployments")) == 3  # two were there before


def test_a_run_that_lost_a_lease_stays_green(sqlite_house: House) -> None:
    house = sqlite_house
    (uuid,) = house.sign_up(SCRIPTED)
    house.tick_and_run("signups")
    house.move(90)

    def let_another_run_take_it(moment: str) -> None:
        change_row(house.database, house.row(uuid).id, lease_token=moment)

    house.defs = load_definitions({"shell": robbed_shell(let_another_run_take_it)})
    (run,) = house.tick_and_run("builds")
    assert (run.success, house.row(uuid).status) == (True, f"{CLAIM}-running")
    outcomes = [r.data["outcome"] for r in records(metadata_of(run, "summarize")["table"])]
    assert outcomes == ["done", "done", "stale"]


def test_a_bug_makes_its_run_red_and_its_words_are_kept_back(sqlite_house: House) -> None:
    house = sqlite_house
    (uuid,) = house.sign_up(SCRIPTED)
    house.tick_and_run("signups")
    house.move(90)

    def bug(_moment: str) -> None:
        raise ZeroDivisionError(LOGIN_TOKEN)

    house.defs = load_definitions({"shell": robbed_shell(bug)})
    (run,) = house.tick_and_run("builds")
    assert (run.success, house.row(uuid).status) == (False, f"{CLAIM}-running")
    description = failure_of(run, "summarize").description
    assert "0 instances failed for good, 1 met a bug" in description
    assert "ZeroDivisionError at" in description
    assert LOGIN_TOKEN not in description


def robbed_shell(rob: Hook) -> ShellResource:
    """Return the resource `shell`, with somebody who acts around each command."""

    class RobbedShell(ShellResource):
        def open(self) -> Shell:
            return watched_shell(super().open(), rob)

    return RobbedShell()


def test_a_run_from_the_launchpad_takes_what_is_due(sqlite_house: House) -> None:
    house = sqlite_house
    house.sign_up(SCRIPTED)
    run = house.run(dg.RunRequest(job_name="provision_instances"))
    assert run.success
    assert house.statuses() == {"deploy-running"}


def test_the_sensor_of_builds_says_when_lagoon_cannot_be_asked(sqlite_house: House) -> None:
    house = sqlite_house
    house.sign_up(SCRIPTED)
    house.tick_and_run("signups")
    house.lagoon.fault("POST /graphql", "http500", 100)
    house.move(90)
    assert house.tick("builds") == []
    assert "Lagoon could not be asked" in house.skipped
    assert house.statuses() == {"deploy-running"}
