"""Builders for tests of mails: instances whose people get some, and rounds that send them."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from polydock_pipelines.actions.letters import Letterhead
from polydock_pipelines.actions.send_mails import Post, Sent, send_mails
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.mails import write_mail
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.mails import Email, MailOptOut
from polydock_pipelines.db.models.people import User
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle.mails import MailKind
from polydock_pipelines.ports import Clock, EndpointError
from polydock_pipelines.ports.mail import SMTP, Mail, Mailer
from tests.fakes.clock import START
from tests.fakes.mailer import FakeMailer
from tests.makers import a_book, make_group, make_instance_row, make_store_app, make_user

ALL_MAILS = {kind.value: {"enabled": True} for kind in MailKind}
"""What a catalogue says whose app sends every kind."""
SENDER = "trials@polydock.example"
ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.com"
CLAIMED = "running-healthy-claimed"


def a_post(database: Database, mailer: Mailer, clock: Clock, **changes: Any) -> Post:
    """Return what mails are sent with: no pace, no copies."""
    settings: dict[str, Any] = {
        "book": a_book(database),
        "mailer": mailer,
        "clock": clock,
        "head": Letterhead(SENDER),
        "pace": lambda: None,
    }
    return Post(**{**settings, **changes})


def send(database: Database, mailer: Mailer, clock: Clock, **changes: Any) -> Sent:
    """Send what waits."""
    return send_mails(a_post(database, mailer, clock, **changes))


def an_owned(
    database: Database,
    *owners: str,
    app: Mapping[str, Any] | None = None,
    status: str = CLAIMED,
    now: datetime = START,
    **changes: Any,
) -> int:
    """Add an instance that Ada signed up for, whose group has *owners*; return its id.

    Unless told otherwise it was claimed at *now*, for a trial of two weeks.
    """
    dates: dict[str, Any] = {}
    if status == CLAIMED:
        end = now + timedelta(days=14)
        dates = {"claimed_at": now, "trial_started_at": now, "trial_ends_at": end}
    values = {"user_email": ADA, "user_first_name": "Ada", **dates, **changes}
    with database.write() as session:
        offer = make_store_app(session, **{"mails": ALL_MAILS, **(app or {})})
        people = [_person(session, owner) for owner in owners]
        group = make_group(session, *people)
        return make_instance_row(session, offer, status=status, now=now, group=group, **values).id


def _person(session: Session, email: str) -> User:
    known = session.scalar(select(User).where(User.email == email))
    return known or make_user(session, email)


def write(
    database: Database, instance_id: int, kind: MailKind = MailKind.READY, now: datetime = START
) -> int:
    """Write a mail as a transition does; return how many rows are new."""
    with database.write() as session:
        return write_mail(session, session.get_one(AppInstance, instance_id), kind, Writing(now))


def a_waiting(
    database: Database, *owners: str, kind: MailKind = MailKind.READY, **changes: Any
) -> int:
    """Add an instance and write a mail to its *owners*; return its id."""
    instance_id = an_owned(database, *owners, **changes)
    write(database, instance_id, kind)
    return instance_id


def mails(database: Database, instance_id: int | None = None) -> list[Email]:
    """Return the rows, detached, in the order in which they were written."""
    chosen = select(Email).order_by(Email.id)
    if instance_id is not None:
        chosen = chosen.where(Email.instance_id == instance_id)
    with database.read() as session:
        return list(session.scalars(chosen))


def states(database: Database) -> dict[str, str]:
    """Return the state of each mail by its recipient, who has one only."""
    rows = mails(database)
    found = {row.recipient: row.state for row in rows}
    assert len(found) == len(rows)
    return found


def only(database: Database) -> Email:
    """Return the one mail that there is."""
    (row,) = mails(database)
    return row


def decline(database: Database, recipient: str) -> None:
    """Let a person want no reminders."""
    with database.write() as session:
        session.add(MailOptOut(recipient=recipient, created_at=START))


class Interrupted(FakeMailer):
    """A mailer under whose mail to somebody something happens, once; other mails are leased."""

    def __init__(self, at: str, act: Callable[[], object]) -> None:
        super().__init__()
        self._at, self._acts = at, iter([act])

    def take(self, mail: Mail) -> None:
        super().take(mail)
        if mail.recipient == self._at:
            for act in self._acts:
                act()


def gone() -> EndpointError:
    return EndpointError("no answer", endpoint=SMTP)
