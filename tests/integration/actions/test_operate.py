"""What operators may do to an instance, and the story that they read of it."""

from dataclasses import asdict
from datetime import timedelta

import pytest

from polydock_pipelines.actions.operate import (
    UnknownInstanceError,
    remove_instance,
    retry_instance,
)
from polydock_pipelines.actions.read_instances import list_instances, tell
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.door import write
from polydock_pipelines.db.models.instances import AppInstance, InstanceIntent
from polydock_pipelines.db.models.offers import Store, StoreApp
from polydock_pipelines.db.models.operations import Handover
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle.table import FAILED, STATUSES, Kind, stage_of
from polydock_pipelines.lifecycle.transitions import Change, NotAllowedError
from tests.fakes.clock import START
from tests.integration.actions.tables import dump
from tests.makers import (
    change_row,
    instance_row,
    make_group,
    make_instance_row,
    make_registration,
    make_user,
    new_instance,
)

CANARY = "Canary4711"
LATER = START + timedelta(minutes=5)
LEASE = {"lease_token": "t", "lease_until": LATER}
PURGES = [s for s in STATUSES if (stage := stage_of(s)) and stage.kind is Kind.PURGE]
REMOVES = [s for s in STATUSES if (stage := stage_of(s)) and stage.kind is Kind.REMOVE]
TOLD = [
    f"{f}-{s}" if f == "pending" else f"{s}-{f}"
    for s in ("create", "deploy")
    for f in ("pending", "running", "failed")
]


@pytest.mark.parametrize("status", sorted(FAILED))
def test_every_failure_can_be_retried(sqlite_database: Database, status: str) -> None:
    one = new_instance(sqlite_database, status=status, attempt=6, handed_until=LATER)
    asked = retry_instance(sqlite_database, instance_row(sqlite_database, one).name, START, by="me")
    row = instance_row(sqlite_database, one)
    assert asked.status == row.status
    assert row.status.startswith("pending-")
    stage = stage_of(row.status)
    assert stage is not None
    generation = 2 + stage.new_generation  # a new one both for the retry and for entering
    assert (row.attempt, row.generation, row.next_check_at) == (0, generation, START)
    assert (row.handed_until, row.lease_token) == (None, None)
    assert any(
        "retry asked for by me" in x.message for x in tell(sqlite_database, row.uuid, START).log
    )


def mend_the_store(db: Database, one: int) -> None:
    with db.write() as session:
        app = session.get_one(StoreApp, session.get_one(AppInstance, one).store_app_id)
        session.get_one(Store, app.store_id).organization_id = 4711


def test_a_retry_follows_a_mended_store_while_there_is_no_project(database: Database) -> None:
    one = new_instance(database, status="create-failed", next_check_at=None, deadline=None)
    mend_the_store(database, one)
    retry_instance(database, instance_row(database, one).uuid, START, by="ada")
    assert instance_row(database, one).organization_id == 4711


@pytest.mark.parametrize("is_known", [True, False])
def test_a_retry_never_moves_an_instance_that_may_have_a_project(
    database: Database, *, is_known: bool
) -> None:
    one = new_instance(database, status="create-failed", next_check_at=None, deadline=None)
    before = instance_row(database, one)
    with database.write() as session:
        if is_known:
            session.get_one(AppInstance, one).lagoon_project_id = 8
        else:
            session.add(
                InstanceIntent(
                    instance_id=one, effect="create-project", key=before.name, intended_at=START
                )
            )
    mend_the_store(database, one)
    retry_instance(database, before.uuid, START, by="ada")
    assert instance_row(database, one).organization_id == before.organization_id


@pytest.mark.parametrize("status", sorted(set(STATUSES) - FAILED))
def test_nothing_else_can_be_retried(sqlite_database: Database, status: str) -> None:
    one = new_instance(sqlite_database, status=status)
    before = dump(sqlite_database)
    with pytest.raises(NotAllowedError, match=f"only a failed instance.*{status}"):
        retry_instance(sqlite_database, instance_row(sqlite_database, one).uuid, START, by="me")
    assert dump(sqlite_database) == before


@pytest.mark.parametrize("status", sorted({*STATUSES} - {*PURGES, *REMOVES, "removed"}))
def test_all_that_stands_can_be_removed(sqlite_database: Database, status: str) -> None:
    one = new_instance(sqlite_database, status=status)
    asked = remove_instance(
        sqlite_database, instance_row(sqlite_database, one).uuid, START, by="me"
    )
    assert asked.status == instance_row(sqlite_database, one).status == "pending-pre-remove"


@pytest.mark.parametrize("status", [s for s in REMOVES if s not in FAILED])
def test_a_removal_under_way_is_left_alone(sqlite_database: Database, status: str) -> None:
    one = new_instance(sqlite_database, status=status)
    before = dump(sqlite_database)
    asked = remove_instance(
        sqlite_database, instance_row(sqlite_database, one).uuid, START, by="me"
    )
    assert (asked.status, asked.note) == (status, "its removal is under way already")
    assert dump(sqlite_database) == before


@pytest.mark.parametrize("status", ["removed", *PURGES])
def test_what_is_gone_cannot_be_removed(sqlite_database: Database, status: str) -> None:
    one = new_instance(sqlite_database, status=status)
    before = dump(sqlite_database)
    with pytest.raises(NotAllowedError, match=f"{status} cannot be asked to remove"):
        remove_instance(sqlite_database, instance_row(sqlite_database, one).uuid, START, by="me")
    assert dump(sqlite_database) == before


