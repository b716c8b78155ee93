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
from polydock_pipelines.db.loading import open_variable
from polydock_pipelines.db.models.offers import (
    ProductType,
    Store,
    StoreApp,
    StoreAppScript,
    Variable,
)
from polydock_pipelines.db.places import deploy_key, variable_value
from polydock_pipelines.db.vault import Vault
from polydock_pipelines.lifecycle.naming import sanitise
from polydock_pipelines.lifecycle.secret import Secret

UUID_NAMESPACE = uuid.UUID("0d6a6f4e-7f43-5c0b-9d0e-8a51d5a4c3b2")
"""Of apps that have no uuid in the catalogue; must never change."""

STORE_COLUMNS = {
    "name": "name",
    "status": "status",
    "listed_in_marketplace": "is_listed_in_marketplace",
    "lagoon.organization_id": "organization_id",
    "lagoon.deploy_target_id": "deploy_target_id",
    "lagoon.project_prefix": "project_prefix",
    "lagoon.group_name": "group_name",
    "amazee_ai_region_id": "amazee_ai_region_id",
}
"""The catalogue's names and the table's."""

APP_COLUMNS = {
    "name": "name",
    "description": "description",
    "author": "author",
    "website": "website",
    "support_email": "support_email",
    "type": "app_type",
    "git_url": "git_url",
    "branch": "branch",
    "production_environment": "production_environment",
    "auto_idle": "auto_idle",
    "status": "status",
    "available_for_trials": "is_available_for_trials",
    "pool_target": "pool_target",
    "trial.days": "trial_days",
    "naming": "naming",
    "custom_route": "custom_route",
    "mails": "mails",
}


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
            elif owners.get(wanted, where) != where:
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
        is_new = row is None
        if row is None:
            row = Store(key=entry.key, created_at=self.now, updated_at=self.now)
            self.session.add(row)
        before = len(self.diff.changes)
        fields = self._set(row, STORE_COLUMNS, _store_values(entry))
        fields += self._deploy_key(row, entry)
        self._note(is_new, "store", entry.key, fields)
        self.session.flush()
        self._variables("store", row.id, entry.key, entry.variables)
        self._touch(row, before, f"store {entry.key}")
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
        product = self._product_type(entry.product_type)
        row = self.session.scalar(
            select(StoreApp).where(StoreApp.store_id == store.id, StoreApp.key == entry.key)
        )
        is_new = row is None
        if row is None:
            identity = entry.uuid or app_uuid(store.key, entry.key)
            row = StoreApp(store_id=store.id, key=entry.key, uuid=identity, fields={})
            row.created_at = row.updated_at = self.now
            self.session.add(row)
        before = len(self.diff.changes)
        fields = self._set(row, APP_COLUMNS, _app_values(entry))
        fields += self._derived(row, entry, product)
        self._note(is_new, "app", name, fields)
        self.session.flush()
        self._scripts(row, name, entry.scripts.by_stage())
        self._variables("store_app", row.id, name, entry.variables)
        self._touch(row, before, f"app {name}")

    def _set(
        self, row: Store | StoreApp, columns: Mapping[str, str], values: Mapping[str, Plain]
    ) -> tuple[FieldChange, ...]:
        """Write what differs, so that an unchanged row is not written at all."""
        stored: dict[str, Plain] = {n: getattr(row, column) for n, column in columns.items()}
        for name, column in columns.items():
            if stored[name] != values[name]:
                setattr(row, column, values[name])
        return field_changes(stored, values)

    def _derived(
        self, row: StoreApp, entry: AppEntry, product: ProductType | None
    ) -> tuple[FieldChange, ...]:
        """Write what the table holds in another form than the catalogue."""
        old_type = self.session.get(ProductType, row.product_type_id or 0)
        old: dict[str, Plain] = {
            "environment_type": environment_type(row),
            "product_type": old_type.name if old_type else None,
        }
        new: dict[str, Plain] = {
            "environment_type": entry.environment_type,
            "product_type": product.name if product else None,
        }
        if old["environment_type"] != new["environment_type"]:
            row.is_production = entry.environment_type == "production"
        if old["product_type"] != new["product_type"]:
            row.product_type_id = product.id if product else None
        return field_changes(old, new)

    def _product_type(self, name: str | None) -> ProductType | None:
        """Return the product type of *name*, made when it is new; spelling does not make another."""
        if name is None:
            return None
        slug = sanitise(name)
        row = self.session.scalar(select(ProductType).where(ProductType.slug == slug))
        if row is None:
            row = ProductType(name=name, slug=slug)
            self.session.add(row)
            self.session.flush()
            self.diff.changes.append(CatalogChange(Action.CREATED, "product type", name))
        return row

    def _scripts(self, app: StoreApp, name: str, wanted: Mapping[str, ScriptEntry]) -> None:
        rows = self.session.scalars(
            select(StoreAppScript).where(StoreAppScript.store_app_id == app.id)
        )
        stored = {row.stage: row for row in rows}
        for stage, entry in wanted.items():
            row = stored.pop(stage, None)
            is_new = row is None
            old = _script_values(row) if row else {}
            new: dict[str, Plain] = {
                "script": entry.script,
                "service": entry.service,
                "container": entry.container,
            }
            if row is None:
                self.session.add(StoreAppScript(store_app_id=app.id, stage=stage, **new))
            elif old != new:
                row.script, row.service, row.container = (
                    entry.script,
                    entry.service,
                    entry.container,
                )
            self._note(is_new, "script", f"{name} {stage}", field_changes(old, new))
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
            is_new = row is None
            if row is None:
                row = Variable(owner_type=owner_type, owner_id=owner_id, name=entry.name)
            fields = self._variable(row, entry, is_new=is_new)
            self.session.add(row)
            self._note(is_new, "variable", f"{name} {entry.name}", fields)
        for gone, row in stored.items():
            self._remove(row, "variable", f"{name} {gone}")

    def _variable(
        self, row: Variable, entry: VariableEntry, *, is_new: bool
    ) -> tuple[FieldChange, ...]:
        """Write what differs. The values are said only when neither was a secret."""
        old_value = None if is_new else open_variable(row, self.vault)
        old: dict[str, Plain] = {"scope": (row.scope or "").lower(), "secret": row.is_secret}
        new: dict[str, Plain] = {"scope": entry.scope, "secret": entry.secret}
        fields = field_changes(old, new)
        if old_value == entry.value and not fields:
            return ()
        if old_value != entry.value:
            fields += (_value_change(row, entry, old_value),)
        row.scope, row.is_secret = entry.scope.upper(), entry.secret
        place = variable_value(row)
        row.value = self.vault.seal(place, entry.value) if entry.secret else entry.value.reveal()
        return fields

    def _note(self, is_new: bool, what: str, name: str, fields: tuple[FieldChange, ...]) -> None:
        if is_new:
            self.diff.changes.append(CatalogChange(Action.CREATED, what, name))
        elif fields:
            self.diff.changes.append(CatalogChange(Action.CHANGED, what, name, fields))

    def _remove(self, row: StoreAppScript | Variable, what: str, name: str) -> None:
        self.session.delete(row)
        self.diff.changes.append(CatalogChange(Action.REMOVED, what, name))

    def _touch(self, row: Store | StoreApp, before: int, name: str) -> None:
        """Date *row* when it or a part of it changed."""
        if len(self.diff.changes) > before:
            row.updated_at = self.now
        else:
            self.diff.unchanged.append(name)

    def _mention_others(self, stores: Sequence[StoreEntry]) -> None:
        named = {f"app {s.key}/{app.key}" for s in stores for app in s.apps}
        named |= {f"store {s.key}" for s in stores}
        rows = self.session.execute(
            select(Store.key, StoreApp.key)
            .join(StoreApp, StoreApp.store_id == Store.id, isouter=True)
            .order_by(Store.key, StoreApp.key)
        ).tuples()
        for store, app in rows:
            candidates = [f"store {store}"]
            if app is not None:
                candidates.append(f"app {store}/{app}")
            self.diff.not_in_files += [
                c for c in candidates if c not in named and c not in self.diff.not_in_files
            ]


