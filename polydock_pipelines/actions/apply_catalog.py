"""Bring the database's stores and apps to what catalogue files say, in one transaction.

The files are the truth for the stores and apps they name: scripts and variables that they no
longer hold are taken away. What they do not name is left alone; nothing here deletes an app.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from polydock_pipelines.actions.check_mails import mail_problems
from polydock_pipelines.catalog.columns import (
    APP_COLUMNS,
    SCRIPT_COLUMNS,
    STORE_COLUMNS,
    app_values,
    script_values,
    store_values,
)
from polydock_pipelines.catalog.diff import (
    Action,
    CatalogChange,
    CatalogDiff,
    FieldChange,
    Plain,
    field_changes,
)
from polydock_pipelines.catalog.problems import CatalogError, Problem
from polydock_pipelines.catalog.reading import LoadedStore, read_catalog
from polydock_pipelines.catalog.shapes import AppEntry, ScriptEntry, StoreEntry, VariableEntry
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.fields import write_field
from polydock_pipelines.db.loading import open_field, open_variable
from polydock_pipelines.db.models.offers import (
    FieldValue,
    ProductType,
    Store,
    StoreApp,
    StoreAppScript,
    Variable,
)
from polydock_pipelines.db.models.types import Model
from polydock_pipelines.db.places import deploy_key, variable_value
from polydock_pipelines.db.vault import Vault
from polydock_pipelines.lifecycle.naming import sanitise
from polydock_pipelines.lifecycle.secret import Secret

UUID_NAMESPACE = uuid.UUID("0d6a6f4e-7f43-5c0b-9d0e-8a51d5a4c3b2")
"""Of apps that have no uuid in the catalogue; must never change."""


def app_uuid(store_key: str, app_key: str) -> str:
    """Return the uuid of an app whose entry has none: the same for each apply and machine."""
    return str(uuid.uuid5(UUID_NAMESPACE, f"{store_key}/{app_key}"))


def apply_catalog(
    db: Database,
    files: Sequence[Path],
    now: datetime,
    env: Mapping[str, str],
    *,
    dry_run: bool = False,
) -> CatalogDiff:
    """Write what *files* say and return what that changed; with *dry_run* write nothing.

    *env* resolves the `${NAME}` of secrets. CatalogError, with nothing written, when any file is
    wrong; VaultError when a stored secret cannot be opened.
    """
    stores = read_catalog(files, env)
    if problems := mail_problems(stores):
        raise CatalogError(problems)
    with db.write() as session:
        _one_at_a_time(session)
        _refuse_foreign_uuids(session, stores)
        diff = _Apply(session, db.vault, now).run([loaded.entry for loaded in stores])
        if dry_run:
            session.rollback()
    return diff


def _one_at_a_time(session: Session) -> None:
    """Make a second apply wait; SQLite's writers do so anyway. Readers are not held up."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE stores IN SHARE ROW EXCLUSIVE MODE"))


def _refuse_foreign_uuids(session: Session, stores: Sequence[LoadedStore]) -> None:
    """Raise CatalogError for uuids that belong to another app, or that an app would change."""
    rows = session.execute(
        select(Store.key, StoreApp.key, StoreApp.uuid).join(Store, Store.id == StoreApp.store_id)
    ).all()
    known = {(store, app): identity for store, app, identity in rows}
    owners = {identity: (store, app) for store, app, identity in rows}
    problems: list[Problem] = []
    for loaded in stores:
        for position, app in enumerate(loaded.entry.apps):
            where = (loaded.entry.key, app.key)
            wanted = app.uuid or known.get(where) or app_uuid(*where)
            path = f"{loaded.path}.apps[{position}].uuid"
            if known.get(where, wanted) != wanted:
                reason = f"must stay {known[where]}: links and forms know the app by it"
                problems.append(Problem(loaded.file, path, reason))
            elif owners.setdefault(wanted, where) != where:
                reason = f"belongs to the app {'/'.join(owners[wanted])}; choose another"
                problems.append(Problem(loaded.file, path, reason))
    if problems:
        raise CatalogError(problems)


