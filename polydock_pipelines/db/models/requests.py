"""Registrations: what people asked for, and what became of it."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from polydock_pipelines.db.models.types import BigId, Model, UtcDateTime


class Registration(Model):
    """One signup."""

    __tablename__ = "registrations"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    type: Mapped[str] = mapped_column(String(40))
    status: Mapped[str] = mapped_column(String(20), index=True)
    email: Mapped[str] = mapped_column(String(255), index=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    user_group_id: Mapped[int | None] = mapped_column(
        ForeignKey("user_groups.id", ondelete="RESTRICT")
    )
    instance_id: Mapped[int | None] = mapped_column(
        ForeignKey("app_instances.id", ondelete="RESTRICT"), unique=True
    )
    store_app_id: Mapped[int | None] = mapped_column(
        ForeignKey("store_apps.id", ondelete="RESTRICT"), index=True
    )
    request: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    """The fields we know of the request; never the whole body."""
    result_type: Mapped[str] = mapped_column(String(30), default="processing")
    message: Mapped[str] = mapped_column(Text, default="")
    message_detail: Mapped[str] = mapped_column(Text, default="")
    app_url: Mapped[str | None] = mapped_column(Text)
    """Only for simulated results; the real one is the instance's."""
    idempotency_key: Mapped[str | None] = mapped_column(String(255), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
