"""Another end for a trial: by an operator, or by its person; or none any more."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from polydock_pipelines.actions.extend import (
    End,
    extend_by_person,
    extend_trial,
    keep_instance,
    read_offer,
)
from polydock_pipelines.actions.operate import Asked, UnknownInstanceError, remove_instance
from polydock_pipelines.actions.read_instances import tell
from polydock_pipelines.actions.trials import (
    end_due_trials,
    is_removal_due,
    remove_ended_trials,
    write_reminders,
)
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.leases import Book
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.mails import Email
from polydock_pipelines.db.trials import LEAVING
from polydock_pipelines.lifecycle.mails import MailKind
from polydock_pipelines.lifecycle.trials import TrialError
from tests.fakes.clock import START
from tests.integration.actions.tables import dump
from tests.makers import a_book, instance_row, make_instance_row, make_store_app, make_trial

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
END = START + 14 * DAY
MAILS = {kind.value: {"enabled": True} for kind in MailKind}
LEASE = {"lease_token": "t", "lease_until": START + 365 * DAY}
REMINDERS: dict[str, Any] = {
    "midtrial_email_at": START + 7 * DAY,
    "one_day_left_email_at": START + 13 * DAY,
}


def a_trial(database: Database, app: dict[str, Any] | None = None, **changes: Any) -> AppInstance:
    """Add a trial with all mails on, extendable by 7 days up to 28; return its row."""
    offer = {"mails": MAILS, "trial_extension_days": 7, "trial_max_days": 28, **(app or {})}
    with database.write() as session:
        return make_trial(session, make_store_app(session, **offer), **{**REMINDERS, **changes})


def again(database: Database, row: AppInstance) -> AppInstance:
    return instance_row(database, row.id)


def dates(row: AppInstance) -> tuple[datetime | None, ...]:
    return row.trial_ends_at, row.midtrial_email_at, row.one_day_left_email_at


def written(database: Database, kind: MailKind) -> list[str]:
    """Return what mails of *kind* were written about, in order."""
    with database.read() as session:
        chosen = select(Email.occasion).where(Email.kind == kind.value).order_by(Email.id)
        return list(session.scalars(chosen))


def live(database: Database, *moments: datetime) -> None:
    """Do what the schedules do at each moment."""
    book = a_book(database)
    for now in moments:
        for kind in (MailKind.MIDTRIAL, MailKind.ONE_DAY_LEFT):
            write_reminders(book, now, kind)
        remove_ended_trials(book, now)


# -- by an operator


@pytest.mark.parametrize("end", [End(at=START + 28 * DAY), End(days=14)])
def test_an_operator_moves_the_end_and_all_that_lies_ahead(database: Database, end: End) -> None:
    row = a_trial(database)
    asked = extend_trial(a_book(database), row.name, end, START + DAY, by="ada", reason="a demo")
    assert asked.note == "its trial ends 2026-03-29 09:00:00 UTC"
    row = again(database, row)
    assert dates(row) == (START + 28 * DAY, START + 14 * DAY, START + 27 * DAY)
    (line,) = tell(database, row.uuid, START).log
    assert line.message == "its trial ends 2026-03-29 09:00:00 UTC, asked for by ada: a demo"


def test_a_trial_may_end_sooner_too(database: Database) -> None:
    row = a_trial(database)
    extend_trial(a_book(database), row.uuid, End(at=START + 4 * DAY), START + DAY, by="ada")
    assert dates(again(database, row)) == (START + 4 * DAY, START + 2 * DAY, START + 3 * DAY)


def test_half_time_is_written_of_once_and_each_end_has_its_own_last_reminder(
    database: Database,
) -> None:
    row, book = a_trial(database), a_book(database)
    live(database, START + 7 * DAY, START + 13 * DAY)
    for day, more in ((13, 7), (20, 7)):
        extend_trial(book, row.uuid, End(days=more), START + day * DAY, by="ada")
        live(database, *(START + (day + n) * DAY for n in range(more + 1)))
    assert written(database, MailKind.MIDTRIAL) == ["life 1"]
    assert written(database, MailKind.ONE_DAY_LEFT) == [
        f"life 1, end {START + n * DAY:%Y-%m-%dT%H:%M:%S}" for n in (14, 21, 28)
    ]
    assert written(database, MailKind.TRIAL_COMPLETE) == []
    live(database, START + 28 * DAY)
    assert written(database, MailKind.TRIAL_COMPLETE) == ["life 1, end 2026-03-29T09:00:00"]


def test_an_end_that_is_moved_there_and_back_is_reminded_of_once(database: Database) -> None:
    row, book, now = a_trial(database), a_book(database), START + 13 * DAY
    live(database, now)
    extend_trial(book, row.uuid, End(days=7), now, by="ada")
    extend_trial(book, row.uuid, End(at=END), now - DAY, by="a clock that was set back")
    live(database, now, now + SECOND)
    assert len(written(database, MailKind.ONE_DAY_LEFT)) == 1


@pytest.mark.parametrize("at", [START + DAY, START, START - 10_000 * DAY])
def test_a_past_end_is_refused_and_changes_nothing(database: Database, at: datetime) -> None:
    row = a_trial(database)
    before = dump(database)
    with pytest.raises(TrialError, match="is past; give an end that is to come, or remove it"):
        extend_trial(a_book(database), row.uuid, End(at=at), START + DAY, by="ada")
    assert dump(database) == before


@pytest.mark.parametrize("days", [3_000_000, 10**9, 10**18])
def test_an_end_beyond_every_calendar_is_a_sentence(sqlite_database: Database, days: int) -> None:
    row = a_trial(sqlite_database)
    with pytest.raises(TrialError, match="no calendar goes on for"):
        extend_trial(a_book(sqlite_database), row.uuid, End(days=days), START, by="ada")


def test_an_ended_trial_that_still_runs_may_get_another_end(database: Database) -> None:
    row, book = a_trial(database), a_book(database)
    end_due_trials(book, END)
    extend_trial(book, row.uuid, End(days=7), END + SECOND, by="ada")
    assert not is_removal_due(book, END + SECOND)
    live(database, END + 6 * DAY, END + 7 * DAY)
    assert len(written(database, MailKind.TRIAL_COMPLETE)) == 2
    assert again(database, row).status == "pending-pre-remove"


@pytest.mark.parametrize("status", sorted(LEAVING))
def test_what_is_leaving_gets_no_other_end_and_the_way_back_is_told(
    sqlite_database: Database, status: str
) -> None:
    row, book = a_trial(sqlite_database, status=status), a_book(sqlite_database)
    before = dump(sqlite_database)
    for act in (
        lambda: extend_trial(book, row.uuid, End(days=7), START, by="ada"),
        lambda: keep_instance(book, row.uuid, START, by="ada"),
    ):
        with pytest.raises(TrialError, match=f"is {status}: .*polydock instances restore"):
            act()
    assert read_offer(book, row.uuid, START) is None
    assert dump(sqlite_database) == before


def extend_by_a_week(book: Book, which: str) -> Asked:
    return extend_trial(book, which, End(days=7), START, by="ada")


def keep_it(book: Book, which: str) -> Asked:
    return keep_instance(book, which, START, by="ada")


@pytest.mark.parametrize("act", [extend_by_a_week, keep_it])
@pytest.mark.parametrize("lease", [LEASE, {}], ids=["under a lease", "free"])
def test_a_removal_that_nobody_has_begun_is_called_off(
    database: Database, lease: dict[str, Any], act: Callable[[Book, str], Asked]
) -> None:
    row, book = a_trial(database, **lease), a_book(database)
    remove_instance(database, row.uuid, START, by="ada")
    act(book, row.uuid)
    after = again(database, row)
    assert (after.status, after.wanted) == ("running-healthy-claimed", None)
    with database.read() as session:
        assert session.scalars(select(Email)).all() == []  # no second `ready`


@pytest.mark.parametrize("act", [extend_by_a_week, keep_it])
def test_a_removal_that_was_begun_is_not_undone(
    database: Database, act: Callable[[Book, str], Asked]
) -> None:
    row, book = a_trial(database, status="pending-pre-remove", attempt=1), a_book(database)
    with pytest.raises(TrialError, match="its removal cannot be undone by that"):
        act(book, row.uuid)


def test_a_trial_that_has_not_begun_has_no_end_to_move(database: Database) -> None:
    with database.write() as session:
        row = make_instance_row(session, is_trial=True)
        uuid = row.uuid
    with pytest.raises(TrialError, match="its trial has not begun, or has no end"):
        extend_trial(a_book(database), uuid, End(days=7), START, by="ada")
    with pytest.raises(UnknownInstanceError):
        extend_trial(a_book(database), "nobody", End(days=7), START, by="ada")


# -- kept


def test_a_kept_instance_is_ended_and_reminded_of_by_nothing(database: Database) -> None:
    row, book = a_trial(database), a_book(database)
    keep_instance(book, row.uuid, START, by="ada", reason="they bought it")
    kept = again(database, row)
    assert (kept.is_trial, *dates(kept)) == (False, None, None, None)
    live(database, *(START + n * DAY for n in range(0, 40, 3)))
    assert {kind: written(database, kind) for kind in MailKind} == {kind: [] for kind in MailKind}
    assert again(database, row).status == "running-healthy-claimed"
    assert keep_instance(book, row.uuid, START, by="ada").note == "it is kept already"
    with pytest.raises(TrialError, match="is no trial: nothing ends it"):
        extend_trial(book, row.uuid, End(days=7), START, by="ada")
    assert read_offer(book, row.uuid, START) is None


def test_an_ended_trial_can_be_kept_until_its_removal_begins(database: Database) -> None:
    row, book = a_trial(database), a_book(database)
    end_due_trials(book, END)
    keep_instance(book, row.uuid, END, by="ada")
    live(database, END + DAY)
    assert again(database, row).status == "running-healthy-claimed"


# -- by its person


def test_a_person_extends_once_however_often_they_press(database: Database) -> None:
    row, book, now = a_trial(database), a_book(database), START + 13 * DAY
    offer = read_offer(book, row.uuid, now)
    assert offer is not None
    assert (offer.ends_at, offer.extended_end) == (END, END + 7 * DAY)
    ends = [extend_by_person(book, row.uuid, offer.ends_at, now) for _ in range(3)]
    assert ends == [END + 7 * DAY] * 3
    assert dates(again(database, row))[0] == END + 7 * DAY
    assert [line.message for line in tell(database, row.uuid, now).log] == [
        "its trial ends 2026-03-22 09:00:00 UTC, by the person's link"
    ]


def test_two_presses_at_the_same_moment_extend_once(database: Database) -> None:
    row, book = a_trial(database), a_book(database)
    with ThreadPoolExecutor(6) as pool:
        pressed = [pool.submit(extend_by_person, book, row.uuid, END, START) for _ in range(6)]
    assert {one.result() for one in pressed} == {END + 7 * DAY}
    assert again(database, row).trial_ends_at == END + 7 * DAY


@pytest.mark.parametrize(
    ("app", "most"),
    [
        ({}, 28),
        ({"trial_max_days": 20}, 20),
        ({"trial_max_days": None, "app_type": "private-gpt"}, 30),
        ({"trial_max_days": 90, "app_type": "private-gpt"}, 30),
    ],
)
def test_a_person_comes_as_far_as_app_and_type_allow(
    database: Database, app: dict[str, Any], most: int
) -> None:
    row, book = a_trial(database, app), a_book(database)
    while (offer := read_offer(book, row.uuid, START)) and offer.extended_end is not None:
        extend_by_person(book, row.uuid, offer.ends_at, START)
    assert again(database, row).trial_ends_at == START + most * DAY
    with pytest.raises(TrialError, match="cannot be extended any further"):
        extend_by_person(book, row.uuid, START + most * DAY, START)


def test_an_operator_goes_beyond_the_app_but_not_beyond_its_type(database: Database) -> None:
    book, plain = a_book(database), a_trial(database)
    extend_trial(book, plain.uuid, End(days=200), START, by="ada")
    bound = a_trial(database, {"app_type": "private-gpt"})
    with pytest.raises(TrialError, match=r"private-gpt lasts 30 days at most, so until 2026-03-31"):
        extend_trial(book, bound.uuid, End(days=17), START, by="ada")
    extend_trial(book, bound.uuid, End(days=16), START, by="ada")


def test_an_app_that_says_nothing_of_extensions_offers_none(database: Database) -> None:
    row, book = a_trial(database, {"trial_extension_days": None}), a_book(database)
    offer = read_offer(book, row.uuid, START)
    assert offer is not None
    assert offer.extended_end is None
    with pytest.raises(TrialError, match="cannot be extended any further"):
        extend_by_person(book, row.uuid, END, START)


@pytest.mark.parametrize("is_told", [True, False])
def test_an_ended_trial_is_not_offered_more_even_while_it_still_runs(
    database: Database, *, is_told: bool
) -> None:
    row, book = a_trial(database), a_book(database)
    if is_told:
        end_due_trials(book, END)
    before = dump(database)
    assert read_offer(book, row.uuid, END) is None
    with pytest.raises(TrialError, match="This trial has ended"):
        extend_by_person(book, row.uuid, END, END)
    assert dump(database) == before


def test_an_unknown_instance_has_no_offer(database: Database) -> None:
    assert read_offer(a_book(database), "nobody", START) is None
