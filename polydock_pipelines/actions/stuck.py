"""Instances that stand still: every state that does not rest has an owner and a deadline.

Leases, hand-overs and deadlines let nothing stand for long by themselves. What does all the same,
because somebody edited a row, or nothing has run for hours, is found here: sent on once, and failed
with a reason when that did not help. What a circuit or a brake holds back is not stuck.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from polydock_pipelines.actions.operate import Asked, find
from polydock_pipelines.db.door import add_log, write
from polydock_pipelines.db.leases import Book, is_free, is_held
from polydock_pipelines.db.models.guards import Brake, Circuit
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle.table import UNSTABLE, Kind, leg_of, stage_of
from polydock_pipelines.lifecycle.transitions import Change, NotAllowedError, deadline, failed

OVERDUE_BY = timedelta(minutes=10)
"""A step in hand may end a little after its deadline."""
LONGEST_QUEUE = timedelta(hours=2)
"""So long may a burst take to reach everybody; beyond it, something that should run does not."""
MOST = 500
LOOK_BACK = timedelta(minutes=15)
"""So long after trouble has ended the checks are evaluated anew, to be green again."""


@dataclass(frozen=True)
class Stuck:
    """An instance that stands still."""

    id: int
    uuid: str
    name: str
    status: str
    since: datetime
    """When it entered its stage."""
    why: str


@dataclass
class Mended:
    """What was done about stuck instances."""

    found: list[Stuck] = field(default_factory=list[Stuck])
    nudged: list[Stuck] = field(default_factory=list[Stuck])
    failed: list[Stuck] = field(default_factory=list[Stuck])

    @property
    def left(self) -> list[Stuck]:
        """Return those that still stand."""
        gone = {one.id for one in self.failed}
        return [one for one in self.found if one.id not in gone]


def find_stuck(book: Book, now: datetime) -> list[Stuck]:
    """Return what stands still and could move, longest first."""
    gate = book.gate(now)
    may_move = or_(
        *(and_(AppInstance.status.in_(_owned(kind)), gate.lets(kind)) for kind in Kind),
        AppInstance.status.in_(OWNERLESS),
    )
    chosen = (
        select(AppInstance)
        .where(AppInstance.status.in_(UNSTABLE), is_free(now), may_move)
        .where(
            or_(
                AppInstance.deadline.is_(None),
                AppInstance.next_check_at.is_(None),
                and_(AppInstance.attempt > 0, AppInstance.deadline < now - OVERDUE_BY),
                AppInstance.next_check_at < now - LONGEST_QUEUE,
                AppInstance.status.in_(OWNERLESS),
            )
        )
        .order_by(AppInstance.stage_since)
        .limit(MOST)
    )
    with book.db.read() as session:
        return [_stuck(row, now) for row in session.scalars(chosen)]


def _owned(kind: Kind) -> list[str]:
    return [status for status in UNSTABLE if (owner := leg_of(status)) and owner[0] is kind]


OWNERLESS = [status for status in UNSTABLE if leg_of(status) is None]
"""`…-completed` is walked through, never stood in."""


def _stuck(row: AppInstance, now: datetime) -> Stuck:
    return Stuck(row.id, row.uuid, row.name, row.status, row.stage_since, _why(row, now))


def _why(row: AppInstance, now: datetime) -> str:
    if row.deadline is None or row.next_check_at is None or row.status in OWNERLESS:
        return "it has no owner: somebody changed the row by hand"
    if row.attempt > 0 and row.deadline < now - OVERDUE_BY:
        return f"its deadline was {row.deadline:%Y-%m-%d %H:%M:%S} UTC"
    return "nobody has begun it for hours: are the daemon and its sensors running?"


def is_worth_a_look(book: Book, now: datetime) -> bool:
    """Whether the checks have something to tell: trouble, or trouble that has just ended."""
    recently = now - LOOK_BACK
    ended = (
        select(Circuit.endpoint).where(Circuit.closed_at > recently),
        select(Brake.work).where(Brake.resumed_at > recently),
        select(AppInstance.id).where(AppInstance.nudged_at > recently),
    )
    if book.gate(now).sentences() or find_stuck(book, now):
        return True
    with book.db.read() as session:
        return any(session.execute(chosen.limit(1)).first() for chosen in ended)


def mend_stuck(book: Book, now: datetime) -> Mended:
    """Send on what stands still; fail what was sent on in vain."""
    mended = Mended(find_stuck(book, now))
    for one in mended.found:
        with book.db.write() as session:
            row = session.get(AppInstance, one.id, with_for_update=True)
            if row is None or row.status != one.status or is_held(row, now):
                continue
            if row.nudged_at is None or row.nudged_at < row.stage_since:
                _nudge(session, row, one, now)
                mended.nudged.append(one)
            elif row.nudged_at < now - OVERDUE_BY and (row.attempt > 0 or row.status in OWNERLESS):
                reason = f"stood still: {one.why}, and sending it on did not help"
                end(session, row, reason, book.writing(now))
                mended.failed.append(one)
    return mended


def _nudge(session: Session, row: AppInstance, one: Stuck, now: datetime) -> None:
    stage = stage_of(row.status)
    assert stage is not None  # noqa: S101 - every unstable status belongs to a stage
    row.nudged_at = row.next_check_at = now
    row.handed_until = None
    row.deadline = row.deadline or deadline(stage, now)
    add_log(session, row, f"sent on: {one.why}", now=now, level="warning", stage=stage.name)


def end(session: Session, row: AppInstance, reason: str, how: Writing) -> None:
    """Fail an unstable instance where it stands; a retry or a removal goes on from there."""
    stage = stage_of(row.status)
    assert stage is not None  # noqa: S101 - every unstable status belongs to a stage
    row.lease_token = row.lease_until = row.handed_until = None
    write(session, row, Change((failed(stage.name),), reason, attempt=row.attempt), how)


def end_instance(book: Book, which: str, now: datetime, *, by: str, reason: str) -> Asked:
    """Fail an instance that is under way; a run that is at work on it writes nothing more.

    What it does outside is finished all the same; retry and removal look before they act.
    """
    with book.db.write() as session:
        row = find(session, which)
        if row.status not in UNSTABLE:
            raise NotAllowedError(f"{row.name} is {row.status}: nothing is under way to be ended")
        end(session, row, f"ended by {by}: {reason}", book.writing(now))
        return Asked(row.uuid, row.name, row.status, "retry it, or remove it")
