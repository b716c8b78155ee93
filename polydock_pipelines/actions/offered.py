"""What can be tried: for the demo, which needs some app, or one of a type."""

from dataclasses import dataclass

from sqlalchemy import case, select, text

from polydock_pipelines.apps.registry import APP_TYPES
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import TRIAL_OPEN, AppInstance
from polydock_pipelines.db.models.offers import Store, StoreApp
from polydock_pipelines.lifecycle.fields import Field
from polydock_pipelines.lifecycle.mails import MailKind, is_written


@dataclass(frozen=True)
class Offered:
    """An app that can be tried."""

    uuid: str
    name: str
    app_type: str


def first_trial(db: Database, app_type: str = "") -> Offered | None:
    """Return the first app that can be tried, of a type if one is named; public stores first."""
    chosen = (
        select(StoreApp)
        .join(Store, Store.id == StoreApp.store_id)
        .where(
            StoreApp.is_available_for_trials,
            StoreApp.status == "available",
            Store.status != "unavailable",
        )
        .order_by(case((Store.status == "public", 0), else_=1), StoreApp.id)
    )
    if app_type:
        chosen = chosen.where(StoreApp.app_type == app_type)
    with db.read() as session:
        app = session.scalar(chosen.limit(1))
        return Offered(app.uuid, app.name, app.app_type) if app else None


def shortest_trial(db: Database) -> Offered | None:
    """Return the app with the shortest trial in which each of its mails has a moment of its own."""
    chosen = (
        select(StoreApp)
        .join(Store, Store.id == StoreApp.store_id)
        .where(
            StoreApp.is_available_for_trials,
            StoreApp.status == "available",
            Store.status == "public",
            StoreApp.trial_days > 2,
        )
        .order_by(StoreApp.trial_days, StoreApp.id)
    )
    with db.read() as session:
        for app in session.scalars(chosen):
            if all(is_written(app.mails, kind) for kind in MailKind):
                return Offered(app.uuid, app.name, app.app_type)
    return None


def is_any_trial_open(db: Database) -> bool:
    """Whether a trial runs whose end a fast calendar would bring."""
    with db.read() as session:
        chosen = select(AppInstance.id).where(text(TRIAL_OPEN)).limit(1)
        return session.execute(chosen).first() is not None


def fields_of(app: Offered) -> tuple[Field, ...]:
    """Return the fields that a request for the app may fill."""
    return APP_TYPES[app.app_type].instance_fields
