"""Old failures that are swept away, and what stands still on its way out."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from polydock_pipelines.actions import trials
from polydock_pipelines.actions.operate import retry_instance
from polydock_pipelines.actions.purge import begin_due_purges, is_failure_stale, sweep_failures
from polydock_pipelines.actions.stuck import find_stuck, mend_stuck
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.door import write
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.trials import SWEPT, stale_failures
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle.table import FAILED, STATUSES, UNSTABLE, Kind, stage_of
from polydock_pipelines.lifecycle.transitions import retry
from tests.fakes.clock import START
from tests.integration.actions.removed import DAY, a_removed, again, lines, visit
from tests.integration.actions.tables import dump
from tests.makers import a_book, change_row, make_instance_row, make_trial

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
KEPT = 7 * DAY
STALE_AT = START + KEPT + SECOND
KEPT_FAILURES = {
    "pre-upgrade-failed", "upgrade-failed", "post-upgrade-failed", "purge-failed",
}  # fmt: skip
ON_THE_WAY_OUT = sorted(
    s
    for s in UNSTABLE
    if (stage := stage_of(s)) and stage.kind in (Kind.REMOVE, Kind.PURGE)
    if not s.endswith("-completed")
)


def a_failure(database: Database, status: str = "create-failed", **changes: Any) -> AppInstance:
    """Add an instance that failed at START and that nobody has touched since."""
    with database.write() as session:
        return make_instance_row(session, status=status, **changes)


def sweep(database: Database, now: datetime) -> list[int]:
    return [one.id for one in sweep_failures(a_book(database), KEPT, now)]


# -- old failures


def test_failures_of_upgrades_and_purges_are_a_persons() -> None:
    assert set(SWEPT) == FAILED - KEPT_FAILURES


@pytest.mark.parametrize("status", SWEPT)
def test_a_failure_that_nobody_retried_goes_with_its_project(
    sqlite_database: Database, status: str
) -> None:
    row, book = a_failure(sqlite_database, status), a_book(sqlite_database)
    assert not is_failure_stale(book, KEPT, START + KEPT)
    assert sweep(sqlite_database, START + KEPT) == []
    assert is_failure_stale(book, KEPT, STALE_AT)
    assert sweep(sqlite_database, STALE_AT) == [row.id]
    found = again(sqlite_database, row)
    assert (found.status, found.force_purge_requested_at) == ("pending-pre-remove", STALE_AT)
    assert lines(sqlite_database, row)[0] == "failed 7 days ago and nobody retried it: removed"
    assert not is_failure_stale(book, KEPT, STALE_AT + DAY)
    for _ in range(3):
        visit(sqlite_database, row, STALE_AT)
    assert [one.id for one in begin_due_purges(book, STALE_AT).fallen] == [row.id]


@pytest.mark.parametrize("status", sorted(set(STATUSES) - set(SWEPT)))
def test_nothing_else_is_swept_however_old(sqlite_database: Database, status: str) -> None:
    a_failure(sqlite_database, status)
    before = dump(sqlite_database)
    assert not is_failure_stale(a_book(sqlite_database), KEPT, START + 4000 * DAY)
    assert sweep(sqlite_database, START + 4000 * DAY) == []
    assert dump(sqlite_database) == before


def test_the_oldest_of_more_than_a_chunk_goes_first(database: Database) -> None:
    with database.write() as session:
        ids = [
            make_instance_row(session, status="deploy-failed", now=START + n * SECOND).id
            for n in range(trials.CHUNK + 20, 0, -1)
        ]
    assert sweep(database, STALE_AT + HOUR) == ids[::-1]


@pytest.mark.parametrize("is_told", [True, False], ids=["committed", "still being written"])
def test_one_that_is_retried_while_the_sweep_looks_is_left_alone(
    postgres_database: Database, *, is_told: bool
) -> None:
    """The sweep reads both as stale; when it comes to lock them, one is somebody's."""
    retried, left = a_failure(postgres_database), a_failure(postgres_database)
    with postgres_database.write() as session:
        row = session.get_one(AppInstance, retried.id, with_for_update=True)
        write(session, row, retry(row.status, STALE_AT), Writing(STALE_AT))
        session.flush()
        if is_told:
            session.commit()
        assert sweep(postgres_database, STALE_AT) == [left.id]
    assert again(postgres_database, retried).status == "pending-pre-create"
    assert again(postgres_database, retried).force_purge_requested_at is None
    assert sweep(postgres_database, STALE_AT + DAY) == []


