"""Removed instances, and what is known of them: for the tests of purge, restore and sweeps."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.fields import write_field
from polydock_pipelines.db.holdings import keep
from polydock_pipelines.db.leases import apply, claim
from polydock_pipelines.db.models.instances import AppInstance, InstanceLog, KeptValue
from polydock_pipelines.db.models.offers import FieldValue, StoreApp, Variable
from polydock_pipelines.lifecycle.outcome import Done, Outcome
from polydock_pipelines.lifecycle.secret import Secret
from tests.fakes.clock import START
from tests.makers import VAULT, a_book, make_fields, make_trial, make_variable

DAY = timedelta(days=1)
REMOVED_AT, ELIGIBLE_AT = START + 15 * DAY, START + 29 * DAY
CANARY = "Canary4711"
GONE = {
    "status": "removed",
    "removed_at": REMOVED_AT,
    "purge_eligible_at": ELIGIBLE_AT,
    "trial_completed": True,
    "lagoon_project_id": 42,
}


def a_removed(database: Database, **changes: Any) -> AppInstance:
    """Add a trial that was removed a day after its end; return its row."""
    with database.write() as session:
        return make_trial(session, **(GONE | changes))


def again(database: Database, row: AppInstance) -> AppInstance:
    """Return the row as it is now."""
    with database.read() as session:
        return session.get_one(AppInstance, row.id)


def give_secrets(database: Database, row: AppInstance) -> None:
    """Give an instance, and its app, a secret of every sort."""
    with database.write() as session:
        one = session.get_one(AppInstance, row.id)
        app = session.get_one(StoreApp, one.store_app_id)
        keep(session, one.id, "token", Secret(CANARY), VAULT)
        field = FieldValue(
            owner_type="app_instance", owner_id=one.id, name="openclaw_default_model"
        )
        write_field(field, Secret(CANARY), VAULT)
        session.add(field)
        make_variable(session, one, "SECRET", CANARY, is_secret=True)
        make_variable(session, app, "SECRET", CANARY, is_secret=True)
        make_fields(session, app, {})


def secrets_of(database: Database, row: AppInstance) -> dict[str, object]:
    """Return what is left of an instance's secrets, by where it is kept."""
    with database.read() as session:
        one = session.get_one(AppInstance, row.id)
        found = {
            "columns": (one.admin_password, one.login_url, one.login_valid_until),
            "kept": session.scalars(select(KeptValue.name).where(KeptValue.instance_id == one.id)),
        }
        for model in (FieldValue, Variable):
            mine = (model.owner_type == "app_instance", model.owner_id == one.id)
            found[model.__tablename__] = session.scalars(select(model.name).where(*mine))
        return {name: v if isinstance(v, tuple) else list(v) for name, v in found.items()}


def visit(
    database: Database, row: AppInstance, now: datetime, outcome: Outcome | None = None, **book: Any
) -> str | None:
    """Let a run take the instance one step further; return its status."""
    held = claim(a_book(database, **book), row.id, now)
    assert held is not None
    return apply(a_book(database, **book), held, outcome or Done(), now)


def lines(database: Database, row: AppInstance) -> list[str]:
    """Return its log, oldest first."""
    with database.read() as session:
        chosen = select(InstanceLog.message).where(InstanceLog.instance_id == row.id)
        return list(session.scalars(chosen.order_by(InstanceLog.id)))
