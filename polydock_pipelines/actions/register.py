"""Take a registration: one transaction from the request to the allocated instance.

Nothing can run ahead of it: link, user, group, address and trial flag are there before anybody
sees that something is due.
"""

import json
import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from polydock_pipelines.actions.allocate import Request, allocate
from polydock_pipelines.actions.people import find_or_make_user, own_group
from polydock_pipelines.apps.registry import APP_TYPES
from polydock_pipelines.db.arrivals import (
    CREATING,
    FAILED_DETAIL,
    FAILED_MESSAGE,
    end_registration,
)
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.offers import Store, StoreApp
from polydock_pipelines.db.models.requests import Registration
from polydock_pipelines.db.vault import Vault
from polydock_pipelines.lifecycle.fields import taken

TRIES = 5
"""Two signups of one new address at once: the unique address lets one wait and see the other's."""

FIELDS_MARK = "fields_mark"
"""Tells whether a repeated request says the same in its fields, without keeping what they say."""
AUP_DETAIL = "You must accept the AUP and Privacy Policy to proceed"
UNAVAILABLE_DETAIL = "The requested trial is not available"
ASKED_TO_FAIL = "Registration failed at your request"
REGISTERED = "You have been registered for a trial allocation."
UNLISTED_DETAIL = (
    "No trial runs in the region you asked for, and none was made. Your request is kept, and the "
    "team sees it."
)


class RegisterType(StrEnum):
    """What a registration asks for."""

    TEST_FAIL = "TEST_FAIL"
    REQUEST_TRIAL = "REQUEST_TRIAL"
    REQUEST_TRIAL_UNLISTED_REGION = "REQUEST_TRIAL_UNLISTED_REGION"


class Simulation(StrEnum):
    """Ways to try a form without making trials."""

    NONE = ""
    CAPTURES = "captures"
    ERROR = "error"
    ROUND_ROBIN = "round robin"


@dataclass(frozen=True)
class Signup:
    """The fields of a request that we know; everything else was left at the door."""

    register_type: RegisterType
    email: str
    first_name: str = ""
    last_name: str = ""
    trial_app: str | None = None
    """The uuid of a store app."""
    aup_and_privacy_acceptance: int = 0
    opt_in_to_product_updates: bool = False
    company_name: str = ""
    job_title: str = ""
    region: str = ""
    """What the person said of an unlisted region."""
    project_name: str = ""
    """For apps with custom naming."""
    fields: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """What was said for the app type's own fields; those that it does not know are let go."""
    is_public: bool = True
    """Whether it came from the street, and not from an operator."""


@dataclass(frozen=True)
class Registered:
    """What the caller learns."""

    uuid: str
    status: str
    is_new: bool
    """False when the idempotency key was seen before."""
    instance_uuid: str | None = None


class IdempotencyError(Exception):
    """The key was used for another request."""


def register(
    db: Database,
    signup: Signup,
    now: datetime,
    *,
    idempotency_key: str | None = None,
    simulation: Simulation = Simulation.NONE,
) -> Registered:
    """Store a registration and allocate what it asks for.

    IdempotencyError for a reused key; FieldError, with nothing stored, for a field's bad value.
    """
    for _ in range(TRIES - 1):
        try:
            return _register(db, signup, now, idempotency_key, simulation)
        except IntegrityError:
            continue
    return _register(db, signup, now, idempotency_key, simulation)


def _register(
    db: Database,
    signup: Signup,
    now: datetime,
    idempotency_key: str | None,
    simulation: Simulation,
) -> Registered:
    with db.write() as session:
        seen = _seen(session, db.vault, idempotency_key, signup)
        if seen is not None:
            return Registered(seen.uuid, seen.status, is_new=False)
        row = _new_row(session, db.vault, signup, idempotency_key, now)
        handle = SIMULATED.get(simulation) or HANDLERS[signup.register_type]
        instance_uuid = handle(db, session, row, signup, now)
        return Registered(row.uuid, row.status, is_new=True, instance_uuid=instance_uuid)


def _seen(session: Session, vault: Vault, key: str | None, signup: Signup) -> Registration | None:
    if not key:
        return None
    row = session.scalar(select(Registration).where(Registration.idempotency_key == key))
    if row is not None and not _is_same(row, vault, signup):
        raise IdempotencyError("this Idempotency-Key was used for another request")
    return row


def _is_same(row: Registration, vault: Vault, signup: Signup) -> bool:
    stored = dict(row.request)
    mark = stored.pop(FIELDS_MARK, "")
    is_marked = vault.is_token(_fields_place(signup), mark) if signup.fields else not mark
    return is_marked and stored == _told(signup)


