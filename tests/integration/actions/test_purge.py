"""From a removal to the end of its Lagoon project: grace, force, cancel, somebody's word."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from polydock_pipelines.actions import trials
from polydock_pipelines.actions.purge import (
    begin_due_purges,
    call_off_purge,
    confirm_purged,
    is_purge_due,
    overdue_purges,
    purge_instance,
)
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.gates import Limits
from polydock_pipelines.db.leases import apply, claim
from polydock_pipelines.db.models.instances import AppInstance, StatusTransition
from polydock_pipelines.db.models.offers import Variable
from polydock_pipelines.lifecycle.outcome import Done, Failed
from polydock_pipelines.lifecycle.table import FAILED, IN_HAND, STATUSES, Kind, stage_of
from polydock_pipelines.lifecycle.transitions import NotAllowedError
from polydock_pipelines.ports import EndpointError, Project
from tests.fakes.clock import START, FakeClock
from tests.fakes.lagoon import FakeLagoon
from tests.integration.actions.removed import (
    CANARY,
    DAY,
    ELIGIBLE_AT,
    REMOVED_AT,
    a_removed,
    again,
    give_secrets,
    lines,
    secrets_of,
    visit,
)
from tests.integration.actions.tables import dump
from tests.makers import a_book, make_trial

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
PURGING = {"pending-purge", "purge-running", "purge-failed"}
ALIVE = sorted(
    s
    for s in set(STATUSES) - {"removed"}
    if not ((stage := stage_of(s)) and stage.kind in (Kind.REMOVE, Kind.PURGE))
)
REMOVING = sorted(s for s in STATUSES if (x := stage_of(s)) and x.kind is Kind.REMOVE)


def last_step(database: Database, **changes: Any) -> AppInstance:
    """Return a trial that stands before the end of its removal."""
    with database.write() as session:
        return make_trial(session, status="pending-post-remove", now=REMOVED_AT, **changes)


# -- grace


@pytest.mark.parametrize("days", [14, 3, 0])
def test_a_project_stands_as_long_as_the_setting_says(database: Database, days: int) -> None:
    row, book = last_step(database), a_book(database, grace=days * DAY)
    visit(database, row, REMOVED_AT, grace=days * DAY)
    row, end = again(database, row), REMOVED_AT + days * DAY
    assert (row.status, row.removed_at, row.purge_eligible_at) == ("removed", REMOVED_AT, end)
    assert not is_purge_due(book, end - SECOND)
    assert begin_due_purges(book, end - SECOND).fallen == []
    assert is_purge_due(book, end)
    (begun,) = begin_due_purges(book, end).fallen
    assert (begun.id, begun.at, again(database, row).status) == (row.id, end, "pending-purge")
    assert not is_purge_due(book, end)
    assert begin_due_purges(book, end).fallen == []
    assert visit(database, row, end) == "removed"
    assert again(database, row).purged_at == end
    assert not is_purge_due(book, end + 400 * DAY)


def test_a_clock_that_is_set_back_begins_no_purge_early(database: Database) -> None:
    row, book = a_removed(database), a_book(database)
    for now in (REMOVED_AT - DAY, ELIGIBLE_AT - DAY, ELIGIBLE_AT - SECOND):
        assert begin_due_purges(book, now).fallen == []
    begin_due_purges(book, ELIGIBLE_AT + 3 * DAY)
    assert lines(database, row) == ["its grace is over", "purge was asked for"]


def test_more_than_a_chunk_begins_in_one_round_though_some_are_locked(
    postgres_database: Database,
) -> None:
    rows = [
        a_removed(postgres_database, owner=None, purge_eligible_at=ELIGIBLE_AT + n * SECOND).id
        for n in range(trials.CHUNK + 20)
    ]
    held, book, late = rows[:100:3], a_book(postgres_database), ELIGIBLE_AT + DAY
    with postgres_database.write() as session:
        session.execute(select(AppInstance).where(AppInstance.id.in_(held)).with_for_update()).all()
        begun = begin_due_purges(book, late).fallen
    assert [one.id for one in begun] == [one for one in rows if one not in held]
    assert [one.id for one in begin_due_purges(book, late).fallen] == held


def test_two_rounds_at_once_begin_each_purge_once(database: Database) -> None:
    rows = [a_removed(database) for _ in range(20)]
    book = a_book(database)
    with ThreadPoolExecutor(3) as pool:
        rounds = [pool.submit(begin_due_purges, book, ELIGIBLE_AT) for _ in range(3)]
    begun = [one.id for found in rounds for one in found.result().fallen]
    begun += [one.id for one in begin_due_purges(book, ELIGIBLE_AT).fallen]
    assert sorted(begun) == [row.id for row in rows]
    assert {again(database, row).event_sequence for row in rows} == {1}


# -- pauses and the cap


def test_a_purge_is_tried_again_every_ten_minutes_up_to_the_cap(database: Database) -> None:
    row, now = a_removed(database, status="pending-purge", now=ELIGIBLE_AT), ELIGIBLE_AT
    limits = Limits(purge_attempts=3)
    for _ in range(2):
        assert visit(database, row, now, Failed("it stands"), limits=limits) == "pending-purge"
        assert claim(a_book(database, limits=limits), row.id, now + 9 * MINUTE) is None
        now += 10 * MINUTE
    assert visit(database, row, now, Failed("it stands"), limits=limits) == "purge-failed"
    assert again(database, row).status_message == (
        "Purge polling cap reached (3 attempts) without success: it stands"
    )
    assert claim(a_book(database, limits=limits), row.id, now + DAY) is None


def test_what_should_be_gone_for_a_day_or_failed_is_overdue(database: Database) -> None:
    late, book = a_removed(database), a_book(database)
    failed = a_removed(database, status="purge-failed")
    a_removed(database, purged_at=ELIGIBLE_AT)
    with database.write() as session:
        make_trial(session)
    assert [one.uuid for one in overdue_purges(book, ELIGIBLE_AT + DAY - SECOND)] == [failed.uuid]
    found = [one.uuid for one in overdue_purges(book, ELIGIBLE_AT + DAY)]
    assert found == [late.uuid, failed.uuid]


# -- without grace


@pytest.mark.parametrize("status", ALIVE)
def test_a_forced_purge_of_a_living_instance_removes_it_first(
    sqlite_database: Database, status: str
) -> None:
    with sqlite_database.write() as session:
        row = make_trial(session, status=status)
    book = a_book(sqlite_database)
    asked = purge_instance(book, row.uuid, START, by="ada", reason="spam")
    assert (asked.status, asked.note) == (
        "pending-pre-remove",
        "its removal begins within seconds; its project goes right after",
    )
    assert lines(sqlite_database, row)[0] == "purge asked for by ada: spam"
    for _ in range(3):
        visit(sqlite_database, row, START + MINUTE)
    row = again(sqlite_database, row)
    assert (row.status, row.purge_eligible_at) == ("removed", START + MINUTE)
    assert len(begin_due_purges(book, START + MINUTE).fallen) == 1


@pytest.mark.parametrize("status", sorted(IN_HAND & set(ALIVE)))
def test_a_forced_purge_waits_for_the_step_in_hand(sqlite_database: Database, status: str) -> None:
    with sqlite_database.write() as session:
        row = make_trial(session, status=status)
    book = a_book(sqlite_database)
    held = claim(book, row.id, START)
    assert held is not None
    asked = purge_instance(book, row.uuid, START + SECOND, by="ada")
    assert asked.status == status
    assert "a step is at work; the removal follows it" in asked.note
    assert apply(book, held, Done(), START + MINUTE) == "pending-pre-remove"


@pytest.mark.parametrize("status", REMOVING)
def test_a_removal_under_way_is_followed_by_the_forced_purge(
    sqlite_database: Database, status: str
) -> None:
    with sqlite_database.write() as session:
        row = make_trial(session, status=status)
    for _ in range(2):
        purge_instance(a_book(sqlite_database), row.uuid, START, by="ada")
    assert lines(sqlite_database, row).count("purge asked for by ada") == 1
    row = again(sqlite_database, row)
    assert row.force_purge_requested_at == START
    assert row.status == ("pending-pre-remove" if status in FAILED else status)


@pytest.mark.parametrize("status", ["removed", "purge-failed"])
def test_a_forced_purge_of_what_is_removed_begins_at_once(database: Database, status: str) -> None:
    row, now = a_removed(database, status=status), REMOVED_AT + DAY
    asked = purge_instance(a_book(database), row.name, now, by="ada")
    assert (asked.status, asked.note) == ("pending-purge", "its purge begins within seconds")
    row = again(database, row)
    assert (row.next_check_at, row.attempt, row.purge_eligible_at) == (now, 0, now)
    before = dump(database)
    asked = purge_instance(a_book(database), row.name, now, by="ada")
    assert asked.note == "its purge is under way already"
    assert dump(database) == before
    visit(database, row, now)
    assert purge_instance(a_book(database), row.name, now, by="x").note == "it is purged already"


# -- taken back


def test_a_purge_that_waits_for_the_removal_is_called_off(database: Database) -> None:
    row, book = last_step(database), a_book(database)
    purge_instance(book, row.uuid, REMOVED_AT, by="ada")
    asked = call_off_purge(book, row.uuid, REMOVED_AT, by="ada", reason="a mistake")
    assert asked.note == "it is purged when its grace is over"
    assert lines(database, row)[-1] == "its grace back asked for by ada: a mistake"
    visit(database, row, REMOVED_AT)
    row = again(database, row)
    assert (row.status, row.purge_eligible_at) == ("removed", ELIGIBLE_AT)


def test_one_that_is_removed_meanwhile_gets_its_grace_back(database: Database) -> None:
    row, book = last_step(database), a_book(database)
    purge_instance(book, row.uuid, REMOVED_AT, by="ada")
    visit(database, row, REMOVED_AT)
    assert is_purge_due(book, REMOVED_AT)
    call_off_purge(book, row.uuid, REMOVED_AT, by="ada")
    assert begin_due_purges(book, ELIGIBLE_AT - SECOND).fallen == []
    assert len(begin_due_purges(book, ELIGIBLE_AT).fallen) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {},
        *({"status": s, "attempt": 1, "force_purge_requested_at": START} for s in sorted(PURGING)),
    ],
)
def test_what_nobody_forced_or_what_has_begun_is_not_called_off(
    database: Database, changes: dict[str, Any]
) -> None:
    row = a_removed(database, **changes)
    with pytest.raises(NotAllowedError, match="no purge waits to begin"):
        call_off_purge(a_book(database), row.uuid, REMOVED_AT, by="ada")


# -- on somebody's word


def lagoon_with(*projects: Project) -> FakeLagoon:
    return FakeLagoon(FakeClock(), projects=projects)


@pytest.mark.parametrize("status", ["removed", *sorted(PURGING)])
def test_a_purge_ends_on_somebodys_word_where_lagoon_shows_nothing(
    database: Database, status: str
) -> None:
    row, now = a_removed(database, status=status), ELIGIBLE_AT
    asked = confirm_purged(
        a_book(database), lagoon_with(), row.uuid, now, by="ada", reason="I looked"
    )
    assert (asked.status, asked.note) == ("removed", "it counts as purged")
    found = again(database, row)
    assert (found.purged_at, found.status_message) == (now, "Lagoon project already deleted")
    assert "gone, they say: asked for by ada: I looked" in lines(database, row)
    again_asked = confirm_purged(a_book(database), lagoon_with(), row.uuid, now, by="ada")
    assert again_asked.note == "it is purged already"


@pytest.mark.parametrize("status", ["removed", *sorted(PURGING)])
@pytest.mark.parametrize("known", [42, None])
def test_what_lagoon_shows_as_ours_is_not_gone_whatever_somebody_says(
    sqlite_database: Database, status: str, known: int | None
) -> None:
    row = a_removed(sqlite_database, status=status, lagoon_project_id=known)
    before = dump(sqlite_database)
    lagoon = lagoon_with(Project(42, row.name, 7, "git@x:a/b.git"))
    with pytest.raises(NotAllowedError, match=r"still shows the project .* \(id 42\)"):
        confirm_purged(a_book(sqlite_database), lagoon, row.uuid, ELIGIBLE_AT, by="ada")
    assert dump(sqlite_database) == before


def test_another_project_of_our_name_is_no_obstacle(database: Database) -> None:
    row = a_removed(database, status="purge-failed")
    lagoon = lagoon_with(Project(43, row.name, 7, "git@x:a/b.git"))
    confirm_purged(a_book(database), lagoon, row.uuid, ELIGIBLE_AT, by="ada")
    assert lagoon.operations() == ["project_by_name"]
    assert again(database, row).purged_at == ELIGIBLE_AT


def test_while_lagoon_does_not_answer_nobodys_word_counts(database: Database) -> None:
    row = a_removed(database)
    lagoon = FakeLagoon(
        FakeClock(), failing={"project_by_name": [EndpointError("no answer", endpoint="lagoon")]}
    )
    with pytest.raises(EndpointError):
        confirm_purged(a_book(database), lagoon, row.uuid, ELIGIBLE_AT, by="ada")
    assert again(database, row).purged_at is None


def test_a_purge_in_hand_is_waited_for(database: Database) -> None:
    row, book = a_removed(database, status="pending-purge", now=ELIGIBLE_AT), a_book(database)
    held = claim(book, row.id, ELIGIBLE_AT)
    assert held is not None
    with pytest.raises(NotAllowedError, match=r"a run is at work on .*; try again in a minute"):
        confirm_purged(book, lagoon_with(), row.uuid, ELIGIBLE_AT + SECOND, by="ada")
    later = ELIGIBLE_AT + 61 * SECOND
    confirm_purged(book, lagoon_with(), row.uuid, later, by="ada")
    before = dump(database)
    assert apply(book, held, Failed("it stands"), later + SECOND) is None  # it slept too long
    assert dump(database) == before


@pytest.mark.parametrize("status", [*ALIVE, *REMOVING])
def test_what_still_lives_is_not_called_gone(sqlite_database: Database, status: str) -> None:
    with sqlite_database.write() as session:
        row = make_trial(session, status=status)
    with pytest.raises(NotAllowedError, match="still has something in Lagoon; remove it first"):
        confirm_purged(a_book(sqlite_database), lagoon_with(), row.uuid, START, by="ada")


# -- what goes with it, and what stays


@pytest.mark.parametrize("way", ["purge", "word"])
def test_every_secret_of_an_instance_goes_with_its_project_and_no_other(
    database: Database, way: str
) -> None:
    secret = {"password": CANARY, "login_url": f"https://x.example.com/{CANARY}"}
    row = a_removed(database, **secret, login_valid_until=ELIGIBLE_AT)
    other = a_removed(database, **secret)
    for one in (row, other):
        give_secrets(database, one)
    kept = secrets_of(database, other)
    if way == "purge":
        begin_due_purges(a_book(database), ELIGIBLE_AT)
        visit(database, row, ELIGIBLE_AT)
    else:
        confirm_purged(a_book(database), lagoon_with(), row.uuid, ELIGIBLE_AT, by="ada")
    assert secrets_of(database, row) == {
        "columns": ("", None, None), "kept": [], "field_values": [], "variables": []
    }  # fmt: skip
    assert secrets_of(database, other) == kept
    with database.read() as session:
        apps = session.scalars(select(Variable).where(Variable.owner_type == "store_app")).all()
        stories = session.scalar(
            select(func.count())
            .select_from(StatusTransition)
            .where(StatusTransition.instance_id == row.id)
        )
    assert len(apps) == 2
    assert stories
    assert lines(database, row)


def test_secrets_that_steps_kept_go_with_the_removal_already(database: Database) -> None:
    row = last_step(database)
    give_secrets(database, row)
    visit(database, row, REMOVED_AT)
    assert secrets_of(database, row)["kept"] == []
    assert secrets_of(database, row)["variables"] == ["SECRET"]
