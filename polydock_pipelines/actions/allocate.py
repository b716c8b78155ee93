"""Allocate an instance of a store app to a person, within the caller's transaction."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from polydock_pipelines.apps.registry import APP_TYPES
from polydock_pipelines.db.door import write
from polydock_pipelines.db.fields import write_field
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.offers import FieldValue, Store, StoreApp
from polydock_pipelines.db.models.people import User, UserGroup
from polydock_pipelines.db.outbox import CREATED, tell_instance
from polydock_pipelines.db.places import admin_password
from polydock_pipelines.db.vault import Vault
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle import naming
from polydock_pipelines.lifecycle.naming import Naming
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.lifecycle.status import Resting
from polydock_pipelines.lifecycle.table import LIFECYCLE
from polydock_pipelines.lifecycle.transitions import enter

LONGEST_LOGIN = 100
FOR_PEOPLE = 0
"""The priority of an instance that somebody waits for."""


@dataclass(frozen=True)
class Request:
    """Who wants an instance, and how it is to be."""

    user: User
    group: UserGroup
    first_name: str
    last_name: str
    company: str = ""
    is_trial: bool = True
    wanted_name: str = ""
    fields: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Of the app type, as `lifecycle.fields.taken` has let them through."""


def allocate(
    session: Session, vault: Vault, app: StoreApp, request: Request, now: datetime
) -> AppInstance:
    """Make an instance for the person and put it on its way; everything it needs is set first."""
    row = _new_row(session, vault, app, request, now)
    session.add(row)
    session.flush()
    _write_fields(session, vault, row, request.fields)
    tell_instance(session, row, CREATED, None, now)
    message = f"asked for by {request.group.slug}"
    write(session, row, enter(LIFECYCLE[0].name, now, message=message), Writing(now))
    return row


def _write_fields(
    session: Session, vault: Vault, row: AppInstance, fields: Mapping[str, str]
) -> None:
    known = {one.name: one for one in APP_TYPES[row.app_type].instance_fields}
    for name, value in fields.items():
        entry = FieldValue(owner_type="app_instance", owner_id=row.id, name=name)
        write_field(entry, Secret(value) if known[name].is_secret else value, vault)
        session.add(entry)


def _new_row(
    session: Session, vault: Vault, app: StoreApp, request: Request, now: datetime
) -> AppInstance:
    store = session.get_one(Store, app.store_id)
    row = AppInstance(
        uuid=str(uuid.uuid4()),
        name=free_name(session, _naming(store, app, request), request.wanted_name),
        store_app_id=app.id,
        user_group_id=request.group.id,
        app_type=app.app_type,
        status=Resting.NEW.value,
        stage_since=now,
        priority=FOR_PEOPLE,
        user_email=request.user.email,
        user_first_name=request.first_name,
        user_last_name=request.last_name,
        company_name=request.company,
        admin_username=_administrator(app, request),
        is_trial=request.is_trial,
        event_sequence=0,
        attempt=0,
        generation=1,
        created_at=now,
        updated_at=now,
    )
    _point(row, store, app)
    row.admin_password = vault.seal(admin_password(row), naming.admin_password())
    return row


def _administrator(app: StoreApp, request: Request) -> str:
    """Return how the app's administrator is called."""
    email, is_person = request.user.email, APP_TYPES[app.app_type].is_administered_by_person
    return email if is_person and len(email) <= LONGEST_LOGIN else naming.admin_username()


def _point(row: AppInstance, store: Store, app: StoreApp) -> None:
    row.git_url, row.branch = app.git_url, app.branch
    row.production_environment, row.auto_idle = app.production_environment, app.auto_idle
    row.organization_id, row.deploy_target_id = store.organization_id, store.deploy_target_id
    row.group_name, row.ai_region_id = store.group_name, store.amazee_ai_region_id


def copy_target(session: Session, row: AppInstance) -> None:
    """Copy where in Lagoon an instance is to live from its store and app, as they are now."""
    app = session.get_one(StoreApp, row.store_app_id)
    _point(row, session.get_one(Store, app.store_id), app)


def _naming(store: Store, app: StoreApp, request: Request) -> Naming:
    app_type = APP_TYPES[app.app_type]
    return Naming(
        store_prefix=store.project_prefix,
        app_prefix=app.naming.get("prefix") or "",
        adjectives=app.naming.get("adjectives") or app_type.adjectives,
        nouns=app.naming.get("nouns") or app_type.nouns,
        is_custom=app.naming.get("mode") == "custom",
        company=request.company if app_type.is_named_after_company else "",
    )


def free_name(session: Session, rule: Naming, wanted: str) -> str:
    """Return a project name that no other instance has."""
    asked_for = naming.custom_name(rule, wanted) if rule.is_custom else ""
    name = asked_for or naming.project_name(rule)
    while session.scalar(select(AppInstance.id).where(AppInstance.name == name)) is not None:
        name = naming.variant(asked_for, rule) if asked_for else naming.project_name(rule)
    return name
