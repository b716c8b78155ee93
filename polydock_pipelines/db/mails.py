"""Mail rows, written once, in the transaction of what they tell. `db.posting` sends them on."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.mails import Email, MailOptOut
from polydock_pipelines.db.models.offers import StoreApp
from polydock_pipelines.db.models.people import Membership, User
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle.mails import POLICIES, MailKind, is_written, occasion

WENT_OUT = ("sent", "unsure")
DECLINED = "this person wants no reminders"
REMINDERS = [kind for kind, policy in POLICIES.items() if policy.is_reminder]


@dataclass(frozen=True)
class Wanted:
    """A kind of mail that instances fell due for."""

    kind: MailKind
    at: Mapping[int, datetime]
    """When, by the calendar and the instance's id."""


def write_mail(session: Session, row: AppInstance, kind: MailKind, how: Writing) -> int:
    """Write what one instance causes now; return how many mails are new."""
    return write_mails(session, [row], Wanted(kind, {row.id: how.today}), how.now)


def write_mails(
    session: Session, rows: Sequence[AppInstance], wanted: Wanted, now: datetime
) -> int:
    """Write a row for each person who gets one; return how many are new.

    The caller has locked *rows*. What was written for the same occasion before is left as it is.
    """
    kind = wanted.kind
    apps = _mails_of_apps(session, {row.store_app_id for row in rows})
    rows = [row for row in rows if is_written(apps[row.store_app_id], kind)]
    people = _recipients(session, rows, kind)
    known = _known(session, [row.id for row in rows], kind)
    declined = _declined(session, people) if POLICIES[kind].is_reminder else set[str]()
    made = 0
    for row in rows:
        about = occasion(kind, row.life, row.trial_ends_at)
        for recipient in people[row.id]:
            if (row.id, recipient, about) in known:
                continue
            mail = _new(row, kind, recipient, about, wanted.at[row.id], now)
            if recipient in declined:
                settle(mail, "skipped", DECLINED, now)
            session.add(mail)
            made += 1
    return made


def write_again(
    session: Session, row: AppInstance, kind: MailKind, how: Writing, *, by: str, to: str = ""
) -> list[str]:
    """Write a mail once more, whatever was written before; return to whom."""
    about = f"{occasion(kind, row.life, row.trial_ends_at)}, asked {how.now:%Y-%m-%dT%H:%M:%S}"
    people = [to.strip().lower()] if to else _recipients(session, [row], kind)[row.id]
    known = {(who, what) for _, who, what in _known(session, [row.id], kind)}
    for recipient in people:
        if (recipient, about) not in known:
            mail = _new(row, kind, recipient, about, how.today, how.now)
            mail.requested_by = by
            session.add(mail)
    return people


def _new(  # noqa: PLR0917 - a row's own values
    row: AppInstance,
    kind: MailKind,
    recipient: str,
    about: str,
    wanted_at: datetime,
    now: datetime,
) -> Email:
    return Email(
        instance_id=row.id,
        kind=kind.value,
        recipient=recipient,
        occasion=about,
        state="pending",
        wanted_at=wanted_at,
        created_at=now,
        due_at=now,
        attempts=0,
        repeats=0,
        problem="",
    )


def settle(mail: Email, state: str, problem: str, now: datetime) -> None:
    """Bring a row to its end."""
    for column, value in settled_as(state, problem, now).items():
        setattr(mail, column, value)


def settled_as(state: str, problem: str, now: datetime) -> dict[str, Any]:
    """Return what the columns of a row hold that came to its end."""
    ended = dict.fromkeys(("due_at", "lease_token", "lease_until", "tried_at"))
    return {"state": state, "problem": problem, "settled_at": now, **ended}


def _mails_of_apps(session: Session, ids: Collection[int]) -> dict[int, dict[str, Any]]:
    apps = session.scalars(select(StoreApp).where(StoreApp.id.in_(ids)))
    return {app.id: app.mails for app in apps}


