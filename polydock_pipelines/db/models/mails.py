"""Mails: one row for each person, kind and occasion; and who wants no reminders."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from polydock_pipelines.db.models.types import BigId, Model, UtcDateTime

WAITS = "state = 'pending'"
"""It is to be sent; in just these words, or the partial index is not used."""


class Email(Model):
    """A mail to one person. It is rendered when it is sent, so that no secret of it is kept."""

    __tablename__ = "emails"
    __table_args__ = (
        UniqueConstraint("instance_id", "kind", "recipient", "occasion"),
        Index(
            "ix_emails_due", "due_at", "id", sqlite_where=text(WAITS), postgresql_where=text(WAITS)
        ),
        Index("ix_emails_created_at", "created_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    instance_id: Mapped[int] = mapped_column(ForeignKey("app_instances.id", ondelete="RESTRICT"))
    kind: Mapped[str] = mapped_column(String(20))
    recipient: Mapped[str] = mapped_column(String(255))
    occasion: Mapped[str] = mapped_column(String(80))
    """What it is about, so that it is written once: a life of the instance, an end of its trial."""
    state: Mapped[str] = mapped_column(String(10), default="pending")
    """pending, sent, failed, skipped, or unsure: it may have been delivered, and was repeated."""
    wanted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When it fell due, by the calendar."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When it is tried next; None once it is settled."""
    attempts: Mapped[int] = mapped_column(default=0)
    """How often a server was asked to take it, and answered."""
    repeats: Mapped[int] = mapped_column(default=0)
    """How often it was handed over again because nobody knows what became of it before."""
    lease_token: Mapped[str | None] = mapped_column(String(36))
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    tried_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Set before it is handed over, and cleared when the answer is written: it is in the air."""
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When it was sent, skipped or given up."""
    problem: Mapped[str] = mapped_column(Text, default="")
    """Why it was not sent, the last time."""
    requested_by: Mapped[str | None] = mapped_column(String(255))
    """Who asked for it to be sent again; None: the clock, or what happened."""


class MailOptOut(Model):
    """A person who wants no reminders."""

    __tablename__ = "mail_opt_outs"

    recipient: Mapped[str] = mapped_column(String(255), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