def _told(signup: Signup) -> dict[str, Any]:
    """Return what is kept of a request in clear: the fields of its app type may be secrets."""
    kept_out = ("fields", "is_public")
    return {name: value for name, value in asdict(signup).items() if name not in kept_out}


def _fields_place(signup: Signup) -> str:
    return f"registrations.fields:{json.dumps(dict(signup.fields), sort_keys=True)}"


def _new_row(
    session: Session, vault: Vault, signup: Signup, key: str | None, now: datetime
) -> Registration:
    mark = {FIELDS_MARK: vault.token(_fields_place(signup))} if signup.fields else {}
    row = Registration(
        uuid=str(uuid.uuid4()),
        type=signup.register_type.value,
        status="pending",
        email=signup.email,
        request=_told(signup) | mark,
        message=CREATING,
        idempotency_key=key or None,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    session.flush()
    return row


def _fail(
    session: Session, row: Registration, now: datetime, message: str, detail: str = FAILED_DETAIL
) -> None:
    end_registration(session, row, "failed", ("registration_failed", message, detail), now)


def _asked_to_fail(
    _db: Database, session: Session, row: Registration, _signup: Signup, now: datetime
) -> None:
    _fail(session, row, now, ASKED_TO_FAIL, "")


def _unlisted(
    _db: Database, session: Session, row: Registration, signup: Signup, now: datetime
) -> None:
    """Keep the request and say what it is: no trial, a wish that the team can see."""
    if signup.aup_and_privacy_acceptance != 1:
        _fail(session, row, now, FAILED_MESSAGE, AUP_DETAIL)
        return
    result = ("trial_registered", REGISTERED, UNLISTED_DETAIL)
    end_registration(session, row, "success", result, now)


def _trial(
    db: Database, session: Session, row: Registration, signup: Signup, now: datetime
) -> str | None:
    app = _offered(session, signup.trial_app)
    if signup.aup_and_privacy_acceptance != 1:
        _fail(session, row, now, FAILED_MESSAGE, AUP_DETAIL)
        return None
    if app is None:
        _fail(session, row, now, FAILED_MESSAGE, UNAVAILABLE_DETAIL)
        return None
    user = find_or_make_user(session, signup.email, signup.first_name, signup.last_name, now)
    group = own_group(session, user, now)
    request = Request(
        user=user,
        group=group,
        first_name=signup.first_name,
        last_name=signup.last_name,
        company=signup.company_name,
        wanted_name=signup.project_name,
        fields=taken(
            APP_TYPES[app.app_type].instance_fields, signup.fields, is_public=signup.is_public
        ),
    )
    instance = allocate(session, db.vault, app, request, now)
    row.user_id, row.user_group_id = user.id, group.id
    row.store_app_id, row.instance_id = app.id, instance.id
    end_registration(session, row, "processing", ("processing", CREATING, ""), now)
    return instance.uuid


def _offered(session: Session, app_uuid: str | None) -> StoreApp | None:
    """Return the app if a trial of it can be had; the caller does not say why not."""
    return session.scalar(
        select(StoreApp)
        .join(Store, Store.id == StoreApp.store_id)
        .where(
            StoreApp.uuid == app_uuid,
            StoreApp.is_available_for_trials,
            StoreApp.status == "available",
            Store.status != "unavailable",
        )
    )


def _captured(
    _db: Database, session: Session, row: Registration, _signup: Signup, now: datetime
) -> None:
    end_registration(session, row, "success", ("trial_registered", REGISTERED, ""), now)


def _simulated_error(
    _db: Database, session: Session, row: Registration, _signup: Signup, now: datetime
) -> None:
    _fail(session, row, now, FAILED_MESSAGE)


def _in_turn(
    db: Database, session: Session, row: Registration, signup: Signup, now: datetime
) -> None:
    if row.id % 2 == 0:
        row.app_url = f"https://www.example.com/{secrets.token_hex(5)}"
        end_registration(
            session, row, "success", ("trial_created", "Your trial is ready.", ""), now
        )
    elif row.id % 3 == 0:
        _simulated_error(db, session, row, signup, now)
    else:
        _captured(db, session, row, signup, now)


Handler = Callable[[Database, Session, Registration, Signup, datetime], str | None]
HANDLERS: dict[RegisterType, Handler] = {
    RegisterType.TEST_FAIL: _asked_to_fail,
    RegisterType.REQUEST_TRIAL: _trial,
    RegisterType.REQUEST_TRIAL_UNLISTED_REGION: _unlisted,
}
SIMULATED: dict[Simulation, Handler] = {
    Simulation.CAPTURES: _captured,
    Simulation.ERROR: _simulated_error,
    Simulation.ROUND_ROBIN: _in_turn,
}
