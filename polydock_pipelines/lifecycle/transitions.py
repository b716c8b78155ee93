"""From an outcome to the next state: the only place that decides what follows.

Pure: `db.claim`, `db.apply` and the operator's actions call these and write what they return.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from polydock_pipelines.lifecycle.outcome import Done, Failed, Outcome, Unreachable, Waiting
from polydock_pipelines.lifecycle.status import RUNNING, Phase, Resting, StageStatus
from polydock_pipelines.lifecycle.table import (
    FAILED,
    GAVE_UP,
    STABLE,
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

BACK_OFF = tuple(timedelta(seconds=s) for s in (30, 60, 120, 300, 600))
"""Pause after the first, second, … failed attempt; the last one holds from there on.

A stage may have pauses of its own.
"""

RESTORED_AT = "post-create"
"""Where a restored instance enters: its project stands, all that was in it is gone."""

LONGEST_OUTAGE = timedelta(hours=24)
"""So long an endpoint may fail one instance, while it answers others, before that is given up."""


class NotAllowedError(Exception):
    """An operator asked for what the table does not allow; the message says what is possible."""


class ClaimedError(NotAllowedError):
    """An app said that it belongs to nobody, or to somebody, and the opposite is true."""


@dataclass(frozen=True)
class Change:
    """What to write: the statuses to walk through, in order, and what goes with the last one."""

    statuses: tuple[str, ...]
    """Wire strings; empty when the status stays."""
    message: str = ""
    """What the instance does now, for its status line."""
    stage: str | None = None
    """The stage that is entered anew: its clock and attempts begin. None: none is."""
    due_at: datetime | None = None
    """When somebody must look again; None when it rests."""
    attempt: int = 0
    """Attempts spent in the stage so far."""
    line: str = ""
    """What happened, for the log; empty: the message says it."""
    is_work: bool = False
    """The stage's step runs next; everything else is done by writing this down."""
    is_endpoint_away: bool = False
    """The deadline moves by as long as the pause lasts."""


def pending(stage: str) -> str:
    """Return the wire string of *stage* waiting to begin."""
    return StageStatus(stage, Phase.PENDING).wire


def running(stage: str) -> str:
    """Return the wire string of *stage* being worked on."""
    return StageStatus(stage, Phase.RUNNING).wire


def failed(stage: str) -> str:
    """Return the wire string of *stage* having failed for good."""
    return StageStatus(stage, Phase.FAILED).wire


def deadline(stage: Stage, since: datetime) -> datetime:
    """Return when an instance that entered *stage* at *since* must have left it."""
    return since + stage.limit


def enter(stage: str, now: datetime, *via: str, message: str = "", line: str = "") -> Change:
    """Return the change that begins *stage*, due at once, after walking through *via*."""
    status = message or STAGES[stage].label
    return Change((*via, pending(stage)), status, stage, due_at=now, line=line)


@dataclass(frozen=True)
class Position:
    """Where an instance stands when an outcome arrives."""

    stage: Stage
    status: str
    """The status it was claimed from."""
    attempt: int
    deadline: datetime
    wanted: Wish | None
    crossroads: Crossroads
    unreachable_since: datetime | None = None
    """When an endpoint that answers others began to fail this instance."""


def settle(at: Position, outcome: Outcome | Unreachable, now: datetime) -> Change:
    """Return what *outcome* means for an instance that stands *at* a stage.

    A removal that was asked for is obeyed before anything else, whatever the outcome was; another
    wish where the instance comes to rest, because it would not be allowed any earlier.
    """
    if at.wanted is not None and _interrupts(at.stage, at.wanted):
        via = (_completed(at.stage),) if isinstance(outcome, Done) else ()
        return enter(WISHES[at.wanted], now, *via, message=f"{at.wanted} was asked for")
    change = _meaning(at, outcome, now)
    last = change.statuses[-1] if change.statuses else at.status
    if at.wanted is not None and last in STABLE and _allows(last, at.wanted):
        message = f"{at.wanted} was asked for"
        return enter(WISHES[at.wanted], now, *change.statuses, message=message)
    return change