def _recipients(
    session: Session, rows: Sequence[AppInstance], kind: MailKind
) -> dict[int, list[str]]:
    """Return who gets it, by instance: its owners, or the person who signed up.

    A group without an owner does not swallow a mail: the person who signed up gets it.
    """
    owners: dict[int, list[str]] = {}
    if not POLICIES[kind].is_for_requester:
        owners = owners_of(session, {row.user_group_id for row in rows if row.user_group_id})
    return {
        row.id: owners.get(row.user_group_id or 0) or ([row.user_email] if row.user_email else [])
        for row in rows
    }


def owners_of(session: Session, group_ids: Collection[int]) -> dict[int, list[str]]:
    """Return the addresses of each group's owners."""
    found: dict[int, list[str]] = {}
    rows = session.execute(
        select(Membership.group_id, User.email)
        .join(User, User.id == Membership.user_id)
        .where(Membership.group_id.in_(group_ids), Membership.role == "owner")
        .order_by(User.id)
    )
    for group_id, email in rows:
        found.setdefault(group_id, []).append(email)
    return found


def _known(session: Session, ids: Collection[int], kind: MailKind) -> set[tuple[int, str, str]]:
    rows = session.execute(
        select(Email.instance_id, Email.recipient, Email.occasion).where(
            Email.instance_id.in_(ids), Email.kind == kind.value
        )
    )
    return {(instance_id, recipient, about) for instance_id, recipient, about in rows}


def _declined(session: Session, people: Mapping[int, Iterable[str]]) -> set[str]:
    addresses = {address for some in people.values() for address in some}
    chosen = select(MailOptOut.recipient).where(MailOptOut.recipient.in_(addresses))
    return set(session.scalars(chosen))


def written_in_this_life(session: Session, row: AppInstance) -> set[MailKind]:
    """Return the kinds that were written since the instance began, or began again.

    Of those that speak of one end, only what went out: what waits is not sent once that was moved.
    """
    chosen = select(Email.kind, Email.occasion, Email.state).where(Email.instance_id == row.id)
    mine = f"life {row.life}"
    return {
        MailKind(kind)
        for kind, about, state in session.execute(chosen)
        if (about == mine or about.startswith(f"{mine},"))
        and (state in WENT_OUT or not POLICIES[MailKind(kind)].is_of_one_end)
    }


def call_on(
    session: Session, row: AppInstance, kind: MailKind, why_not: str, now: datetime
) -> None:
    """Let what was called off because of *why_not* wait again, since it is true again."""
    session.execute(
        update(Email)
        .where(
            Email.instance_id == row.id,
            Email.kind == kind.value,
            Email.occasion == occasion(kind, row.life, row.trial_ends_at),
            Email.state == "skipped",
            Email.problem == why_not,
        )
        .values(state="pending", problem="", settled_at=None, due_at=now)
        .execution_options(synchronize_session=False)
    )


def call_off(
    session: Session, row: AppInstance, kinds: Collection[MailKind], why: str, now: datetime
) -> None:
    """Skip what of *kinds* waits to be sent for an instance, because it is not true any more."""
    session.execute(
        update(Email)
        .where(
            Email.instance_id == row.id,
            Email.state == "pending",
            Email.tried_at.is_(None),
            Email.kind.in_([kind.value for kind in kinds]),
        )
        .values(
            state="skipped",
            problem=why,
            settled_at=now,
            due_at=None,
            lease_token=None,
            lease_until=None,
        )
        .execution_options(synchronize_session=False)
    )


def has_declined(session: Session, recipient: str) -> bool:
    """Whether a person wants no reminders."""
    return session.get(MailOptOut, recipient) is not None


def decline(session: Session, recipient: str, now: datetime) -> None:
    """Note that a person wants no reminders, and skip those that wait to be sent to them.

    One that is written in this moment, past this look, is skipped when it is about to be sent.
    """
    if not has_declined(session, recipient):
        with suppress(IntegrityError), session.begin_nested():  # somebody else was quicker
            session.add(MailOptOut(recipient=recipient, created_at=now))
    waiting = (
        select(Email)
        .where(
            Email.recipient == recipient,
            Email.state == "pending",
            Email.tried_at.is_(None),
            Email.kind.in_([kind.value for kind in REMINDERS]),
        )
        .order_by(Email.id)
        .with_for_update()
    )
    for mail in session.scalars(waiting):
        settle(mail, "skipped", DECLINED, now)
