"""How the work is done: hand-overs to runs, and events that wait to be told."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from polydock_pipelines.db.models.types import BigId, Model, UtcDateTime


class Handover(Model):
    """A chunk of instances given to one Dagster run, and the sign of life of that run."""

    __tablename__ = "handovers"
    __table_args__ = (Index("ix_handovers_open", "kind", "started_at", "created_at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    source: Mapped[str] = mapped_column(String(20))
    """Which sensor, the intake, or an operator."""
    size: Mapped[int] = mapped_column(default=0)
    run_id: Mapped[str | None] = mapped_column(String(36), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    expected_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Until then its run may still begin; moved on while Dagster has it in its queue."""
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    beat_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class OutboxEvent(Model):
    """Something that happened, written in the transaction in which it did."""

    __tablename__ = "outbox_events"
    __table_args__ = (Index("ix_outbox_events_instance", "instance_id", "sequence"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    event: Mapped[str] = mapped_column(String(60))
    instance_id: Mapped[int | None] = mapped_column(
        ForeignKey("app_instances.id", ondelete="RESTRICT")
    )
    registration_id: Mapped[int | None] = mapped_column(
        ForeignKey("registrations.id", ondelete="RESTRICT")
    )
    sequence: Mapped[int] = mapped_column(default=0)
    """Counts up within one instance."""
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    """Ids and statuses; no secret, no personal data."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
