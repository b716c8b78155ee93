"""Instances of store apps and their story."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from polydock_pipelines.db.models.types import BigId, Model, UtcDateTime

UNSHOWN = "has_partition AND (shown_status IS NULL OR shown_status <> status)"
"""Its arrival is not shown yet; in just these words, or the partial index is not used."""


MIDTRIAL_AHEAD = "midtrial_email_at IS NOT NULL"
ONE_DAY_LEFT_AHEAD = "one_day_left_email_at IS NOT NULL"
TRIAL_OPEN = "trial_ends_at IS NOT NULL AND NOT trial_completed"
TRIAL_OVER = "trial_completed AND removed_at IS NULL"
PURGE_AHEAD = "purge_eligible_at IS NOT NULL AND purged_at IS NULL"
"""What the clock has still to do; in just these words, or the partial indexes are not used."""

OWED = "owed_since IS NOT NULL AND returned_at IS NULL"
"""A debt; in just these words, or the partial index is not used."""


def _ahead(name: str, column: str, where: str) -> Index:
    """Return an index of those rows only for which *column* has still to come."""
    return Index(name, column, sqlite_where=text(where), postgresql_where=text(where))


class AppInstance(Model):
    """One instance: where it stands, who works on it, and what is known of it."""

    __tablename__ = "app_instances"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    """The Lagoon project."""
    label: Mapped[str | None] = mapped_column(String(255))
    store_app_id: Mapped[int] = mapped_column(
        ForeignKey("store_apps.id", ondelete="RESTRICT"), index=True
    )
    user_group_id: Mapped[int | None] = mapped_column(
        ForeignKey("user_groups.id", ondelete="RESTRICT"), index=True
    )
    """None: an instance of the pool."""
    app_type: Mapped[str] = mapped_column(String(50))

    # -- where it stands; written by db.door only
    status: Mapped[str] = mapped_column(String(40))
    status_message: Mapped[str] = mapped_column(Text, default="")
    stage_since: Mapped[datetime] = mapped_column(UtcDateTime)
    deadline: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempt: Mapped[int] = mapped_column(default=0)
    generation: Mapped[int] = mapped_column(default=1)
    next_check_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """None while it rests."""
    wanted: Mapped[str | None] = mapped_column(String(20))
    running_before: Mapped[str | None] = mapped_column(String(40))
    """The running status an upgrade left."""
    unreachable_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When Lagoon began to fail this instance alone, while it answered others."""
    waits_for: Mapped[str | None] = mapped_column(String(100))
    """The endpoint whose circuit must close before it goes on."""
    nudged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When `stuck_instances` last sent it on in this stage."""
    event_sequence: Mapped[int] = mapped_column(default=0)

    # -- who works on it
    priority: Mapped[int] = mapped_column(default=1)
    """0 for people who wait, 1 for the rest."""
    lease_token: Mapped[str | None] = mapped_column(String(36))
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    handover_id: Mapped[str | None] = mapped_column(String(36), index=True)
    handed_until: Mapped[datetime | None] = mapped_column(UtcDateTime)

    # -- where in Lagoon it lives; copied from store and app when it was made
    git_url: Mapped[str] = mapped_column(String(300))
    branch: Mapped[str] = mapped_column(String(255))
    production_environment: Mapped[str] = mapped_column(String(255))
    auto_idle: Mapped[int] = mapped_column(default=0)
    organization_id: Mapped[int]
    deploy_target_id: Mapped[int]
    group_name: Mapped[str | None] = mapped_column(String(255))
    ai_region_id: Mapped[int | None]

    # -- whom it is for
    user_email: Mapped[str] = mapped_column(String(255), default="")
    user_first_name: Mapped[str] = mapped_column(String(255), default="")
    user_last_name: Mapped[str] = mapped_column(String(255), default="")
    company_name: Mapped[str] = mapped_column(String(255), default="")
    admin_username: Mapped[str] = mapped_column(String(100))
    admin_password: Mapped[str] = mapped_column(Text)
    """Sealed."""

    # -- facts learnt on the way
    lagoon_project_id: Mapped[int | None]
    build_name: Mapped[str | None] = mapped_column(String(100))
    build_status: Mapped[str | None] = mapped_column(String(20))
    build_bulk_id: Mapped[str | None] = mapped_column(String(36))
    namespace: Mapped[str | None] = mapped_column(String(100))
    app_url: Mapped[str | None] = mapped_column(Text)
    login_url: Mapped[str | None] = mapped_column(Text)
    """Sealed."""
    login_valid_until: Mapped[datetime | None] = mapped_column(UtcDateTime)

    # -- the trial; these times are the calendar's (clock.py)
    is_trial: Mapped[bool] = mapped_column(default=False)
    claimed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    trial_started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The claim; after a restore the next one."""
    trial_ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    midtrial_email_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """What lies ahead only: None once its mail was written, skipped or is not to be."""
    one_day_left_email_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    trial_completed: Mapped[bool] = mapped_column(default=False)
    """Whether its end has come: nothing but the removal is ahead."""
    life: Mapped[int] = mapped_column(default=1)
    """How often it began: a restore begins another, with mails of its own."""
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    purge_eligible_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    force_purge_requested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When somebody asked for a purge without grace."""
    purged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When its Lagoon project was gone, and its secrets with it."""

    # -- what Dagster's asset knows of it
    has_partition: Mapped[bool] = mapped_column(default=False)
    shown_status: Mapped[str | None] = mapped_column(String(40))
    """The status of its last materialization."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        Index("ix_app_instances_due", "next_check_at", "status"),
        Index("ix_app_instances_status", "status"),
        Index("ix_app_instances_organization", "organization_id", "status"),
        Index(
            "ix_app_instances_unshown",
            "status",
            sqlite_where=text(UNSHOWN),
            postgresql_where=text(UNSHOWN),
        ),
        Index(
            "ix_app_instances_shown",
            "status",
            "shown_status",
            sqlite_where=text("has_partition"),
            postgresql_where=text("has_partition"),
        ),
        _ahead("ix_app_instances_midtrial", "midtrial_email_at", MIDTRIAL_AHEAD),
        _ahead("ix_app_instances_one_day_left", "one_day_left_email_at", ONE_DAY_LEFT_AHEAD),
        _ahead("ix_app_instances_trial_end", "trial_ends_at", TRIAL_OPEN),
        _ahead("ix_app_instances_trial_over", "trial_ends_at", TRIAL_OVER),
        _ahead("ix_app_instances_purge", "purge_eligible_at", PURGE_AHEAD),
        Index(
            "ix_app_instances_waits_for",
            "waits_for",
            sqlite_where=text("waits_for IS NOT NULL"),
            postgresql_where=text("waits_for IS NOT NULL"),
        ),
    )


class InstanceIntent(Model):
    """An effect that may have happened outside, committed before it was tried."""

    __tablename__ = "instance_intents"

    instance_id: Mapped[int] = mapped_column(
        ForeignKey("app_instances.id", ondelete="RESTRICT"), primary_key=True
    )
    effect: Mapped[str] = mapped_column(String(40), primary_key=True)
    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    """What exactly: a project's name, a bulk id."""
    intended_at: Mapped[datetime] = mapped_column(UtcDateTime)


