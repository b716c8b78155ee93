"""The trial's calendar: reminders, ends and removals, each once, whoever comes first and when."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from polydock_pipelines.actions import trials
from polydock_pipelines.actions.trials import (
    end_due_trials,
    is_end_due,
    is_reminder_due,
    is_removal_due,
    remove_ended_trials,
    write_reminders,
)
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.leases import apply, claim
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.mails import Email
from polydock_pipelines.db.trials import LEAVING, end_trials
from polydock_pipelines.lifecycle.mails import MailKind
from polydock_pipelines.lifecycle.outcome import Done
from polydock_pipelines.lifecycle.table import IN_HAND, STATUSES
from tests.fakes.clock import START
from tests.integration.actions.tables import dump
from tests.makers import a_book, change_row, instance_row, make_store_app, make_trial

DAY, SECOND, MINUTE = timedelta(days=1), timedelta(seconds=1), timedelta(minutes=1)
END = START + 14 * DAY
MAILS = {kind.value: {"enabled": True} for kind in MailKind}
STAYS = sorted(set(STATUSES) - set(LEAVING))
REMOVAL = "pending-pre-remove"


def a_trial(database: Database, **changes: Any) -> int:
    """Add a trial with all mails on; return its id."""
    with database.write() as session:
        return make_trial(session, make_store_app(session, mails=MAILS), **changes).id


def some_trials(database: Database, count: int, **changes: Any) -> list[int]:
    """Add trials of one app that end a second after each other, the first at END."""
    with database.write() as session:
        app = make_store_app(session, mails=MAILS)
        return [
            make_trial(session, app, owner=None, trial_ends_at=END + n * SECOND, **changes).id
            for n in range(count)
        ]


def mails_of(database: Database, kind: MailKind | None = None) -> list[int]:
    """Return whose mails were written, in order."""
    chosen = select(Email.instance_id).order_by(Email.id)
    if kind is not None:
        chosen = chosen.where(Email.kind == kind.value)
    with database.read() as session:
        return list(session.scalars(chosen))


# -- removal in any state


@pytest.mark.parametrize("status", STAYS)
def test_an_ended_trial_is_removed_in_whatever_state_it_is(
    sqlite_database: Database, status: str
) -> None:
    one, book = a_trial(sqlite_database, status=status), a_book(sqlite_database)
    assert not is_removal_due(book, END - SECOND)
    assert remove_ended_trials(book, END - SECOND).fallen == []
    assert is_removal_due(book, END)
    assert [f.at for f in remove_ended_trials(book, END).fallen] == [END]
    row = instance_row(sqlite_database, one)
    assert (row.status, row.trial_completed, row.wanted) == (REMOVAL, True, None)
    assert mails_of(sqlite_database) == [one]
    before = dump(sqlite_database)
    assert not is_removal_due(book, END + 3 * DAY)
    assert remove_ended_trials(book, END + 3 * DAY).fallen == []
    assert dump(sqlite_database) == before


@pytest.mark.parametrize("status", sorted(IN_HAND - set(LEAVING)))
def test_a_step_in_hand_is_finished_before_an_ended_trial_goes(
    sqlite_database: Database, status: str
) -> None:
    now, book = END + MINUTE, a_book(sqlite_database)
    one = a_trial(sqlite_database, status=status, now=END - MINUTE)
    held = claim(book, one, END)
    assert held is not None
    remove_ended_trials(book, END + SECOND)
    row = instance_row(sqlite_database, one)
    assert (row.status, row.wanted, row.trial_completed) == (status, "remove", True)
    assert not is_removal_due(book, END + SECOND)
    ended = apply(book, held, Done(), now - 30 * SECOND)
    assert ended == instance_row(sqlite_database, one).status == REMOVAL


@pytest.mark.parametrize("status", sorted(LEAVING))
def test_what_is_leaving_already_is_left_alone(sqlite_database: Database, status: str) -> None:
    book = a_book(sqlite_database)
    a_trial(sqlite_database, status=status)
    before = dump(sqlite_database)
    assert not is_removal_due(book, END + DAY)
    remove_ended_trials(book, END + DAY)
    assert dump(sqlite_database) == before


@pytest.mark.parametrize(
    "changes",
    [{"is_trial": False, "trial_ends_at": None}, {"trial_ends_at": None}],
    ids=["kept", "a trial without an end"],
)
def test_what_has_no_end_stays(database: Database, changes: dict[str, Any]) -> None:
    a_trial(database, **changes)
    before = dump(database)
    remove_ended_trials(a_book(database), END + 4000 * DAY)
    assert dump(database) == before


# -- the end and its mail


def test_an_end_and_its_mail_are_written_together_or_not_at_all(database: Database) -> None:
    one = a_trial(database, midtrial_email_at=END, one_day_left_email_at=END)
    before, book = dump(database), a_book(database)
    with suppress(KeyboardInterrupt), database.write() as session:
        assert end_trials(session, book.writing(END), trials.CHUNK)[1] == 1
        session.flush()
        raise KeyboardInterrupt
    assert dump(database) == before
    end_due_trials(book, END)
    row = instance_row(database, one)
    reminders = row.midtrial_email_at, row.one_day_left_email_at
    assert (row.trial_completed, *reminders) == (True, None, None)
    assert mails_of(database, MailKind.TRIAL_COMPLETE) == [one]


def test_the_mails_run_and_the_removals_run_may_come_in_either_order(database: Database) -> None:
    first, second = a_trial(database), a_trial(database)
    book = a_book(database)
    end_due_trials(book, END)
    assert not is_end_due(book, END)
    assert is_removal_due(book, END)
    remove_ended_trials(book, END)
    end_due_trials(book, END)
    assert sorted(mails_of(database)) == [first, second]
    assert {instance_row(database, n).status for n in (first, second)} == {REMOVAL}


def test_an_app_that_sends_no_mail_ends_its_trials_all_the_same(database: Database) -> None:
    with database.write() as session:
        one = make_trial(session).id
    remove_ended_trials(a_book(database), END)
    assert (instance_row(database, one).status, mails_of(database)) == (REMOVAL, [])


# -- many


def test_more_than_a_chunk_is_worked_in_one_round_the_oldest_first(database: Database) -> None:
    ids = some_trials(database, trials.CHUNK + 50)
    done = remove_ended_trials(a_book(database), END + DAY)
    assert ([one.id for one in done.fallen], done.is_all) == (ids, True)
    assert done.latest_by(END + DAY) == DAY
    assert {instance_row(database, one).status for one in (ids[0], ids[-1])} == {REMOVAL}
    assert len(mails_of(database)) == len(set(mails_of(database))) == 0  # nobody has an address


def test_what_somebody_else_has_locked_starves_nobody(postgres_database: Database) -> None:
    ids = some_trials(postgres_database, trials.CHUNK + 50)
    held, book = ids[: trials.CHUNK + 10 : 2], a_book(postgres_database)
    with postgres_database.write() as session:
        session.execute(select(AppInstance).where(AppInstance.id.in_(held)).with_for_update()).all()
        done = remove_ended_trials(book, END + DAY)
    assert [one.id for one in done.fallen] == [one for one in ids if one not in held]
    assert [one.id for one in remove_ended_trials(book, END + DAY).fallen] == held


def test_a_chunk_of_those_that_stay_in_hand_hides_nobody(database: Database) -> None:
    busy = some_trials(database, 30)
    for one in busy:
        change_row(database, one, status="upgrade-running", lease_token="t", lease_until=END + DAY)
    free = a_trial(database, trial_ends_at=END + 100 * SECOND)
    done = remove_ended_trials(a_book(database), END + MINUTE * 5)
    assert [one.id for one in done.fallen] == [*busy, free]
    assert instance_row(database, free).status == REMOVAL


Work = Callable[[], Any]


def at_once(works: Sequence[Work]) -> list[Any]:
    """Do all together."""
    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(work) for work in works]]


def test_rounds_at_the_same_time_do_each_thing_once(database: Database) -> None:
    with database.write() as session:
        app = make_store_app(session, mails=MAILS)
        ids = [make_trial(session, app).id for _ in range(40)]
    book = a_book(database)

    def remove() -> list[int]:
        return [one.id for one in remove_ended_trials(book, END).fallen]

    def end() -> list[int]:
        return [one.id for one in end_due_trials(book, END).fallen]

    removed = at_once([remove, end, remove, end])
    removed.append(remove())
    begun = [n for found in (removed[0], removed[2], removed[4]) for n in found]
    assert sorted(begun) == ids
    assert sorted(mails_of(database)) == ids
    told = {instance_row(database, one).event_sequence for one in ids}
    assert told == {1}


# -- the clock jumps


@pytest.mark.parametrize("kind", [MailKind.MIDTRIAL, MailKind.ONE_DAY_LEFT])
def test_a_reminder_is_written_at_its_moment_once_whatever_the_clock_does(
    database: Database, kind: MailKind
) -> None:
    at = START + 7 * DAY
    one = a_trial(database, **{f"{kind.value}_email_at": at})
    book = a_book(database)
    for early in (at - DAY, at - SECOND):
        assert not is_reminder_due(book, early, kind)
        assert write_reminders(book, early, kind).written == 0
    assert is_reminder_due(book, at, kind)
    assert write_reminders(book, at, kind).written == 1
    for moment in (at - DAY, at + DAY, at, END - SECOND):
        assert not is_reminder_due(book, moment, kind)
        assert write_reminders(book, moment, kind).written == 0
    assert mails_of(database) == [one]


@pytest.mark.parametrize("sleep", [30 * MINUTE, 3 * DAY])
def test_a_scheduler_that_slept_catches_up_without_a_double(
    database: Database, sleep: timedelta
) -> None:
    one = a_trial(database, midtrial_email_at=START + 7 * DAY)
    other = a_trial(database, trial_ends_at=START + 8 * DAY)
    late = START + 8 * DAY + sleep
    book = a_book(database)
    for _ in range(2):
        write_reminders(book, late, MailKind.MIDTRIAL)
        remove_ended_trials(book, late)
    assert mails_of(database, MailKind.MIDTRIAL) == [one]
    assert mails_of(database, MailKind.TRIAL_COMPLETE) == [other]
    assert instance_row(database, other).status == REMOVAL
    assert instance_row(database, one).status == "running-healthy-claimed"


def test_a_clock_that_is_set_back_takes_nothing_back_and_ends_nothing_early(
    database: Database,
) -> None:
    ended, runs = a_trial(database), a_trial(database, trial_ends_at=END + DAY)
    book = a_book(database)
    remove_ended_trials(book, END)
    for moment in (END - DAY, END - MINUTE, END, END + DAY - SECOND):
        remove_ended_trials(book, moment)
    assert mails_of(database) == [ended]
    assert instance_row(database, runs).status == "running-healthy-claimed"
    remove_ended_trials(book, END + DAY)
    assert mails_of(database) == [ended, runs]


def test_trials_go_by_the_calendar_of_a_fast_clock(database: Database) -> None:
    one = a_trial(database)

    def fast(now: datetime) -> datetime:
        return START + (now - START) * 1440

    book = a_book(database, calendar=fast)
    assert not is_removal_due(book, START + 14 * MINUTE - SECOND)
    remove_ended_trials(book, START + 14 * MINUTE)
    row = instance_row(database, one)
    assert (row.status, row.stage_since) == (REMOVAL, START + 14 * MINUTE)


def test_an_ended_trial_whose_step_failed_with_the_wish_still_on_it_is_removed(
    database: Database,
) -> None:
    changes = {"status": "pre-upgrade-failed", "wanted": "remove", "trial_completed": True}
    with database.write() as session:
        row = make_trial(session, **changes)
    done = remove_ended_trials(a_book(database), START + timedelta(days=30))
    assert [one.uuid for one in done.fallen] == [row.uuid]
    assert instance_row(database, row.id).status == "pending-pre-remove"
