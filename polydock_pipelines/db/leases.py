"""Claim, renew, apply: who may work on an instance, and whose result counts.

dstack's pattern: one guarded UPDATE takes the lease, the step runs outside any transaction, and the
result is written only under the lease that is still the row's. Zero rows mean that somebody else
went on: write nothing.
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from polydock_pipelines.db.brakes import alarmed
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.door import write
from polydock_pipelines.db.gates import Gate, Limits, is_free_to_build, read_gate
from polydock_pipelines.db.learning import learn
from polydock_pipelines.db.loading import load_instance
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.writing import GRACE, Calendar, Writing, by_the_clock
from polydock_pipelines.lifecycle.instance import Instance
from polydock_pipelines.lifecycle.outcome import Done, Outcome, Unreachable, Waiting
from polydock_pipelines.lifecycle.status import Resting
from polydock_pipelines.lifecycle.table import (
    PENDING,
    STAGES,
    STATUSES,
    WISHES,
    Crossroads,
    Kind,
    Stage,
    Wish,
    leg_of,
    stage_of,
)
from polydock_pipelines.lifecycle.transitions import (
    Change,
    Position,
    begin,
    deadline,
    obey,
    pending,
    running,
    settle,
)

LEASE = timedelta(seconds=60)
ALARMING = frozenset(pending(WISHES[wish]) for wish in (Wish.REMOVE, Wish.PURGE))
"""Where something is about to be deleted that was not before."""


@dataclass(frozen=True)
class Held:
    """An instance under our lease."""

    instance: Instance
    token: str
    status_before: str
    """What it was claimed from."""
    kind: Kind | None = None
    """The kind of run that holds it; None outside of runs."""


@dataclass(frozen=True)
class Book:
    """The database as `advance` uses it, with what every write needs to know."""

    db: Database
    public_url: str = ""
    grace: timedelta = GRACE
    credential: str = ""
    """Tells the circuits of our credentials from those of others."""
    limits: Limits = field(default_factory=Limits)
    calendar: Calendar = by_the_clock

    def writing(self, now: datetime, *, level: str = "", stage: str | None = None) -> Writing:
        """Return how a change is written now."""
        return Writing(now, self.grace, level=level, stage=stage, calendar=self.calendar)

    def gate(self, now: datetime) -> Gate:
        """Return what holds work back right now."""
        with self.db.read() as session:
            return read_gate(session, self.credential, self.limits, now)


def is_free(now: datetime) -> ColumnElement[bool]:
    """Whether nobody holds the row."""
    return or_(AppInstance.lease_token.is_(None), AppInstance.lease_until <= now)


def claim(
    book: Book,
    instance_id: int,
    now: datetime,
    *,
    handover_id: str | None = None,
    kind: Kind | None = None,
) -> Held | None:
    """Take the lease of one instance and put its stage to work.

    None when it is held, has nothing to do, is not due (and not part of *handover_id*), or when a
    wish or its spent attempts decided what follows. VaultError, and nothing is written, when a
    secret that the step needs cannot be opened.
    """
    with book.db.write() as session:
        row = session.get(AppInstance, instance_id)
        if row is None or not _is_ready(row, now, handover_id):
            return None
        change = _first(book, row, now)
        if _is_held_back(book, session, row, change, now):
            if row.handover_id == handover_id:
                row.handed_until = None
            return None
        status_before, token = row.status, str(uuid.uuid4())
        if not _take(session, row, token, now):
            return None
        stage = stage_of(status_before)
        assert stage is not None  # noqa: S101 - _is_ready looked
        if row.attempt == 0 and status_before in PENDING:
            row.deadline = deadline(stage, now)  # the time spent in a queue does not count
        write(session, row, change, book.writing(now, stage=stage.name))
        if change.stage is not None or stage_of(row.status) is None or not _works(row):
            _release(row)
            row.handed_until = None
            return None
        instance = load_instance(session, row, stage.name, book.db.vault, book.public_url)
        instance = replace(instance, most_attempts=book.limits.attempts(stage))
        return Held(instance, token, status_before, kind)


def _is_ready(row: AppInstance, now: datetime, handover_id: str | None) -> bool:
    if row.next_check_at is None:
        return False
    ours = handover_id is not None and row.handover_id == handover_id
    return ours or row.next_check_at <= now


def _is_held_back(
    book: Book, session: Session, row: AppInstance, change: Change, now: datetime
) -> bool:
    """Whether a circuit, a brake, the alarm or a lack of room keeps the row from being worked.

    What only changes its status, a wish or an end of its attempts, needs nothing from outside.
    """
    owner = leg_of(row.status)
    if owner is None or not change.is_work:
        return False
    gate = read_gate(session, book.credential, book.limits, now)
    if gate.refuses(session, row, owner[0]):
        return True
    if row.status in ALARMING and row.attempt == 0:
        return alarmed(session, owner[0], now, book.limits.removal_alarm)
    if is_free_to_build(session, row, book.limits):
        return False
    row.status_message = f"waits for one of {book.limits.builds_at_once} places for builds"
    return True


def _first(book: Book, row: AppInstance, now: datetime) -> Change:
    """Obey a wish before anything else, unless it must wait for the instance to rest."""
    obeyed = obey(row.status, Wish(row.wanted), now) if row.wanted else None
    stage = stage_of(row.status)
    most = book.limits.attempts(stage) if stage is not None else None
    return obeyed or begin(row.status, row.attempt, most)


def _works(row: AppInstance) -> bool:
    stage = stage_of(row.status)
    return stage is not None and row.status == running(stage.name)


def _take(session: Session, row: AppInstance, token: str, now: datetime) -> bool:
    """Take the lease in one guarded UPDATE; the status must still be the one we looked at."""
    taken = session.execute(
        update(AppInstance)
        .where(AppInstance.id == row.id, AppInstance.status == row.status, is_free(now))
        .values(lease_token=token, lease_until=now + LEASE)
        .returning(AppInstance.id)
        .execution_options(synchronize_session=False)
    ).first()
    if taken is None:
        return False
    session.refresh(row)
    return True


def _release(row: AppInstance) -> None:
    row.lease_token = row.lease_until = None


def set_aside(book: Book, instance_id: int, now: datetime, *, until: datetime, reason: str) -> None:
    """Leave an instance that cannot be worked here alone for a while, and say why on it."""
    with book.db.write() as session:
        row = session.get(AppInstance, instance_id, with_for_update=True)
        if row is None or row.next_check_at is None or is_held(row, now):
            return
        change = Change((), reason, due_at=until, attempt=row.attempt, is_endpoint_away=True)
        write(session, row, change, book.writing(now, level="error"))
        row.handed_until = None


def is_held(row: AppInstance, now: datetime) -> bool:
    """Whether a run works on the row right now."""
    return row.lease_token is not None and row.lease_until is not None and row.lease_until > now


def apply(book: Book, held: Held, outcome: Outcome | Unreachable, now: datetime) -> str | None:
    """Write what came of a step and give the lease back. Return the new status; None when stale."""
    with book.db.write() as session:
        row = mine(session, held)
        if row is None:
            return None
        _note_reach(row, outcome, now)
        if not isinstance(outcome, Unreachable):
            learn(session, row, outcome.facts, book.db.vault)
        position = _position(row, held)
        change = settle(position, outcome, now)
        write(session, row, change, book.writing(now, stage=held.instance.stage))
        _release(row)
        if not _goes_on(row, held, outcome):
            row.handed_until = None
        return row.status


def lay_down(book: Book, held: Held, until: datetime) -> None:
    """Give the lease back, and the attempt with it: what failed was our database, not the step."""
    with book.db.write() as session:
        session.execute(
            update(AppInstance)
            .where(AppInstance.id == held.instance.id, AppInstance.lease_token == held.token)
            .values(
                attempt=AppInstance.attempt - 1,
                next_check_at=until,
                lease_token=None,
                lease_until=None,
                handed_until=None,
            )
            .execution_options(synchronize_session=False)
        )


def _note_reach(row: AppInstance, outcome: Outcome | Unreachable, now: datetime) -> None:
    """Remember which endpoint the row waits for, or since when it alone is not answered."""
    if isinstance(outcome, Waiting) and outcome.is_unsure:
        return
    is_away = isinstance(outcome, Unreachable)
    row.waits_for = outcome.waits_for if is_away else None
    is_alone = is_away and outcome.waits_for is None
    row.unreachable_since = (row.unreachable_since or now) if is_alone else None


def _goes_on(row: AppInstance, held: Held, outcome: Outcome | Unreachable) -> bool:
    """Whether the same run takes the next stage too; if not, others may be given the row."""
    owner = leg_of(row.status)
    return isinstance(outcome, Done) and owner is not None and owner[0] is held.kind


def mine(session: Session, held: Held) -> AppInstance | None:
    """Lock and return the row if our lease is still the row's."""
    return session.scalar(
        select(AppInstance)
        .where(AppInstance.id == held.instance.id, AppInstance.lease_token == held.token)
        .with_for_update()
    )


def _stage(instance: Instance) -> Stage:
    stage = STAGES[instance.stage]
    return replace(stage, attempts=instance.most_attempts or stage.attempts)


def _position(row: AppInstance, held: Held) -> Position:
    before = STATUSES[row.running_before] if row.running_before else None
    assert row.deadline is not None  # noqa: S101 - a held row is within a stage
    return Position(
        stage=_stage(held.instance),
        status=held.status_before,
        attempt=row.attempt,
        deadline=row.deadline,
        wanted=Wish(row.wanted) if row.wanted else None,
        crossroads=Crossroads(
            has_owner=row.user_group_id is not None,
            running_before=before if isinstance(before, Resting) else None,
        ),
        unreachable_since=row.unreachable_since,
    )


def renew(book: Book, tokens: Collection[str], now: datetime) -> None:
    """Keep the leases of steps that still work."""
    if not tokens:
        return
    with book.db.write() as session:
        session.execute(
            update(AppInstance)
            .where(AppInstance.lease_token.in_(tokens))
            .values(lease_until=now + LEASE)
            .execution_options(synchronize_session=False)
        )