def _meaning(at: Position, outcome: Outcome | Unreachable, now: datetime) -> Change:
    """Return what *outcome* means when nobody wishes for anything."""
    match outcome:
        case Done():
            return _follow(at, outcome.note, now)
        case Unreachable():
            return _wait_for_endpoint(at, outcome, now)
        case Waiting():
            if now >= at.deadline:
                return _give_up(at, f"{at.stage.label}: {_overdue(at.stage)}")
            return Change((), outcome.note, due_at=min(outcome.until, at.deadline))
        case Failed():
            return _fail(at, outcome, now)


def _wait_for_endpoint(at: Position, outcome: Unreachable, now: datetime) -> Change:
    """Spend no attempt; the longer it lasts for this instance alone, the longer the pause."""
    lasted = now - at.unreachable_since if at.unreachable_since else timedelta()
    if lasted > LONGEST_OUTAGE:
        return _give_up(at, f"{outcome.reason} (for more than a day)")
    due_at = max(outcome.until, now + min(lasted / 4, BACK_OFF[-1]))
    return Change(
        _back(at), outcome.reason, due_at=due_at, attempt=at.attempt - 1, is_endpoint_away=True
    )


def _interrupts(stage: Stage, wanted: Wish) -> bool:
    """Whether the wish may end *stage* early, and is not what the stage is about."""
    is_another = stage.kind is not STAGES[WISHES[wanted]].kind
    return is_another and _allows(running(stage.name), wanted)


def _completed(stage: Stage) -> str:
    return StageStatus(stage.name, Phase.COMPLETED).wire


def _follow(at: Position, note: str, now: datetime) -> Change:
    then = at.stage.then(at.crossroads) if callable(at.stage.then) else at.stage.then
    via = (_completed(at.stage),) if at.stage.has_completed else ()
    line = note or f"{at.stage.label}: done"
    if isinstance(then, Resting):
        return Change((*via, then.value), f"{at.stage.label}: done", line=line)
    return enter(then, now, *via, line=line)


def _back(at: Position) -> tuple[str, ...]:
    """Return to pending, unless a remote system is already at work on this stage."""
    return () if at.status == running(at.stage.name) else (pending(at.stage.name),)