class InstanceHolding(Model):
    """What stands outside because of an instance, or may (lifecycle/holding.py)."""

    __tablename__ = "instance_holdings"
    __table_args__ = (
        UniqueConstraint("instance_id", "kind", "name"),
        Index("ix_instance_holdings_name", "kind", "name"),
        Index(
            "ix_instance_holdings_owed",
            "instance_id",
            sqlite_where=text(OWED),
            postgresql_where=text(OWED),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    instance_id: Mapped[int] = mapped_column(ForeignKey("app_instances.id", ondelete="RESTRICT"))
    kind: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(255))
    owner: Mapped[str] = mapped_column(String(255), default="")
    external_id: Mapped[int | None] = mapped_column(BigInteger)
    region_id: Mapped[int | None]
    budget_usd: Mapped[float | None]
    meant_at: Mapped[datetime] = mapped_column(UtcDateTime)
    returned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    owed_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When a removal had to go on without giving it back."""
    tried_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When somebody last tried to settle the debt."""
    problem: Mapped[str] = mapped_column(Text, default="")
    """Why it could not be given back, the last time."""


class KeptValue(Model):
    """A secret that a step generated, or was told only once."""

    __tablename__ = "kept_values"
    __table_args__ = (UniqueConstraint("instance_id", "name"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    instance_id: Mapped[int] = mapped_column(ForeignKey("app_instances.id", ondelete="RESTRICT"))
    name: Mapped[str] = mapped_column(String(64))
    value: Mapped[str] = mapped_column(Text)
    """Sealed."""


class PushedVariable(Model):
    """A catalogue variable that Lagoon may hold for an instance because of us."""

    __tablename__ = "pushed_variables"

    instance_id: Mapped[int] = mapped_column(
        ForeignKey("app_instances.id", ondelete="RESTRICT"), primary_key=True
    )
    name: Mapped[str] = mapped_column(String(300), primary_key=True)


class StatusTransition(Model):
    """One step of an instance's story."""

    __tablename__ = "status_transitions"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    instance_id: Mapped[int] = mapped_column(
        ForeignKey("app_instances.id", ondelete="RESTRICT"), index=True
    )
    from_status: Mapped[str | None] = mapped_column(String(40))
    to_status: Mapped[str] = mapped_column(String(40))
    attempt: Mapped[int] = mapped_column(default=0)
    handover_id: Mapped[str | None] = mapped_column(String(36))
    """Leads to the Dagster run that did it."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (Index("ix_status_transitions_arrivals", "to_status", "created_at"),)


class InstanceLog(Model):
    """What happened to an instance, in sentences; no secret ever."""

    __tablename__ = "instance_logs"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    instance_id: Mapped[int] = mapped_column(
        ForeignKey("app_instances.id", ondelete="RESTRICT"), index=True
    )
    level: Mapped[str] = mapped_column(String(10))
    stage: Mapped[str | None] = mapped_column(String(40))
    attempt: Mapped[int | None]
    message: Mapped[str] = mapped_column(Text)
    handover_id: Mapped[str | None] = mapped_column(String(36))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