def test_a_retry_between_the_reading_and_the_lock_is_seen(postgres_database: Database) -> None:
    row = a_failure(postgres_database)
    waits = stale_failures(STALE_AT - KEPT).with_for_update()  # as a sweep that would wait
    with postgres_database.write() as retrying, ThreadPoolExecutor(1) as pool:
        mine = retrying.get_one(AppInstance, row.id, with_for_update=True)
        write(retrying, mine, retry(mine.status, STALE_AT), Writing(STALE_AT))
        retrying.flush()

        def look() -> list[int]:
            with postgres_database.write() as session:
                return [one.id for one in session.scalars(waits)]

        looked = pool.submit(look)
        wait_until_blocked(postgres_database)
        retrying.commit()
        assert looked.result() == []


def wait_until_blocked(database: Database) -> None:
    """Return once a session waits for another's lock."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    while True:
        with database.read() as session:
            if session.connection().exec_driver_sql(waiting).scalar():
                return


def test_a_sweep_and_a_retry_at_once_come_to_one_of_both(database: Database) -> None:
    rows = [a_failure(database) for _ in range(12)]

    def retry_all() -> int:
        done = 0
        for row in rows:
            with database.write() as session:
                mine = session.get_one(AppInstance, row.id, with_for_update=True)
                if mine.status == "create-failed":
                    write(session, mine, retry(mine.status, STALE_AT), Writing(STALE_AT))
                    done += 1
        return done

    with ThreadPoolExecutor(2) as pool:
        retried, swept = pool.submit(retry_all), pool.submit(sweep, database, STALE_AT)
    assert retried.result() + len(swept.result()) == 12
    found = [again(database, row) for row in rows]
    assert {row.event_sequence for row in found} == {1}
    removed = [row for row in found if row.status == "pending-pre-remove"]
    assert len(removed) == len(swept.result())


def test_a_retry_that_fails_again_is_kept_for_as_long_again(database: Database) -> None:
    row = a_failure(database)
    retry_instance(database, row.uuid, START + 6 * DAY, by="ada")
    change_row(database, row.id, status="create-failed", next_check_at=None, deadline=None)
    assert sweep(database, START + 13 * DAY) == []
    assert sweep(database, START + 13 * DAY + SECOND) == [row.id]


# -- what stands still


@pytest.mark.parametrize("status", ON_THE_WAY_OUT)
@pytest.mark.parametrize("lost", ["next_check_at", "deadline"])
def test_a_removal_or_a_purge_without_an_owner_is_found_and_sent_on(
    sqlite_database: Database, status: str, lost: str
) -> None:
    row = a_failure(sqlite_database, status, **{lost: None})
    book = a_book(sqlite_database)
    (stuck,) = find_stuck(book, START + SECOND)
    assert (stuck.id, "no owner" in stuck.why) == (row.id, True)
    assert [one.id for one in mend_stuck(book, START + SECOND).nudged] == [row.id]
    found = again(sqlite_database, row)
    assert (found.status, found.next_check_at) == (status, START + SECOND)
    assert found.deadline is not None
    assert find_stuck(book, START + 2 * SECOND) == []


@pytest.mark.parametrize("status", ON_THE_WAY_OUT)
def test_a_removal_or_a_purge_past_its_deadline_is_failed_when_a_nudge_did_not_help(
    sqlite_database: Database, status: str
) -> None:
    row = a_failure(sqlite_database, status, attempt=1, deadline=START + HOUR)
    book, now = a_book(sqlite_database), START + HOUR + 11 * MINUTE
    assert find_stuck(book, START + HOUR + 9 * MINUTE) == []
    assert [one.id for one in mend_stuck(book, now).nudged] == [row.id]
    later = now + 11 * MINUTE
    assert [one.id for one in mend_stuck(book, later).failed] == [row.id]
    found = again(sqlite_database, row)
    stage = stage_of(status)
    assert stage is not None
    assert found.status == f"{stage.name}-failed"
    assert "and sending it on did not help" in found.status_message
    retry_instance(sqlite_database, row.uuid, later, by="ada")
    assert visit(sqlite_database, row, later) is not None


@pytest.mark.parametrize("status", ["pre-remove-completed", "remove-completed"])
def test_a_removal_left_between_two_stages_is_found(database: Database, status: str) -> None:
    row = a_failure(database, status)
    assert [one.id for one in find_stuck(a_book(database), START)] == [row.id]


def test_what_rests_removed_or_in_its_grace_is_not_stuck(database: Database) -> None:
    a_removed(database)
    with database.write() as session:
        make_trial(session)
    assert find_stuck(a_book(database), START + 400 * DAY) == []
    with database.read() as session:
        assert len(session.scalars(select(AppInstance)).all()) == 2