@dataclass
class _Apply:
    """One apply, while its transaction is open."""

    session: Session
    vault: Vault
    now: datetime
    diff: CatalogDiff = field(default_factory=CatalogDiff)

    def run(self, stores: Sequence[StoreEntry]) -> CatalogDiff:
        """Write the stores and return what changed."""
        for entry in stores:
            row = self._store(entry)
            for app in entry.apps:
                self._app(row, app)
        self._mention_others(stores)
        return self.diff

    def _store(self, entry: StoreEntry) -> Store:
        row = self.session.scalar(select(Store).where(Store.key == entry.key))
        before, is_new = len(self.diff.changes), row is None
        row = row or Store(key=entry.key, created_at=self.now, updated_at=self.now)
        fields = _write(row, STORE_COLUMNS, store_values(entry)) + self._deploy_key(row, entry)
        self._note("store", entry.key, fields, is_new=is_new)
        self._have_id(row)
        self._variables("store", row.id, entry.key, entry.variables)
        self._date(row, f"store {entry.key}", before)
        return row

    def _deploy_key(self, row: Store, entry: StoreEntry) -> tuple[FieldChange, ...]:
        wanted, place = entry.lagoon.deploy_key, deploy_key(row)
        stored = self.vault.open(place, row.deploy_key) if row.deploy_key else None
        if stored == wanted:
            return ()
        row.deploy_key = self.vault.seal(place, wanted) if wanted else None
        return (FieldChange("lagoon.deploy_key", is_secret=True),)

    def _app(self, store: Store, entry: AppEntry) -> None:
        name = f"{store.key}/{entry.key}"
        row = self.session.scalar(
            select(StoreApp).where(StoreApp.store_id == store.id, StoreApp.key == entry.key)
        )
        before, is_new = len(self.diff.changes), row is None
        row = row or self._new_app(store, entry)
        fields = _write(row, APP_COLUMNS, app_values(entry))
        fields += _write_environment_type(row, entry) + self._write_product_type(row, entry)
        self._note("app", name, fields, is_new=is_new)
        self._have_id(row)
        self._scripts(row.id, name, entry.scripts.by_stage())
        self._variables("store_app", row.id, name, entry.variables)
        self._fields(row.id, name, entry.fields)
        self._date(row, f"app {name}", before)

    def _new_app(self, store: Store, entry: AppEntry) -> StoreApp:
        return StoreApp(
            store_id=store.id,
            key=entry.key,
            uuid=entry.uuid or app_uuid(store.key, entry.key),
            created_at=self.now,
            updated_at=self.now,
        )

    def _write_product_type(self, row: StoreApp, entry: AppEntry) -> tuple[FieldChange, ...]:
        old = self.session.get(ProductType, row.product_type_id) if row.product_type_id else None
        new = self._product_type(entry.product_type) if entry.product_type else None
        if old is new:
            return ()
        row.product_type_id = new.id if new else None
        names = (old.name if old else None, new.name if new else None)
        return (FieldChange("product_type", *names),)

    def _product_type(self, name: str) -> ProductType:
        """Return the product type of *name*, new if need be; its slug decides, not its case."""
        slug = sanitise(name)
        row = self.session.scalar(select(ProductType).where(ProductType.slug == slug))
        if row is None:
            row = ProductType(name=name, slug=slug)
            self._have_id(row)
            self._note("product type", name, is_new=True)
        return row

    def _scripts(self, app_id: int, name: str, wanted: Mapping[str, ScriptEntry]) -> None:
        rows = self.session.scalars(
            select(StoreAppScript).where(StoreAppScript.store_app_id == app_id)
        )
        stored = {row.stage: row for row in rows}
        for stage, entry in wanted.items():
            row = stored.pop(stage, None)
            is_new = row is None
            row = row or StoreAppScript(store_app_id=app_id, stage=stage)
            fields = _write(row, SCRIPT_COLUMNS, script_values(entry))
            self.session.add(row)
            self._note("script", f"{name} {stage}", fields, is_new=is_new)
        for stage, row in stored.items():
            self._remove(row, "script", f"{name} {stage}")

    def _variables(
        self, owner_type: str, owner_id: int, name: str, wanted: Sequence[VariableEntry]
    ) -> None:
        rows = self.session.scalars(
            select(Variable).where(Variable.owner_type == owner_type, Variable.owner_id == owner_id)
        )
        stored = {row.name: row for row in rows}
        for entry in wanted:
            row = stored.pop(entry.name, None)
            if row is None:
                row = Variable(owner_type=owner_type, owner_id=owner_id, name=entry.name)
                self._write_variable(row, entry)
                self.session.add(row)
                self._note("variable", f"{name} {entry.name}", is_new=True)
            elif fields := _variable_changes(row, entry, open_variable(row, self.vault)):
                self._write_variable(row, entry)
                self._note("variable", f"{name} {entry.name}", fields)
        for gone, row in stored.items():
            self._remove(row, "variable", f"{name} {gone}")

    def _fields(self, app_id: int, name: str, wanted: Mapping[str, str | Secret]) -> None:
        rows = self.session.scalars(
            select(FieldValue).where(
                FieldValue.owner_type == "store_app", FieldValue.owner_id == app_id
            )
        )
        stored = {row.name: row for row in rows}
        for field_name, value in wanted.items():
            row = stored.pop(field_name, None)
            is_new = row is None
            row = row or FieldValue(owner_type="store_app", owner_id=app_id, name=field_name)
            changes = () if is_new else _field_changes(row, value, open_field(row, self.vault))
            if is_new or changes:
                write_field(row, value, self.vault)
                self.session.add(row)
            self._note("field", f"{name} {field_name}", changes, is_new=is_new)
        for gone, row in stored.items():
            self._remove(row, "field", f"{name} {gone}")

    def _write_variable(self, row: Variable, entry: VariableEntry) -> None:
        place, value = variable_value(row), entry.value
        row.scope, row.is_secret = entry.scope.upper(), entry.secret
        row.value = self.vault.seal(place, value) if entry.secret else value.reveal()

    def _have_id(self, row: Model) -> None:
        self.session.add(row)
        self.session.flush()

    def _note(
        self, what: str, name: str, fields: tuple[FieldChange, ...] = (), *, is_new: bool = False
    ) -> None:
        """Keep a change for the diff; no fields of an old row: there is none."""
        if is_new:
            self.diff.changes.append(CatalogChange(Action.CREATED, what, name))
        elif fields:
            self.diff.changes.append(CatalogChange(Action.CHANGED, what, name, fields))

    def _remove(self, row: StoreAppScript | Variable | FieldValue, what: str, name: str) -> None:
        self.session.delete(row)
        self.diff.changes.append(CatalogChange(Action.REMOVED, what, name))

    def _date(self, row: Store | StoreApp, name: str, before: int) -> None:
        """Date *row* when it or a part of it changed; an unchanged row is not written."""
        if len(self.diff.changes) > before:
            row.updated_at = self.now
        else:
            self.diff.unchanged.append(name)

    def _mention_others(self, stores: Sequence[StoreEntry]) -> None:
        named = {s.key for s in stores} | {f"{s.key}/{app.key}" for s in stores for app in s.apps}
        keys = self.session.scalars(select(Store.key).order_by(Store.key))
        self.diff.not_in_files += [f"store {key}" for key in keys if key not in named]
        apps = self.session.execute(
            select(Store.key, StoreApp.key)
            .join(StoreApp, StoreApp.store_id == Store.id)
            .order_by(Store.key, StoreApp.key)
        )
        found = [f"{store}/{app}" for store, app in apps]
        self.diff.not_in_files += [f"app {name}" for name in found if name not in named]


