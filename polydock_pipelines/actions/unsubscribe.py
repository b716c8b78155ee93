"""A person declines reminders, or an operator takes that back. Other mails are sent as before."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from polydock_pipelines.actions.links import Links
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.leases import Book
from polydock_pipelines.db.mails import decline, has_declined
from polydock_pipelines.db.models.mails import Email, MailOptOut


@dataclass(frozen=True)
class OptOut:
    """A person who wants no reminders, and since when."""

    recipient: str = field(repr=False)
    since: datetime


def read_choice(book: Book, token: str) -> bool | None:
    """Return whether the recipient of the mail with this link declined; None: no link of ours."""
    with book.db.read() as session:
        recipient = _recipient(book, session, token)
        return None if recipient is None else has_declined(session, recipient)


def unsubscribe(book: Book, token: str, now: datetime) -> bool:
    """Send the recipient of the mail with this link no reminders any more; safe to repeat.

    False: no link of ours.
    """
    with book.db.write() as session:
        recipient = _recipient(book, session, token)
        if recipient is not None:
            decline(session, recipient, now)
        return recipient is not None


def _recipient(book: Book, session: Session, token: str) -> str | None:
    email_id = Links(book.db.vault, book.public_url).unsubscriber(token)
    if email_id is None:
        return None
    return session.scalar(select(Email.recipient).where(Email.id == email_id))


def opt_in(db: Database, address: str) -> bool:
    """Send a person reminders again, from the next one on; False: they had not declined."""
    with db.write() as session:
        gone = session.execute(
            delete(MailOptOut)
            .where(MailOptOut.recipient == address.strip().lower())
            .returning(MailOptOut.recipient)
        )
        return gone.first() is not None


def list_opt_outs(db: Database) -> list[OptOut]:
    """Return who wants no reminders, by address."""
    with db.read() as session:
        rows = session.scalars(select(MailOptOut).order_by(MailOptOut.recipient))
        return [OptOut(row.recipient, row.created_at) for row in rows]
