"""Brakes, the alarm, places for builds, and the pace of requests."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from polydock_pipelines.actions.hand_over import hand_over_due, hand_over_new
from polydock_pipelines.actions.operate import remove_instance
from polydock_pipelines.actions.pause import PauseError, pause, resume
from polydock_pipelines.db import buckets
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.gates import Limits
from polydock_pipelines.db.leases import Book, claim
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.offers import Store, StoreApp
from polydock_pipelines.lifecycle.table import Kind
from tests.fakes.clock import START as NOW
from tests.makers import a_book, instance_row, new_instance

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


def limited(database: Database, **limits: int) -> Book:
    return replace(a_book(database), limits=Limits(**limits))


def store_of(database: Database, instance_id: int) -> str:
    with database.read() as session:
        row = session.get_one(AppInstance, instance_id)
        return session.get_one(Store, session.get_one(StoreApp, row.store_app_id).store_id).key


def test_while_everything_is_paused_nothing_is_handed_over_or_begun(database: Database) -> None:
    new, leaving = new_instance(database), new_instance(database, status="pending-pre-remove")
    book = a_book(database)
    assert pause(database, NOW, by="ada").is_paused
    assert hand_over_new(book, NOW, "a test") == []
    assert all(hand_over_due(book, kind, NOW, "a test") == [] for kind in Kind)
    assert claim(book, new, NOW) is claim(book, leaving, NOW) is None
    assert resume(database, NOW + HOUR, by="ada").note == "goes on"
    assert [c.size for c in hand_over_new(book, NOW + HOUR, "a test")] == [1]


@pytest.mark.parametrize(("work", "held"), [("provisioning", 0), ("removal", 1), ("purge", 1)])
def test_a_brake_stops_its_own_work_only(database: Database, work: str, held: int) -> None:
    new_instance(database)
    pause(database, NOW, work=work, by="ada")
    assert len(hand_over_new(a_book(database), NOW, "a test")) == held


def test_a_store_can_be_paused_by_itself(database: Database) -> None:
    one, other = new_instance(database), new_instance(database)
    pause(database, NOW, store=store_of(database, one), by="ada")
    (chunk,) = hand_over_new(a_book(database), NOW, "a test")
    assert instance_row(database, other).handover_id == chunk.handover_id
    assert instance_row(database, one).handover_id is None
    assert claim(a_book(database), one, NOW) is None


def test_a_removal_can_be_asked_for_while_provisioning_is_paused(database: Database) -> None:
    one = new_instance(database)
    pause(database, NOW, work="provisioning", by="ada")
    remove_instance(database, instance_row(database, one).uuid, NOW, by="ada")
    assert len(hand_over_due(a_book(database), Kind.REMOVE, NOW, "a test")) == 1


def test_deadlines_move_by_as_long_as_the_pause(database: Database) -> None:
    one = new_instance(database)
    before = instance_row(database, one).deadline
    assert before is not None
    pause(database, NOW, by="ada")
    pause(database, NOW + HOUR, by="grace")
    resume(database, NOW + 2 * HOUR, by="ada")
    assert instance_row(database, one).deadline == before + 2 * HOUR
    assert resume(database, NOW + 3 * HOUR, by="ada").note == "was not paused"


@pytest.mark.parametrize("wrong", [{"work": "x"}, {"store": "x"}, {"work": "emails", "store": "x"}])
def test_what_cannot_be_paused_is_a_sentence(database: Database, wrong: dict[str, str]) -> None:
    with pytest.raises(PauseError, match=r"there is|leave the store out"):
        pause(database, NOW, by="ada", **wrong)


def begun(book: Book, count: int, at: object = NOW) -> list[bool]:
    ids = [new_instance(book.db, status="pending-pre-remove") for _ in range(count)]
    return [claim(book, one, NOW if at is NOW else at) is not None for one in ids]  # pyright: ignore[reportArgumentType]


def test_too_many_removals_an_hour_pause_themselves(database: Database) -> None:
    book = limited(database, removal_alarm=3)
    assert begun(book, 5) == [True, True, True, False, False]
    (brake,) = book.gate(NOW).paused
    assert (brake.work, brake.is_alarm) == ("removal", True)
    assert "POLYDOCK_REMOVAL_ALARM is 3" in brake.sentence()
    new_instance(database)
    assert len(hand_over_new(book, NOW, "a test")) == 1
    resume(database, NOW + SECOND, work="removal", by="ada")
    assert begun(book, 4, NOW + 2 * SECOND) == [True, True, True, False]


def test_removals_that_are_spread_over_hours_do_not_alarm(database: Database) -> None:
    book = limited(database, removal_alarm=2)
    for hour in range(4):
        at = NOW + hour * timedelta(minutes=61)
        assert begun(book, 2, at) == [True, True]


def test_no_more_builds_than_there_is_room_for(database: Database) -> None:
    book = limited(database, builds_at_once=2)
    ids = [new_instance(database, status="pending-deploy") for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        held = list(pool.map(lambda one: claim(book, one, NOW), ids))
    assert len([one for one in held if one]) == 2
    waiting = [one for one, lease in zip(ids, held, strict=True) if lease is None]
    assert "2 places for builds" in instance_row(database, waiting[0]).status_message
    assert hand_over_due(book, Kind.PROVISION, NOW, "a test") == []
    new_instance(database, status="pending-create")
    (chunk,) = hand_over_due(book, Kind.PROVISION, NOW, "a test")
    assert chunk.size == 1


def test_a_bucket_gives_turns_in_order_and_saves_up_little(database: Database) -> None:
    def wait(at_s: float) -> float:
        at = NOW + timedelta(seconds=at_s)
        return buckets.take(database, "a rate", 60, 1, at).total_seconds()

    assert [wait(0) for _ in range(8)] == [0, 0, 0, 0, 0, 0, 1, 2]
    assert wait(1) == 2
    assert [wait(1000) for _ in range(7)] == [0, 0, 0, 0, 0, 0, 1]
    assert buckets.backlog(database, "a rate", NOW + timedelta(seconds=1000)).total_seconds() == 2


def test_who_does_not_wait_for_a_turn_does_not_make_others_wait(database: Database) -> None:
    def wait() -> float:
        longest = timedelta(seconds=3)
        return buckets.take(database, "a rate", 60, 1, NOW, longest=longest).total_seconds()

    assert [wait() for _ in range(12)] == [0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 4, 4]
    assert buckets.backlog(database, "a rate", NOW).total_seconds() == 4


def test_threads_share_a_bucket(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda _: buckets.take(database, "r", 60, 1, NOW), range(30)))
    assert sorted(w.total_seconds() for w in waits)[-1] == 24
