"""What a registration looks like from outside. Reading changes nothing."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.offers import Store, StoreApp
from polydock_pipelines.db.models.requests import Registration
from polydock_pipelines.db.places import admin_password, login_url
from polydock_pipelines.db.vault import Vault, VaultError

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class RegistrationView:
    """The answer of `GET /api/register/{uuid}`."""

    status: str
    email: str
    result_data: dict[str, Any]
    created_at: datetime
    updated_at: datetime


def read_registration(db: Database, uuid: str, now: datetime) -> RegistrationView | None:
    """Return a registration with its result; None when there is none.

    Login and password are shown only while the one-time login URL is valid: this address needs no
    credential and is known for ever to whoever saw it once.
    """
    try:
        wanted = str(UUID(uuid))
    except ValueError:
        return None  # nor may a NUL reach Postgres
    with db.read() as session:
        row = session.scalar(select(Registration).where(Registration.uuid == wanted))
        if row is None:
            return None
        result = _result(row)
        instance = session.get(AppInstance, row.instance_id) if row.instance_id else None
        if instance is not None:
            result |= _lagoon(instance)
            if row.status == "success" and _is_fresh(instance, now):
                result |= _login(instance, db.vault)
        return RegistrationView(row.status, row.email, result, row.created_at, row.updated_at)


def _result(row: Registration) -> dict[str, Any]:
    result = {
        "result_type": row.result_type,
        "message": row.message,
        "message_detail": row.message_detail,
        "user_email_domain": row.email.rpartition("@")[2],
    }
    return result | ({"app_url": row.app_url} if row.app_url else {})


def _lagoon(instance: AppInstance) -> dict[str, Any]:
    return {
        "lagoon_project_id": instance.lagoon_project_id,
        "lagoon_project_name": instance.name,
        "lagoon_deploy_branch": instance.branch,
        "user_first_name": instance.user_first_name,
        "user_last_name": instance.user_last_name,
        "user_email": instance.user_email,
    }


def _is_fresh(instance: AppInstance, now: datetime) -> bool:
    return instance.login_valid_until is not None and now < instance.login_valid_until


def _login(instance: AppInstance, vault: Vault) -> dict[str, Any]:
    try:
        url = vault.open(login_url(instance), instance.login_url) if instance.login_url else None
        password = vault.open(admin_password(instance), instance.admin_password)
    except VaultError as error:
        # A key that is gone is the operators' trouble; the status can be told all the same.
        LOG.error("no login can be shown: %s", error)  # noqa: TRY400 - the place says it all
        return {}
    return {
        "app_url": url.reveal() if url else instance.app_url,
        "app_admin_username": instance.admin_username,
        "app_admin_password": password.reveal(),
    }


def regions(db: Database) -> list[dict[str, Any]]:
    """Return the stores that anybody may see, each with the apps that can be tried there."""
    with db.read() as session:
        return [region for store in _public(session) if (region := _region(session, store))["apps"]]


def _public(session: Session) -> list[Store]:
    listed = select(Store).where(Store.status == "public", Store.is_listed_in_marketplace)
    return list(session.scalars(listed.order_by(Store.name)))


def _region(session: Session, store: Store) -> dict[str, Any]:
    apps = session.scalars(
        select(StoreApp)
        .where(
            StoreApp.store_id == store.id,
            StoreApp.status == "available",
            StoreApp.is_available_for_trials,
        )
        .order_by(StoreApp.name)
    )
    return {
        "id": store.id,
        "label": store.name,
        "apps": [{"uuid": app.uuid, "label": app.name} for app in apps],
    }
