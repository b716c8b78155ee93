"""What operators read of instances: the list, and the whole story of one. No secret is shown."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from polydock_pipelines.actions.operate import UnknownInstanceError
from polydock_pipelines.actions.read_mails import MailLine, Which, list_mails
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.gates import gate_of_all
from polydock_pipelines.db.leases import is_held
from polydock_pipelines.db.models.instances import (
    AppInstance,
    InstanceHolding,
    InstanceLog,
    StatusTransition,
)
from polydock_pipelines.db.models.offers import FieldValue, Store, StoreApp
from polydock_pipelines.db.models.operations import Handover
from polydock_pipelines.db.models.people import UserGroup
from polydock_pipelines.db.models.requests import Registration
from polydock_pipelines.lifecycle.table import FAILED, IN_HAND, PENDING, STAGES, stage_of


@dataclass(frozen=True)
class InstanceLine:
    """One line of the list."""

    uuid: str
    name: str
    app: str
    store: str
    status: str
    group: str | None
    since: datetime
    message: str
    app_url: str | None


@dataclass(frozen=True)
class StageTime:
    """How long an instance spent in a stage, and in how many tries."""

    stage: str
    label: str
    began_at: datetime
    seconds: float
    attempts: int
    ended: str
    """The status that ended it; empty while it lasts."""


@dataclass(frozen=True)
class LogLine:
    """One line of an instance's log."""

    at: datetime
    level: str
    stage: str | None
    attempt: int | None
    message: str
    run_id: str | None


@dataclass(frozen=True)
class HoldingLine:
    """One thing that stands outside because of an instance, or stood."""

    kind: str
    name: str
    external_id: int | None
    region_id: int | None
    budget_usd: float | None
    returned_at: datetime | None
    owed_since: datetime | None
    problem: str


@dataclass(frozen=True)
class Story:
    """All that is known of one instance."""

    line: InstanceLine
    facts: dict[str, object]
    stages: list[StageTime]
    runs: list[str]
    transitions: list[tuple[datetime, str | None, str]]
    mails: list[MailLine] = field(default_factory=list[MailLine])
    holdings: list[HoldingLine] = field(default_factory=list[HoldingLine])
    log: list[LogLine] = field(default_factory=list[LogLine])


def list_instances(
    db: Database, *, status: str | None = None, failed_only: bool = False, limit: int = 100
) -> list[InstanceLine]:
    """Return instances, the newest first."""
    chosen = (
        select(AppInstance, StoreApp, Store, UserGroup)
        .join(StoreApp, StoreApp.id == AppInstance.store_app_id)
        .join(Store, Store.id == StoreApp.store_id)
        .outerjoin(UserGroup, UserGroup.id == AppInstance.user_group_id)
        .order_by(AppInstance.id.desc())
        .limit(limit)
    )
    if status:
        chosen = chosen.where(AppInstance.status == status)
    if failed_only:
        chosen = chosen.where(AppInstance.status.in_(FAILED))
    with db.read() as session:
        return [_line(row, app, store, group) for row, app, store, group in session.execute(chosen)]


def _line(row: AppInstance, app: StoreApp, store: Store, group: UserGroup | None) -> InstanceLine:
    return InstanceLine(
        uuid=row.uuid,
        name=row.name,
        app=app.key,
        store=store.key,
        status=row.status,
        group=group.slug if group else None,
        since=row.updated_at,
        message=row.status_message,
        app_url=row.app_url,
    )


def tell(db: Database, which: str, now: datetime, *, log_limit: int = 200) -> Story:
    """Return the story of the instance of a uuid or name. UnknownInstanceError."""
    mails = list_mails(db, Which(instance=which))[::-1]
    with db.read() as session:
        row = session.scalar(
            select(AppInstance).where(or_(AppInstance.uuid == which, AppInstance.name == which))
        )
        if row is None:
            raise UnknownInstanceError(
                f"there is no instance {which}; `polydock instances list` shows them"
            )
        app = session.get_one(StoreApp, row.store_app_id)
        store = session.get_one(Store, app.store_id)
        group = session.get(UserGroup, row.user_group_id) if row.user_group_id else None
        moves = _moves(session, row)
        runs = _runs(session, [move.handover_id for move in moves])
        return Story(
            line=_line(row, app, store, group),
            facts=_facts(session, row, now),
            stages=_stages(moves, now),
            runs=list(dict.fromkeys(runs.values())),
            transitions=[(m.created_at, m.from_status, m.to_status) for m in moves],
            mails=mails,
            holdings=_holdings(session, row),
            log=_log(session, row, runs, log_limit),
        )


