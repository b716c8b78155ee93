"""Builders for tests: rows that satisfy the tables, and frozen values. Functions only.

Each takes what the test cares about and fills in the rest. Row makers add to the session and flush,
so that ids are there; committing is the caller's `database.write()`.
"""

import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy.orm import Session

from polydock_pipelines.apps.registry import APP_TYPES
from polydock_pipelines.db import places
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.fields import write_field
from polydock_pipelines.db.leases import Book
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.offers import (
    FieldValue,
    ProductType,
    Store,
    StoreApp,
    StoreAppScript,
    Variable,
)
from polydock_pipelines.db.models.people import Membership, User, UserGroup
from polydock_pipelines.db.models.requests import Registration
from polydock_pipelines.db.vault import Vault
from polydock_pipelines.lifecycle.instance import (
    AdminLogin,
    AppSettings,
    EnvVariable,
    Instance,
    Person,
    Scope,
    Script,
    Target,
)
from polydock_pipelines.lifecycle.outcome import Facts
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.lifecycle.table import LIFECYCLE, UNSTABLE, stage_of
from polydock_pipelines.lifecycle.transitions import deadline, pending
from tests.fakes.clock import START

NEW = pending(LIFECYCLE[0].name)
TEST_KEY = urlsafe_b64encode(b"a key for tests of 32 bytes long").decode()
VAULT = Vault([TEST_KEY])
"""The vault of every test database; a test of keys makes its own."""
UUID = "6f1c52b0-6f0e-4c8a-9a53-0c1d4f5a7e10"
GIT_URL = "git@git.example.com:trials/app.git"

_numbers = count(1)