def test_a_removal_waits_for_the_step_in_hand(database: Database) -> None:
    one = new_instance(database, status="deploy-running", **LEASE)
    asked = remove_instance(database, instance_row(database, one).uuid, START, by="me")
    row = instance_row(database, one)
    assert asked.note == "a step is at work; the removal follows it"
    assert (row.status, row.wanted, row.lease_token) == ("deploy-running", "remove", "t")


def test_a_lease_that_ran_out_holds_nobody_up(database: Database) -> None:
    one = new_instance(database, status="deploy-running", **LEASE)
    remove_instance(database, instance_row(database, one).uuid, LATER, by="me")
    row = instance_row(database, one)
    assert (row.status, row.lease_token) == ("pending-pre-remove", None)


@pytest.mark.parametrize("which", ["", "nobody", "%", "' OR 1=1 --", "1"])
def test_an_unknown_instance_is_a_sentence(database: Database, which: str) -> None:
    new_instance(database)
    for work in (
        lambda: retry_instance(database, which, START, by="me"),
        lambda: remove_instance(database, which, START, by="me"),
        lambda: tell(database, which, START),
    ):
        with pytest.raises(UnknownInstanceError, match="`polydock instances list` shows them"):
            work()


def test_the_list_shows_the_newest_first_and_may_be_cut(database: Database) -> None:
    ids = [new_instance(database, status=status) for status in (*TOLD, "removed")]
    names = [instance_row(database, one).name for one in reversed(ids)]
    assert [line.name for line in list_instances(database)] == names
    assert [line.name for line in list_instances(database, limit=2)] == names[:2]
    failed = {line.status for line in list_instances(database, failed_only=True)}
    assert failed == {"create-failed", "deploy-failed"}
    assert [x.status for x in list_instances(database, status="removed")] == ["removed"]


def walk(db: Database, one: int, *way: tuple[str, float]) -> None:
    """Take an instance through statuses, each so many seconds after the start."""
    for status, seconds in way:
        with db.write() as session:
            row = session.get_one(AppInstance, one)
            at = START + timedelta(seconds=seconds)
            write(session, row, Change((status,), f"now {status}"), Writing(at))


def test_a_story_adds_up_stages_attempts_and_seconds(database: Database) -> None:
    one = new_instance(database, status="new")
    walk(
        database,
        one,
        ("pending-create", 0),
        ("create-running", 5),
        ("pending-create", 7),
        ("create-running", 17),
        ("create-completed", 20),
        ("pending-post-create", 20),
        ("post-create-running", 21),
    )
    story = tell(database, instance_row(database, one).uuid, START + timedelta(seconds=30))
    told = [(s.stage, s.seconds, s.attempts, s.ended) for s in story.stages]
    assert told == [("create", 20.0, 2, "create-completed"), ("post-create", 10.0, 1, "")]
    assert story.stages[0].began_at == START
    assert [move[2] for move in story.transitions][-1] == "post-create-running"
    assert story.log[-1].message == "now post-create-running"


def test_a_retry_begins_a_new_line_of_the_story(database: Database) -> None:
    one = new_instance(database, status="new")
    walk(database, one, ("pending-create", 0), ("create-running", 1), ("create-failed", 4))
    walk(database, one, ("pending-create", 60), ("create-running", 61))
    story = tell(database, instance_row(database, one).uuid, START + timedelta(seconds=70))
    told = [(s.stage, s.seconds, s.attempts, s.ended) for s in story.stages]
    assert told == [("create", 4.0, 1, "create-failed"), ("create", 10.0, 1, "")]


def test_a_story_names_its_runs_in_order_and_once(database: Database) -> None:
    one = new_instance(database, status="new")
    with database.write() as session:
        for number, run_id in enumerate(("run-b", "run-a", "run-b", None)):
            at = START + timedelta(seconds=number)
            session.add(
                Handover(
                    id=f"h{number}", kind="provision", source="x", run_id=run_id, created_at=at
                )
            )
    for number in range(4):
        change_row(database, one, handover_id=f"h{number}")
        walk(database, one, ("create-running", number))
    story = tell(database, instance_row(database, one).uuid, START)
    assert story.runs == ["run-b", "run-a"]
    assert [line.run_id for line in story.log] == ["run-b", "run-a", "run-b", None]


def test_a_story_keeps_the_last_lines_of_a_long_log(database: Database) -> None:
    one = new_instance(database, status="new")
    walk(database, one, *((f"{'create'}-running", number) for number in range(10)))
    story = tell(database, instance_row(database, one).uuid, START, log_limit=3)
    assert [line.at for line in story.log] == [START + timedelta(seconds=n) for n in (7, 8, 9)]


def test_a_story_shows_no_secret(database: Database) -> None:
    with database.write() as session:
        row = make_instance_row(
            session,
            group=make_group(session, make_user(session)),
            status="running-healthy-claimed",
            password=CANARY,
            login_url=f"https://a.example.com/{CANARY}",
            **LEASE,
        )
        registration = make_registration(session, row).uuid
    story = tell(database, row.uuid, START)
    shown = repr(asdict(story)) + repr(list_instances(database))
    assert CANARY not in shown
    assert row.admin_password not in shown
    assert str(row.login_url) not in shown
    assert story.facts["registration"] == registration
    assert story.facts["held by a run until"] == LATER
    assert story.line.group is not None