def _write(
    row: Store | StoreApp | StoreAppScript, columns: Mapping[str, str], wanted: Mapping[str, Plain]
) -> tuple[FieldChange, ...]:
    """Write what differs and return it, by the catalogue's names."""
    stored: dict[str, Plain] = {name: getattr(row, column) for name, column in columns.items()}
    for name, column in columns.items():
        if stored[name] != wanted[name]:
            setattr(row, column, wanted[name])
    return field_changes(stored, wanted)


def _write_environment_type(row: StoreApp, entry: AppEntry) -> tuple[FieldChange, ...]:
    old = "production" if row.is_production else "development"
    row.is_production = entry.environment_type == "production"
    return field_changes({"environment_type": old}, {"environment_type": entry.environment_type})


def _variable_changes(
    row: Variable, entry: VariableEntry, value: Secret
) -> tuple[FieldChange, ...]:
    """Return what differs from the stored row; values only when neither is a secret."""
    fields = field_changes(
        {"scope": row.scope.lower(), "secret": row.is_secret},
        {"scope": entry.scope, "secret": entry.secret},
    )
    if value == entry.value:
        return fields
    if row.is_secret or entry.secret:
        return (*fields, FieldChange("value", is_secret=True))
    return (*fields, FieldChange("value", value.reveal(), entry.value.reveal()))


def _field_changes(
    row: FieldValue, wanted: str | Secret, stored: Secret
) -> tuple[FieldChange, ...]:
    """Return what differs from the stored field; values only when neither is a secret."""
    is_secret = isinstance(wanted, Secret)
    value = wanted.reveal() if isinstance(wanted, Secret) else wanted
    if (row.is_secret, stored.reveal()) == (is_secret, value):
        return ()
    if row.is_secret or is_secret:
        return (FieldChange("value", is_secret=True),)
    return (FieldChange("value", stored.reveal(), value),)