def _merged(defaults: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {**defaults, **changes}


# -- rows


def make_store(session: Session, *, deploy_key: str | None = None, **changes: Any) -> Store:
    """Add a store; *deploy_key* is clear text and gets sealed."""
    number = next(_numbers)
    defaults = {
        "key": f"store-{number}",
        "name": f"Store {number}",
        "status": "public",
        "organization_id": 7,
        "deploy_target_id": 1,
        "project_prefix": "trial",
        "group_name": "trial-operators",
        "created_at": START,
        "updated_at": START,
    }
    store = Store(**_merged(defaults, changes))
    if deploy_key is not None:
        store.deploy_key = VAULT.seal(places.deploy_key(store), Secret(deploy_key))
    session.add(store)
    session.flush()
    return store


def make_product_type(session: Session, slug: str = "cms") -> ProductType:
    """Add a product type."""
    row = ProductType(name=slug.upper(), slug=slug)
    session.add(row)
    session.flush()
    return row


def make_store_app(
    session: Session,
    store: Store | None = None,
    *,
    scripts: Mapping[str, str | Script] | None = None,
    **changes: Any,
) -> StoreApp:
    """Add an app, in a new store unless one is given; *scripts* by stage."""
    number = next(_numbers)
    defaults = {
        "uuid": str(uuid.uuid4()),
        "store_id": (store or make_store(session)).id,
        "key": f"app-{number}",
        "name": f"App {number}",
        "app_type": "polydock-app",
        "git_url": GIT_URL,
        "is_available_for_trials": True,
        "trial_days": 14,
        "created_at": START,
        "updated_at": START,
    }
    app = StoreApp(**_merged(defaults, changes))
    session.add(app)
    session.flush()
    for stage, given in (scripts or {}).items():
        script = given if isinstance(given, Script) else Script(given)
        session.add(
            StoreAppScript(
                store_app_id=app.id,
                stage=stage,
                script=script.text,
                service=script.service,
                container=script.container,
            )
        )
    session.flush()
    return app


def make_fields(session: Session, app: StoreApp, fields: Mapping[str, str]) -> None:
    """Fill fields that the app's type declares, which says which of them are secret."""
    declared = {one.name: one for one in APP_TYPES[app.app_type].store_fields}
    for name, value in fields.items():
        row = FieldValue(owner_type="store_app", owner_id=app.id, name=name)
        write_field(row, Secret(value) if declared[name].is_secret else value, VAULT)
        session.add(row)
    session.flush()


def make_user(session: Session, email: str | None = None, **changes: Any) -> User:
    """Add a user."""
    defaults = {
        "email": email or f"person{next(_numbers)}@example.com",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "created_at": START,
    }
    user = User(**_merged(defaults, changes))
    session.add(user)
    session.flush()
    return user


def make_group(session: Session, *owners: User, **changes: Any) -> UserGroup:
    """Add a group, owned by *owners*."""
    number = next(_numbers)
    defaults = {"name": f"Group {number}", "slug": f"group-{number}", "created_at": START}
    group = UserGroup(**_merged(defaults, changes))
    session.add(group)
    session.flush()
    for user in owners:
        session.add(Membership(group_id=group.id, user_id=user.id, role="owner", created_at=START))
    session.flush()
    return group


def make_instance_row(
    session: Session,
    app: StoreApp | None = None,
    *,
    status: str = NEW,
    now: datetime = START,
    group: UserGroup | None = None,
    password: str = "Generated4Tests",  # noqa: S107 - made up
    login_url: str | None = None,
    **changes: Any,
) -> AppInstance:
    """Add an instance in *status* since *now*, due at once unless the status rests.

    Without a *group* it is one of the pool. *password* and *login_url* are clear text.
    """
    offer = app or make_store_app(session)
    store = session.get_one(Store, offer.store_id)
    defaults = {
        "uuid": str(uuid.uuid4()),
        "name": f"trial-test-{next(_numbers)}",
        "store_app_id": offer.id,
        "user_group_id": group.id if group else None,
        "app_type": offer.app_type,
        "status": status,
        "stage_since": now,
        **_due(status, now),
        "priority": 0 if group else 1,
        "git_url": offer.git_url,
        "branch": offer.branch,
        "production_environment": offer.production_environment,
        "auto_idle": offer.auto_idle,
        "organization_id": store.organization_id,
        "deploy_target_id": store.deploy_target_id,
        "group_name": store.group_name,
        "admin_username": "demo4711",
        "is_trial": group is not None,
        "created_at": now,
        "updated_at": now,
    }
    row = AppInstance(**_merged(defaults, changes))
    row.admin_password = VAULT.seal(places.admin_password(row), Secret(password))
    if login_url is not None:
        row.login_url = VAULT.seal(places.login_url(row), Secret(login_url))
    session.add(row)
    session.flush()
    return row


def make_trial(
    session: Session,
    app: StoreApp | None = None,
    *,
    days: float = 14,
    since: datetime = START,
    owner: str | None = "ada@example.com",
    **changes: Any,
) -> AppInstance:
    """Add a trial that was claimed *since* and ends *days* later, its reminders not reckoned."""
    owners = (make_user(session, f"{next(_numbers)}-{owner}"),) if owner else ()
    defaults: dict[str, Any] = {
        "status": "running-healthy-claimed",
        "group": make_group(session, *owners),
        "claimed_at": since,
        "trial_started_at": since,
        "trial_ends_at": since + timedelta(days=days),
    }
    return make_instance_row(session, app, **_merged(defaults, changes))


def _due(status: str, now: datetime) -> dict[str, datetime]:
    stage = stage_of(status)
    if stage is None or status not in UNSTABLE:
        return {}
    return {"next_check_at": now, "deadline": deadline(stage, now)}


def make_registration(
    session: Session, row: AppInstance | None = None, **changes: Any
) -> Registration:
    """Add a signup that is being processed; *row* is the instance it led to."""
    defaults = {
        "uuid": str(uuid.uuid4()),
        "type": "REQUEST_TRIAL",
        "status": "processing",
        "email": "ada@example.com",
        "instance_id": row.id if row else None,
        "store_app_id": row.store_app_id if row else None,
        "user_group_id": row.user_group_id if row else None,
        "created_at": START,
        "updated_at": START,
    }
    registration = Registration(**_merged(defaults, changes))
    session.add(registration)
    session.flush()
    return registration


def make_variable(
    session: Session,
    owner: Store | StoreApp | AppInstance,
    name: str,
    value: str,
    *,
    is_secret: bool = False,
    scope: Scope = Scope.GLOBAL,
) -> Variable:
    """Add a variable of a store, an app or an instance; *value* is clear text."""
    kinds = {Store: "store", StoreApp: "store_app", AppInstance: "app_instance"}
    row = Variable(
        owner_type=kinds[type(owner)],
        owner_id=owner.id,
        name=name,
        scope=scope.value,
        value=value,
        is_secret=is_secret,
    )
    if is_secret:
        row.value = VAULT.seal(places.variable_value(row), Secret(value))
    session.add(row)
    session.flush()
    return row


def new_instance(database: Database, app: StoreApp | None = None, **changes: Any) -> int:
    """Add an instance in a transaction of its own and return its id."""
    with database.write() as session:
        return make_instance_row(session, app, **changes).id


def instance_row(database: Database, instance_id: int) -> AppInstance:
    """Return the row as it is now, detached."""
    with database.read() as session:
        return session.get_one(AppInstance, instance_id)


def change_row(database: Database, instance_id: int, **changes: Any) -> None:
    """Set columns of an instance, past every rule: a test arranges what it needs."""
    with database.write() as session:
        row = session.get_one(AppInstance, instance_id)
        for name, value in changes.items():
            setattr(row, name, value)


def a_book(database: Database, **changes: Any) -> Book:
    """Return the book that leases take."""
    return Book(database, public_url="https://polydock.example.com", **changes)


# -- frozen values


def a_target(**changes: Any) -> Target:
    """Return where an instance lives."""
    target = Target(
        git_url=GIT_URL,
        branch="main",
        production_environment="main",
        deploy_target_id=1,
        organization_id=7,
        group_name="trial-operators",
    )
    return replace(target, **changes)


def an_app(**changes: Any) -> AppSettings:
    """Return what the catalogue says; `scripts` may hold plain strings."""
    scripts: Mapping[str, str | Script] = changes.pop("scripts", {})
    made = {k: s if isinstance(s, Script) else Script(s) for k, s in scripts.items()}
    return replace(AppSettings(name="Demo CMS", product_type="cms", scripts=made), **changes)


def a_person(**changes: Any) -> Person:
    """Return somebody who asked for a trial."""
    return replace(Person("ada@example.com", "Ada", "Lovelace", "Engines Ltd"), **changes)


def an_instance(**changes: Any) -> Instance:
    """Return an instance as a step sees it: `create`, first attempt, an hour to go."""
    instance = Instance(
        id=1,
        uuid=UUID,
        name="trial-calm-otter-a1b2c3d4",
        app_type="polydock-app",
        stage="create",
        attempt=1,
        generation=1,
        deadline=START + timedelta(hours=1),
        target=a_target(),
        app=an_app(),
        admin=AdminLogin("demo4711", Secret("Generated4Tests")),
        person=a_person(),
        facts=Facts(lagoon_project_id=1),
    )
    return replace(instance, **changes)


def a_variable(name: str, value: str = "1", scope: Scope = Scope.GLOBAL) -> EnvVariable:
    """Return one Lagoon variable."""
    return EnvVariable(name, Secret(value), scope)