def _value_change(row: Variable, entry: VariableEntry, old: Secret | None) -> FieldChange:
    if row.is_secret or entry.secret:
        return FieldChange("value", is_secret=True)
    return FieldChange("value", old.reveal() if old else None, entry.value.reveal())


def environment_type(row: StoreApp) -> str:
    """Return the catalogue's word for it."""
    return "production" if row.is_production else "development"


def _script_values(row: StoreAppScript) -> dict[str, Plain]:
    return {"script": row.script, "service": row.service, "container": row.container}


def _store_values(entry: StoreEntry) -> dict[str, Plain]:
    return {
        "name": entry.name,
        "status": entry.status,
        "listed_in_marketplace": entry.listed_in_marketplace,
        "lagoon.organization_id": entry.lagoon.organization_id,
        "lagoon.deploy_target_id": entry.lagoon.deploy_target_id,
        "lagoon.project_prefix": entry.lagoon.project_prefix,
        "lagoon.group_name": entry.lagoon.group_name,
        "amazee_ai_region_id": entry.amazee_ai_region_id,
    }


def _app_values(entry: AppEntry) -> dict[str, Plain]:
    simple = (name for name in APP_COLUMNS if name in AppEntry.model_fields)
    values: dict[str, Plain] = {name: getattr(entry, name) for name in simple}
    return values | {
        "trial.days": entry.trial.days if entry.trial else None,
        "naming": entry.naming.model_dump(mode="json", exclude_none=True),
        "custom_route": entry.custom_route.model_dump(mode="json") if entry.custom_route else None,
        "mails": entry.mails.model_dump(mode="json", exclude_none=True),
    }
