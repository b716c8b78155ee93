"""What operators read of mails: a list, newest first. Addresses are shown as hints."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.mails import Email
from polydock_pipelines.ports.mail import hint

STATES = ("pending", "sent", "skipped", "failed", "unsure")


@dataclass(frozen=True)
class MailLine:
    """One line of the list."""

    id: int
    instance: str
    kind: str
    to: str
    """As much of the address as a list may show."""
    state: str
    wanted_at: datetime
    """When it fell due, by the calendar."""
    next_try_at: datetime | None
    settled_at: datetime | None
    attempts: int
    repeats: int
    problem: str
    requested_by: str | None


@dataclass(frozen=True)
class Which:
    """Which mails are listed; None: all."""

    instance: str | None = None
    """A uuid or project name."""
    state: str | None = None
    kind: str | None = None


def list_mails(db: Database, which: Which, limit: int = 100) -> list[MailLine]:
    """Return mails, the newest first."""
    chosen = (
        select(Email, AppInstance.name)
        .join(AppInstance, AppInstance.id == Email.instance_id)
        .order_by(Email.id.desc())
        .limit(limit)
    )
    if which.instance is not None:
        is_it = or_(AppInstance.uuid == which.instance, AppInstance.name == which.instance)
        chosen = chosen.where(is_it)
    if which.state is not None:
        chosen = chosen.where(Email.state == which.state)
    if which.kind is not None:
        chosen = chosen.where(Email.kind == which.kind)
    with db.read() as session:
        return [_line(mail, name) for mail, name in session.execute(chosen)]


def _line(mail: Email, name: str) -> MailLine:
    return MailLine(
        id=mail.id,
        instance=name,
        kind=mail.kind,
        to=hint(mail.recipient),
        state=mail.state,
        wanted_at=mail.wanted_at,
        next_try_at=mail.due_at,
        settled_at=mail.settled_at,
        attempts=mail.attempts,
        repeats=mail.repeats,
        problem=mail.problem,
        requested_by=mail.requested_by,
    )