def _overdue(stage: Stage) -> str:
    minutes = int(stage.limit.total_seconds() // 60)
    return f"not finished after {minutes} minutes"


def _give_up(at: Position, reason: str) -> Change:
    return Change((failed(at.stage.name),), reason, attempt=at.attempt)


def _fail(at: Position, outcome: Failed, now: datetime) -> Change:
    if outcome.is_final:
        return _give_up(at, outcome.reason)
    # A stage that looks for days takes a denial for one look: it may be a restart of Keycloak.
    sooner = outcome.attempts if at.stage.back_off is None else None
    if at.attempt >= min(at.stage.attempts, sooner or at.stage.attempts):
        said = at.stage.when_spent if at.attempt >= at.stage.attempts else GAVE_UP
        return _give_up(at, said.format(reason=outcome.reason, attempts=at.attempt))
    pauses = at.stage.back_off or BACK_OFF
    pause = pauses[min(at.attempt, len(pauses)) - 1]
    if now + pause >= at.deadline:
        return _give_up(at, f"{outcome.reason} ({_overdue(at.stage)})")
    return Change(_back(at), outcome.reason, due_at=now + pause, attempt=at.attempt)


def begin(status: str, attempt: int, most: int | None = None) -> Change:
    """Return the change that puts a pending, polled or abandoned stage to work.

    *attempt* counts those already spent. The new one is counted before the step runs, so that one
    which kills its worker comes to an end too. *most*: so many instead of the stage's.
    """
    stage = stage_of(status)
    if stage is None or leg_of(status) is None:
        raise NotAllowedError(f"an instance that is {status} has nothing to do")
    if attempt >= (most or stage.attempts):
        reason = f"{stage.label}: the worker died in each of {attempt} attempts; see its run's log"
        return Change((failed(stage.name),), reason, attempt=attempt)
    word = running(stage.name)
    return Change(() if status == word else (word,), attempt=attempt + 1, is_work=True)


def wish(status: str, wanted: Wish, now: datetime) -> Change | None:
    """Return the change that obeys *wanted* now; None when the instance is already on that way.

    The caller knows that no lease is held.
    """
    stage = stage_of(status)
    goal = STAGES[WISHES[wanted]]
    if stage is not None and stage.kind is goal.kind and status not in FAILED:
        return None
    if not _allows(status, wanted):
        raise NotAllowedError(f"an instance that is {status} cannot be asked to {wanted}")
    return enter(goal.name, now, message=f"{wanted} was asked for")


def obey(status: str, wanted: Wish, now: datetime) -> Change | None:
    """Return the change that obeys *wanted* now; None while it must wait, or is under way."""
    return wish(status, wanted, now) if _allows(status, wanted) else None


def _allows(status: str, wanted: Wish) -> bool:
    meaning = STATUSES[status]
    if wanted is Wish.PURGE:
        return meaning is Resting.REMOVED or status == failed("purge")
    if wanted is Wish.UPGRADE:
        return meaning in RUNNING
    stage = stage_of(status)
    return meaning is not Resting.REMOVED and not (stage and stage.kind is Kind.PURGE)


def report(status: str, told: str, *, is_claimed: bool) -> Change | None:
    """Return the change for an app that tells its health; None when that is known.

    Health never moves an instance between its person and the pool, by whatever way round.
    """
    if status not in RUNNING:
        raise NotAllowedError(f"an instance that is {status} does not tell its health")
    other = Resting.HEALTHY_UNCLAIMED if is_claimed else Resting.HEALTHY_CLAIMED
    if told == other:
        raise ClaimedError("health may not change who an instance is for")
    return None if told == status else Change((told,), f"the app says it is {told}")


def retry(status: str, now: datetime) -> Change:
    """Return the change that takes a failed instance on from where it stood."""
    if status not in FAILED:
        raise NotAllowedError(f"only a failed instance can be retried; this one is {status}")
    stage = stage_of(status)
    assert stage is not None  # noqa: S101 - every failed status belongs to a stage
    return enter(stage.retry_at or stage.name, now, message="retried by an operator")


def call_back(status: str, running_before: str | None, attempt: int) -> Change | None:
    """Return the change that takes back a removal nobody has begun; None: it has begun, or ended.

    The caller knows that no lease is held.
    """
    if status != pending(WISHES[Wish.REMOVE]) or attempt or running_before is None:
        return None
    return Change((running_before,), "its removal was called off")


def cancel_purge(status: str, attempt: int) -> Change | None:
    """Return the change that takes back a purge nobody has begun; None: there is none."""
    if status != pending(WISHES[Wish.PURGE]) or attempt:
        return None
    return Change((Resting.REMOVED.value,), "its purge was called off")


def restore(status: str, attempt: int, now: datetime) -> Change:
    """Return the change that builds a removed instance anew, in the project that still stands."""
    if STATUSES[status] is not Resting.REMOVED and cancel_purge(status, attempt) is None:
        raise NotAllowedError(f"only a removed instance can be restored; this one is {status}")
    return enter(RESTORED_AT, now, message="restored by an operator")


def confirm_gone(status: str) -> Change:
    """Return the change that ends a purge because somebody knows that the project is gone."""
    stage, goal = stage_of(status), WISHES[Wish.PURGE]
    if stage is not None and stage.kind is Kind.PURGE:
        via = () if status == running(goal) else (running(goal),)
    elif STATUSES[status] is Resting.REMOVED:
        via = (pending(goal), running(goal))
    else:
        raise NotAllowedError(
            f"an instance that is {status} still has something in Lagoon; remove it first"
        )
    return Change((*via, Resting.REMOVED.value), "Lagoon project already deleted")
