"""What schedules do when a trial's time has come: write reminders, end trials, remove them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from polydock_pipelines.actions.operate import ask_removal
from polydock_pipelines.db import trials
from polydock_pipelines.db.leases import Book
from polydock_pipelines.db.trials import Fallen
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle.mails import MailKind
from polydock_pipelines.lifecycle.work import Work

CHUNK = 200
LONGEST_S = 120.0
"""A run writes for so long and leaves the rest to the next tick: nothing is capped for ever."""


@dataclass
class Round:
    """What a run found due."""

    fallen: list[Fallen] = field(default_factory=list[Fallen])
    written: int = 0
    """Mails that are new."""
    is_all: bool = True
    """Whether the list was worked to its end."""

    def latest_by(self, today: datetime) -> timedelta:
        """Return how late the oldest of them is; zero when nothing was due."""
        return max((today - one.at for one in self.fallen), default=timedelta())


def is_reminder_due(book: Book, now: datetime, kind: MailKind) -> bool:
    """Whether a reminder of *kind* is to be written."""
    with book.db.read() as session:
        return trials.is_any(session, trials.reminders_due(kind, book.calendar(now)))


def is_end_due(book: Book, now: datetime) -> bool:
    """Whether a trial's end has come."""
    with book.db.read() as session:
        return trials.is_any(session, trials.ends_due(book.calendar(now)))


def is_removal_due(book: Book, now: datetime) -> bool:
    """Whether a trial is to be ended, or an ended one removed."""
    lets = book.gate(now).lets_begin(Work.REMOVAL)
    with book.db.read() as session:
        is_over = trials.is_any(session, trials.removals_due().where(lets))
    return is_over or is_end_due(book, now)


def write_reminders(book: Book, now: datetime, kind: MailKind) -> Round:
    """Write all reminders of *kind* that are due, the oldest first."""

    def chunk(session: Session, how: Writing) -> tuple[list[Fallen], int]:
        return trials.write_reminders(session, kind, how, CHUNK)

    return in_chunks(book, now, chunk)


def end_due_trials(book: Book, now: datetime) -> Round:
    """End the trials whose time is up; whoever comes first does it, a mail or a removal run."""

    def chunk(session: Session, how: Writing) -> tuple[list[Fallen], int]:
        return trials.end_trials(session, how, CHUNK)

    return in_chunks(book, now, chunk)


def remove_ended_trials(book: Book, now: datetime) -> Round:
    """Put every ended trial on its way out, in whatever running state it is.

    Not while removals are paused: who looks whether they are meant can then still extend or keep.
    """
    end_due_trials(book, now)
    due = trials.removals_due().where(book.gate(now).lets_begin(Work.REMOVAL))

    def chunk(session: Session, how: Writing) -> tuple[list[Fallen], int]:
        rows = trials.locked(session, due, CHUNK)
        for row in rows:
            ask_removal(session, row, "the trial has ended, its removal begins", how)
        return [
            Fallen(row.id, row.uuid, row.name, row.trial_ends_at or how.today) for row in rows
        ], 0

    return in_chunks(book, now, chunk)


Chunk = Callable[[Session, Writing], tuple[list[Fallen], int]]


def in_chunks(book: Book, now: datetime, chunk: Chunk) -> Round:
    """Repeat *chunk*, each in a transaction of its own, until it finds nothing or time is up."""
    done, began, how = Round(), time.monotonic(), book.writing(now)
    seen = set[int]()
    while True:
        with book.db.write() as session:
            fallen, written = chunk(session, how)
        new = [one for one in fallen if one.id not in seen]
        done.fallen += new
        done.written += written
        seen |= {one.id for one in new}
        if not new:
            return done
        if time.monotonic() - began > LONGEST_S:
            done.is_all = False
            return done