def _moves(session: Session, row: AppInstance) -> Sequence[StatusTransition]:
    return session.scalars(
        select(StatusTransition)
        .where(StatusTransition.instance_id == row.id)
        .order_by(StatusTransition.id)
    ).all()


def _runs(session: Session, handover_ids: Sequence[str | None]) -> dict[str, str]:
    """Return the Dagster run of each hand-over, in order of time."""
    ids = {i for i in handover_ids if i}
    rows = session.scalars(
        select(Handover)
        .where(Handover.id.in_(ids), Handover.run_id.is_not(None))
        .order_by(Handover.created_at)
    )
    return {row.id: row.run_id for row in rows if row.run_id}


def _facts(session: Session, row: AppInstance, now: datetime) -> dict[str, object]:
    registration = session.scalar(
        select(Registration.uuid).where(Registration.instance_id == row.id)
    )
    facts: dict[str, object] = {
        "registration": registration,
        "lagoon project id": row.lagoon_project_id,
        "organization": row.organization_id,
        "branch": row.branch,
        "build": f"{row.build_name} ({row.build_status})" if row.build_name else None,
        "namespace": row.namespace,
        "amazee.ai region": row.ai_region_id,
        "one-time login valid until": row.login_valid_until,
        "generation": row.generation,
        "attempt": row.attempt or None,
        "next look": row.next_check_at,
        "deadline": row.deadline,
        "wanted": row.wanted,
        "held back": gate_of_all(session, now).why_not(session, row) or None,
        "held by a run until": row.lease_until if is_held(row, now) else None,
        "claimed": row.claimed_at,
        "trial began": row.trial_started_at,
        "midtrial mail": row.midtrial_email_at,
        "one-day-left mail": row.one_day_left_email_at,
        "trial ended" if row.trial_completed else "trial ends": row.trial_ends_at,
        "restored": f"{row.life - 1} times" if row.life > 1 else None,
        "removed": row.removed_at,
        "purge from": row.purge_eligible_at if row.purged_at is None else None,
        "purge without grace asked for": row.force_purge_requested_at,
        "purged": row.purged_at,
    }
    shown = {name: value for name, value in facts.items() if value is not None}
    return shown | _fields(session, row)


def _fields(session: Session, row: AppInstance) -> dict[str, object]:
    """Return the fields of its app type that the request filled; no secret's value."""
    rows = session.scalars(
        select(FieldValue)
        .where(FieldValue.owner_type == "app_instance", FieldValue.owner_id == row.id)
        .order_by(FieldValue.name)
    )
    return {f"field {one.name}": "(secret)" if one.is_secret else one.value for one in rows}


def _holdings(session: Session, row: AppInstance) -> list[HoldingLine]:
    rows = session.scalars(
        select(InstanceHolding)
        .where(InstanceHolding.instance_id == row.id)
        .order_by(InstanceHolding.id)
    )
    return [
        HoldingLine(
            kind=one.kind,
            name=one.name,
            external_id=one.external_id,
            region_id=one.region_id,
            budget_usd=one.budget_usd,
            returned_at=one.returned_at,
            owed_since=one.owed_since,
            problem=one.problem,
        )
        for one in rows
    ]


def _stages(moves: Sequence[StatusTransition], now: datetime) -> list[StageTime]:
    """Add up the moves of each visit to a stage; a retry begins a new line."""
    times: list[StageTime] = []
    ends = [*(later.created_at for later in moves[1:]), now]
    for move, until in zip(moves, ends, strict=False):  # no move at all: nothing to add up
        stage = stage_of(move.to_status)
        if stage is None:
            continue
        seconds = (until - move.created_at).total_seconds()
        begins = not times or times[-1].stage != stage.name or bool(times[-1].ended)
        before = None if begins else times.pop()
        over = _ending(move.to_status)
        times.append(
            StageTime(
                stage=stage.name,
                label=STAGES[stage.name].label,
                began_at=before.began_at if before else move.created_at,
                seconds=(before.seconds if before else 0.0) + (0.0 if over else seconds),
                attempts=(before.attempts if before else 0) + (move.to_status in IN_HAND),
                ended=over,
            )
        )
    return times


def _ending(status: str) -> str:
    return "" if status in PENDING | IN_HAND else status


def _log(session: Session, row: AppInstance, runs: dict[str, str], limit: int) -> list[LogLine]:
    lines = session.scalars(
        select(InstanceLog)
        .where(InstanceLog.instance_id == row.id)
        .order_by(InstanceLog.id.desc())
        .limit(limit)
    ).all()
    return [
        LogLine(
            at=line.created_at,
            level=line.level,
            stage=line.stage,
            attempt=line.attempt,
            message=line.message,
            run_id=runs.get(line.handover_id or ""),
        )
        for line in reversed(lines)
    ]
