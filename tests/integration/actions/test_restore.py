"""A removed instance that is built anew; how it comes to life again is in `tests/baddays`."""

import pytest

from polydock_pipelines.actions.purge import begin_due_purges, restore_instance
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.places import admin_password
from polydock_pipelines.lifecycle.table import STATUSES, Kind, stage_of
from polydock_pipelines.lifecycle.transitions import NotAllowedError
from tests.fakes.clock import START
from tests.integration.actions.removed import (
    DAY,
    ELIGIBLE_AT,
    REMOVED_AT,
    a_removed,
    again,
    lines,
    visit,
)
from tests.integration.actions.tables import dump
from tests.makers import VAULT, a_book, change_row, make_trial

ALIVE = sorted(
    s
    for s in set(STATUSES) - {"removed"}
    if not ((stage := stage_of(s)) and stage.kind is Kind.PURGE)
)


def test_a_purge_that_nobody_has_begun_is_no_obstacle(database: Database) -> None:
    row = a_removed(database, status="pending-purge")
    asked = restore_instance(a_book(database), row.uuid, ELIGIBLE_AT, by="ada")
    assert asked.status == "pending-post-create"
    assert again(database, row).purged_at is None


def test_the_administrator_gets_another_password(database: Database) -> None:
    row = a_removed(database)
    restore_instance(a_book(database), row.uuid, REMOVED_AT + DAY, by="ada")
    after = again(database, row)
    place = admin_password(after)
    assert VAULT.open(place, after.admin_password) != VAULT.open(place, row.admin_password)


def test_what_never_had_a_project_is_not_restored(database: Database) -> None:
    row = a_removed(database, lagoon_project_id=None)
    with pytest.raises(NotAllowedError, match="never had a project; a new signup makes another"):
        restore_instance(a_book(database), row.uuid, REMOVED_AT + DAY, by="ada")


@pytest.mark.parametrize("status", ["removed", "purge-failed", "pending-purge"])
def test_what_is_purged_or_is_about_to_be_is_not_restored(database: Database, status: str) -> None:
    purged_at = ELIGIBLE_AT if status == "removed" else None
    row = a_removed(database, status=status, purged_at=purged_at, attempt=1)
    before = dump(database)
    said = "is purged; a new signup makes another" if purged_at else "only a removed instance"
    with pytest.raises(NotAllowedError, match=said):
        restore_instance(a_book(database), row.uuid, ELIGIBLE_AT, by="ada")
    assert dump(database) == before


@pytest.mark.parametrize("status", ALIVE)
def test_what_lives_is_not_restored(sqlite_database: Database, status: str) -> None:
    with sqlite_database.write() as session:
        row = make_trial(session, status=status)
    with pytest.raises(NotAllowedError, match="only a removed instance can be restored"):
        restore_instance(a_book(sqlite_database), row.uuid, START, by="ada")


def test_a_restored_instance_is_purged_by_nothing_that_was_planned(database: Database) -> None:
    row, book = a_removed(database, force_purge_requested_at=REMOVED_AT), a_book(database)
    asked = restore_instance(book, row.uuid, REMOVED_AT + DAY, by="ada", reason="they came back")
    assert (asked.status, asked.note) == (
        "pending-post-create",
        "it is built anew, without its data; its trial begins again with the claim",
    )
    found = again(database, row)
    assert (found.life, found.generation) == (2, 2)
    assert (found.removed_at, found.purge_eligible_at, found.force_purge_requested_at) == (
        (None,) * 3
    )
    assert (found.trial_completed, found.trial_started_at, found.trial_ends_at) == (
        (False, None, None)
    )
    assert begin_due_purges(book, ELIGIBLE_AT + DAY).fallen == []
    assert lines(database, row)[0] == "restore asked for by ada: they came back"


def test_a_second_life_ends_with_a_grace_of_its_own(database: Database) -> None:
    row, now = a_removed(database), ELIGIBLE_AT - DAY
    restore_instance(a_book(database), row.uuid, now, by="ada")
    change_row(database, row.id, status="pending-post-remove")
    visit(database, row, now + DAY)
    found = again(database, row)
    assert (found.status, found.removed_at) == ("removed", now + DAY)
    assert found.purge_eligible_at == now + 15 * DAY
