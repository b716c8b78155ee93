"""What holds work back for all processes at once: circuits, brakes, buckets."""

from datetime import datetime

from sqlalchemy import Boolean, Float, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from polydock_pipelines.db.models.types import BigId, Model, UtcDateTime


class Circuit(Model):
    """One endpoint as one credential of ours meets it; a row exists once it has been away."""

    __tablename__ = "circuits"

    endpoint: Mapped[str] = mapped_column(String(100), primary_key=True)
    """`lagoon`, `lagoon-ssh HOST:PORT`, …"""
    credential: Mapped[str] = mapped_column(String(20), primary_key=True)
    """A fingerprint; another credential meets a closed circuit."""
    opened_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """None: closed."""
    reason: Mapped[str] = mapped_column(Text, default="")
    probes: Mapped[int] = mapped_column(default=0)
    """Probes that failed since it opened."""
    probe_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the next one may be tried, by whoever moves this on first."""
    probe_by: Mapped[int | None] = mapped_column(BigId)
    """The instance that may try it; None: a sensor asks the endpoint itself."""
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Brake(Model):
    """A kind of work, everywhere or in one store, that somebody paused."""

    __tablename__ = "brakes"

    work: Mapped[str] = mapped_column(String(20), primary_key=True)
    """all, provisioning, removal, purge, emails or webhooks."""
    store: Mapped[str] = mapped_column(String(100), primary_key=True)
    """The store's key; empty: every store."""
    paused_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """None: the work goes on."""
    resumed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Since when an alarm counts anew."""
    changed_by: Mapped[str] = mapped_column(String(255))
    reason: Mapped[str] = mapped_column(Text, default="")
    is_alarm: Mapped[bool] = mapped_column(Boolean, default=False)
    """Whether nobody pulled it: too many removals did."""


class Bucket(Model):
    """A rate that all processes share."""

    __tablename__ = "buckets"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    """`lagoon-operations`, …"""
    booked_until: Mapped[datetime] = mapped_column(UtcDateTime)
    """Everything up to this moment has been given away."""
    total: Mapped[float] = mapped_column(Float, default=0)
    """Given away since it exists, for `polydock doctor`."""
