"""Mail rows on their way out: leased before, marked in the air, settled after.

A row in the air whose sender died may have been delivered. It is handed over once more, with the
same Message-ID, and never again: then it is `unsure`.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, text, update
from sqlalchemy.orm import Session

from polydock_pipelines.db.brakes import of_store
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.mails import DECLINED, REMINDERS, has_declined, settle, settled_as
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.mails import WAITS, Email
from polydock_pipelines.db.models.offers import StoreApp
from polydock_pipelines.db.models.people import User
from polydock_pipelines.db.places import admin_password
from polydock_pipelines.db.trials import LEAVING, may_be_extended
from polydock_pipelines.db.vault import Vault
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle.mails import MailKind, Standing, why_not
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.lifecycle.table import FAILED, Kind, Wish, stage_of

LEASE = timedelta(minutes=10)
"""More than the longest that a server may take over one mail (clients/smtp)."""
MOST_REPEATS = 1
BACK_OFF = tuple(timedelta(minutes=m) for m in (1, 5, 15, 30, 60, 120))
"""After the first, second, … time that a server put a mail off; the last one holds."""
LONGEST_PUT_OFF = timedelta(days=2)
AFTER_DOUBT = timedelta(minutes=5)
TWICE = "its sender died twice; it may have been delivered"


@dataclass(frozen=True)
class Letter:
    """One mail that is to be handed over now, and what its words need."""

    id: int
    token: str
    kind: MailKind
    recipient: str = field(repr=False)
    first_name: str = field(repr=False)
    created_at: datetime
    attempts: int
    is_repeat: bool
    instance_uuid: str
    instance_name: str
    app_name: str
    support_email: str | None
    mails: Mapping[str, Any] = field(repr=False)
    """The app's words and switches, as the catalogue has them."""
    trial_ends_at: datetime | None
    login_valid_until: datetime | None
    """Until when its one-time login URL works; not by the calendar."""
    has_way_in: bool
    """Whether there is an address to lead the person to."""
    is_extendable: bool
    username: str = field(repr=False)
    password: Secret = field(repr=False)


@dataclass(frozen=True)
class NotSent:
    """A mail that ended without being handed over now."""

    kind: MailKind
    recipient: str = field(repr=False)
    state: str
    reason: str


def _waits(
    kinds: Collection[MailKind] | None, now: datetime, paused_stores: Sequence[str]
) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = [
        text(WAITS),  # pyright: ignore[reportAssignmentType] - a boolean in words
        Email.due_at <= now,
        or_(Email.lease_token.is_(None), Email.lease_until <= now),
    ]
    if kinds is not None:
        conditions.append(Email.kind.in_([kind.value for kind in kinds]))
    if paused_stores:
        of_instance = select(AppInstance.id).where(or_(*map(of_store, paused_stores)))
        conditions.append(Email.instance_id.not_in(of_instance))
    return and_(*conditions)


def is_any_due(
    db: Database,
    kinds: Collection[MailKind] | None,
    now: datetime,
    paused_stores: Sequence[str] = (),
) -> bool:
    """Whether a mail waits to be sent."""
    chosen = select(Email.id).where(_waits(kinds, now, paused_stores)).limit(1)
    with db.read() as session:
        return session.scalar(chosen) is not None


def lease(
    db: Database,
    kinds: Collection[MailKind] | None,
    now: datetime,
    limit: int,
    paused_stores: Sequence[str] = (),
) -> tuple[str, list[int]]:
    """Take at most *limit* mails that wait, the oldest first; return our token and their ids."""
    token = str(uuid.uuid4())
    chosen = (
        select(Email.id).where(_waits(kinds, now, paused_stores)).order_by(Email.due_at, Email.id)
    )
    with db.write() as session:
        ids = list(session.scalars(chosen.limit(limit).with_for_update(skip_locked=True)))
        session.execute(
            update(Email)
            .where(Email.id.in_(ids))
            .values(lease_token=token, lease_until=now + LEASE)
            .execution_options(synchronize_session=False)
        )
    return token, ids


def begin(
    session: Session, vault: Vault, email_id: int, token: str, how: Writing
) -> Letter | NotSent | None:
    """Put a mail that we lease into the air, unless it is not to be sent any more; None: not ours.

    VaultError when what it must say cannot be opened.
    """
    found = _mine_and_its_subject(session, email_id, token)
    if found is None:
        return None
    mail, row, app = found
    reason = why_not(MailKind(mail.kind), mail.occasion, standing(row, how.today))
    reason = reason or _declined_since(session, mail)
    is_in_doubt = mail.tried_at is not None
    if is_in_doubt and mail.repeats >= MOST_REPEATS:
        return _not_sent(mail, "unsure", TWICE, how.now)
    if reason:
        return _not_sent(mail, "skipped", reason, how.now)
    mail.repeats += is_in_doubt
    letter = _letter(session, vault, mail, row, app)
    mail.tried_at, mail.lease_until = how.now, how.now + LEASE
    return letter


def _declined_since(session: Session, mail: Email) -> str:
    """Return why a reminder is not sent to a person who declined while it was written."""
    is_asked_by_hand = mail.requested_by is not None
    if MailKind(mail.kind) not in REMINDERS or is_asked_by_hand:
        return ""
    return DECLINED if has_declined(session, mail.recipient) else ""


def _not_sent(mail: Email, state: str, reason: str, now: datetime) -> NotSent:
    settle(mail, state, reason, now)
    return NotSent(MailKind(mail.kind), mail.recipient, state, reason)


