"""What is offered: stores, their apps, scripts, product types. Written by the catalogue only."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from polydock_pipelines.db.models.types import BigId, Model, UtcDateTime


class Store(Model):
    """A region of Lagoon and an organization there, in which apps are offered."""

    __tablename__ = "stores"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    key: Mapped[str] = mapped_column(String(100), unique=True)
    """The catalogue's name for it; never changes."""
    name: Mapped[str] = mapped_column(String(255))
    status: Mapped[str] = mapped_column(String(20), default="private")
    is_listed_in_marketplace: Mapped[bool] = mapped_column(default=False)
    organization_id: Mapped[int]
    deploy_target_id: Mapped[int]
    project_prefix: Mapped[str] = mapped_column(String(30))
    group_name: Mapped[str | None] = mapped_column(String(255))
    amazee_ai_region_id: Mapped[int | None]
    deploy_key: Mapped[str | None] = mapped_column(Text)
    """Sealed."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ProductType(Model):
    """A word that Lagoon's metadata carries for each project."""

    __tablename__ = "product_types"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    slug: Mapped[str] = mapped_column(String(255), unique=True)


class StoreApp(Model):
    """An application on offer in one store."""

    __tablename__ = "store_apps"
    __table_args__ = (UniqueConstraint("store_id", "key"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id", ondelete="RESTRICT"))
    key: Mapped[str] = mapped_column(String(100))
    product_type_id: Mapped[int | None] = mapped_column(
        ForeignKey("product_types.id", ondelete="RESTRICT")
    )
    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[str] = mapped_column(Text, default="")
    author: Mapped[str] = mapped_column(String(255), default="")
    website: Mapped[str | None] = mapped_column(String(255))
    support_email: Mapped[str | None] = mapped_column(String(255))
    app_type: Mapped[str] = mapped_column(String(50))
    git_url: Mapped[str] = mapped_column(String(300))
    branch: Mapped[str] = mapped_column(String(255), default="main")
    production_environment: Mapped[str] = mapped_column(String(255), default="main")
    auto_idle: Mapped[int] = mapped_column(default=0)
    is_production: Mapped[bool] = mapped_column(default=False)
    status: Mapped[str] = mapped_column(String(20), default="available")
    is_available_for_trials: Mapped[bool] = mapped_column(default=False)
    pool_target: Mapped[int] = mapped_column(default=0)
    trial_days: Mapped[int | None]
    trial_extension_days: Mapped[int | None]
    """By how much a person may extend a trial at a time; None: not at all."""
    trial_max_days: Mapped[int | None]
    """How long a trial may be made so, from the claim on; None: no limit."""
    naming: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    custom_route: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    mails: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    """Texts and switches by kind of mail, as the catalogue's shape has them."""
    ai_budget_usd: Mapped[float | None]
    """What the AI key of an instance may spend a month."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class StoreAppScript(Model):
    """What an app runs at one stage."""

    __tablename__ = "store_app_scripts"

    store_app_id: Mapped[int] = mapped_column(
        ForeignKey("store_apps.id", ondelete="RESTRICT"), primary_key=True
    )
    stage: Mapped[str] = mapped_column(String(40), primary_key=True)
    script: Mapped[str] = mapped_column(Text)
    service: Mapped[str] = mapped_column(String(255), default="cli")
    container: Mapped[str | None] = mapped_column(String(255))


class Variable(Model):
    """A Lagoon variable that a store, an app or an instance brings along; nearest wins."""

    __tablename__ = "variables"
    __table_args__ = (UniqueConstraint("owner_type", "owner_id", "name"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    owner_type: Mapped[str] = mapped_column(String(20))
    """store, store_app or app_instance."""
    owner_id: Mapped[int] = mapped_column(BigId)
    name: Mapped[str] = mapped_column(String(300))
    scope: Mapped[str] = mapped_column(String(30), default="GLOBAL")
    value: Mapped[str] = mapped_column(Text)
    """Sealed when secret."""
    is_secret: Mapped[bool] = mapped_column(default=False)


class FieldValue(Model):
    """What an app or an instance says in a field that its app type declares."""

    __tablename__ = "field_values"
    __table_args__ = (UniqueConstraint("owner_type", "owner_id", "name"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    owner_type: Mapped[str] = mapped_column(String(20))
    """store_app or app_instance."""
    owner_id: Mapped[int] = mapped_column(BigId)
    name: Mapped[str] = mapped_column(String(64))
    value: Mapped[str] = mapped_column(Text)
    """Sealed when secret."""
    is_secret: Mapped[bool] = mapped_column(default=False)
