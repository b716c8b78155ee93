"""The mails of an app as they would look, with an example's person, instance and dates."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.offers import Store, StoreApp
from polydock_pipelines.emails.contexts import MailContext
from polydock_pipelines.emails.examples import example
from polydock_pipelines.emails.kinds import KINDS
from polydock_pipelines.emails.themes import ThemeName
from polydock_pipelines.lifecycle.mails import MailKind, is_written


class UnknownAppError(Exception):
    """There is no app of that uuid, or of that key in that store."""


@dataclass(frozen=True)
class Preview:
    """A mail that can be rendered."""

    kind: str
    context: MailContext
    theme: ThemeName | None = None
    """The app's own; None: it has none."""
    is_sent: bool = True
    """False: this app does not send mails of the kind."""


def built_in(kinds: Iterable[str], now: datetime) -> list[Preview]:
    """Return previews of no app in particular."""
    return [Preview(kind, example(kind, now)) for kind in kinds]


def of_app(db: Database, which: str, kinds: Iterable[str], now: datetime) -> list[Preview]:
    """Return previews of the app with that uuid, or of STORE/APP. UnknownAppError."""
    with db.read() as session:
        app, store = _find(session, which)
    return [
        Preview(
            kind,
            _context(kind, app, store, now),
            app.mails.get("theme"),
            is_written(app.mails, MailKind(kind)),
        )
        for kind in kinds
    ]


def _find(session: Session, which: str) -> tuple[StoreApp, Store]:
    store, _, key = which.partition("/")
    found = session.execute(
        select(StoreApp, Store)
        .join(Store, Store.id == StoreApp.store_id)
        .where(or_(StoreApp.uuid == which, (Store.key == store) & (StoreApp.key == key)))
    ).first()
    if found is None:
        raise UnknownAppError(f"there is no app {which}; `polydock catalog export` shows them")
    return found[0], found[1]


def _context(kind: str, app: StoreApp, store: Store, now: datetime) -> MailContext:
    entry: dict[str, Any] = app.mails.get(kind) or {}
    words = (app.naming.get("prefix"), store.project_prefix, "brave-otter-6f1c")
    return replace(
        example(kind, now),
        app_name=app.name,
        instance_name="-".join(filter(None, words)),
        support_email=app.support_email,
        subject=entry.get("subject"),
        body=entry.get("body", ""),
        **_by_kind(kind, app, now),
    )


def _by_kind(kind: str, app: StoreApp, now: datetime) -> dict[str, Any]:
    """Return what of an example's context another app would have otherwise."""
    columns, changes = KINDS[kind], dict[str, Any]()
    trial = timedelta(days=app.trial_days) if app.trial_days else None
    if columns.has_credentials and app.mails.get("hide_credentials"):
        changes["credentials"] = None
    if columns.has_extension and not app.trial_extension_days:
        changes["extend_url"] = None
    if kind == "ready":
        changes["trial_ends_at"] = now + trial if trial else None
    if kind == "midtrial" and trial:
        changes["trial_ends_at"] = changes["login_expires_at"] = now + trial / 2
    return changes