def _letter(session: Session, vault: Vault, mail: Email, row: AppInstance, app: StoreApp) -> Letter:
    sealed = row.admin_password
    return Letter(
        id=mail.id,
        token=mail.lease_token or "",
        kind=MailKind(mail.kind),
        recipient=mail.recipient,
        first_name=_first_name(session, row, mail.recipient),
        created_at=mail.created_at,
        attempts=mail.attempts,
        is_repeat=mail.repeats > 0,
        instance_uuid=row.uuid,
        instance_name=row.name,
        app_name=app.name,
        support_email=app.support_email,
        mails=app.mails,
        trial_ends_at=row.trial_ends_at,
        login_valid_until=row.login_valid_until,
        has_way_in=bool(row.login_url or row.app_url),
        is_extendable=may_be_extended(row, app),
        username=row.admin_username,
        password=vault.open(admin_password(row), sealed) if sealed else Secret(""),
    )


def _mine(session: Session, email_id: int, token: str) -> Email | None:
    return session.scalar(select(Email).where(_is_mine(email_id, token)).with_for_update())


def _mine_and_its_subject(
    session: Session, email_id: int, token: str
) -> tuple[Email, AppInstance, StoreApp] | None:
    found = session.execute(
        select(Email, AppInstance, StoreApp)
        .join(AppInstance, AppInstance.id == Email.instance_id)
        .join(StoreApp, StoreApp.id == AppInstance.store_app_id)
        .where(_is_mine(email_id, token))
        .with_for_update(of=Email)
    ).one_or_none()
    return (found[0], found[1], found[2]) if found is not None else None


def _is_mine(email_id: int, token: str) -> ColumnElement[bool]:
    return and_(Email.id == email_id, Email.lease_token == token, Email.state == "pending")


def _is_failed(status: str) -> bool:
    """Whether there is no app to speak of: what an upgrade that failed left may still run."""
    stage = stage_of(status)
    return status in FAILED and stage is not None and stage.kind is not Kind.UPGRADE


def standing(row: AppInstance, today: datetime) -> Standing:
    """Return what of an instance decides whether a mail about it may go out."""
    is_past = row.trial_ends_at is not None and row.trial_ends_at <= today
    return Standing(
        status=row.status,
        is_failed=_is_failed(row.status),
        is_leaving=row.status in LEAVING or row.wanted == Wish.REMOVE.value,
        is_claimed=row.claimed_at is not None,
        is_trial=row.is_trial,
        has_ended=row.trial_completed or is_past,
        life=row.life,
        ends_at=row.trial_ends_at,
    )


def _first_name(session: Session, row: AppInstance, recipient: str) -> str:
    if recipient == row.user_email:
        return row.user_first_name
    return session.scalar(select(User.first_name).where(User.email == recipient)) or ""


@dataclass(frozen=True)
class Result:
    """What became of a mail that was handed over."""

    id: int
    token: str
    state: str
    """sent, failed; or pending: to be tried again at *due_at*."""
    problem: str = ""
    due_at: datetime | None = None
    is_answer: bool = True
    """Whether a server said something about this mail."""
    is_doubtful: bool = False
    """Whether it may have been delivered all the same."""


def finish(session: Session, result: Result, now: datetime) -> bool:
    """Write what became of a mail; False when it is somebody else's by now."""
    if result.state != "pending":
        return _settle_mine(session, result, now)
    mail = _mine(session, result.id, result.token)
    if mail is None:
        return False
    mail.attempts += result.is_answer
    if result.is_doubtful and mail.repeats >= MOST_REPEATS:
        settle(mail, "unsure", result.problem, now)
        return True
    mail.repeats += result.is_doubtful
    mail.due_at, mail.problem = result.due_at or now, result.problem
    mail.lease_token = mail.lease_until = mail.tried_at = None
    return True


def put_off(
    session: Session, email_id: int, token: str, reason: str, now: datetime, *, pause: timedelta
) -> NotSent | None:
    """Let a mail that we lease and cannot write yet wait for *pause*; None: not ours."""
    mail = _mine(session, email_id, token)
    if mail is None:
        return None
    finish(session, Result(mail.id, token, "pending", reason, now + pause, is_answer=False), now)
    return NotSent(MailKind(mail.kind), mail.recipient, mail.state, reason)


def _settle_mine(session: Session, result: Result, now: datetime) -> bool:
    """Bring a mail to its end in one statement: of ten thousand, most are just sent."""
    settled = session.execute(
        update(Email)
        .where(_is_mine(result.id, result.token))
        .values(
            attempts=Email.attempts + int(result.is_answer),
            **settled_as(result.state, result.problem, now),
        )
        .returning(Email.id)
        .execution_options(synchronize_session=False)
    )
    return settled.first() is not None


def put_off_until(letter: Letter, now: datetime) -> datetime | None:
    """Return when a mail that was put off is tried again; None: never, it was tried long enough.

    One that is old because nobody could ask a server gets its tries all the same.
    """
    if now - letter.created_at > LONGEST_PUT_OFF and letter.attempts >= len(BACK_OFF):
        return None
    return now + BACK_OFF[min(letter.attempts, len(BACK_OFF) - 1)]


def give_back(db: Database, token: str, ids: Sequence[int]) -> None:
    """Let go of what we leased and did not begin."""
    with db.write() as session:
        session.execute(
            update(Email)
            .where(Email.id.in_(ids), Email.lease_token == token, Email.tried_at.is_(None))
            .values(lease_token=None, lease_until=None)
            .execution_options(synchronize_session=False)
        )


def counts(db: Database, since: datetime) -> dict[tuple[str, str], int]:
    """Return how many mails stand in each (kind, state): all that wait, others since *since*."""
    chosen = (
        select(Email.kind, Email.state, func.count())
        .where(or_(text(WAITS), Email.created_at >= since))
        .group_by(Email.kind, Email.state)
    )
    with db.read() as session:
        rows: Sequence[Any] = session.execute(chosen).all()
    return {(kind, state): count for kind, state, count in rows}
