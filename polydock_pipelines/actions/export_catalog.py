"""The catalogue that the database holds, as a document that `apply_catalog` takes back."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from polydock_pipelines.catalog.columns import APP_COLUMNS, SCRIPT_COLUMNS, STORE_COLUMNS
from polydock_pipelines.catalog.diff import Plain
from polydock_pipelines.catalog.references import deploy_key_name, field_env_name, variable_env_name
from polydock_pipelines.catalog.shapes import SCRIPT_STAGES
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.offers import (
    FieldValue,
    ProductType,
    Store,
    StoreApp,
    StoreAppScript,
    Variable,
)

SCRIPT_WORDS = {stage: word for word, stage in SCRIPT_STAGES.items()}


def export_catalog(db: Database) -> dict[str, Plain]:
    """Return all stores and apps in the shape of a catalogue file; secrets as `${NAME}`."""
    with db.read() as session:
        return {"stores": _Export(session).stores()}


class _Export:
    """One export: the tables, read once, by what they belong to."""

    def __init__(self, session: Session) -> None:
        self._stores = session.scalars(select(Store).order_by(Store.key)).all()
        self._products = {row.id: row.name for row in session.scalars(select(ProductType))}
        self._apps = defaultdict[int, list[StoreApp]](list)
        for app in session.scalars(select(StoreApp).order_by(StoreApp.id)):
            self._apps[app.store_id].append(app)
        self._scripts = defaultdict[int, list[StoreAppScript]](list)
        for script in session.scalars(select(StoreAppScript)):
            self._scripts[script.store_app_id].append(script)
        self._variables = defaultdict[tuple[str, int], list[Variable]](list)
        for variable in session.scalars(select(Variable).order_by(Variable.id)):
            self._variables[variable.owner_type, variable.owner_id].append(variable)

        self._fields = defaultdict[int, list[FieldValue]](list)
        chosen = select(FieldValue).where(FieldValue.owner_type == "store_app")
        for field in session.scalars(chosen.order_by(FieldValue.id)):
            self._fields[field.owner_id].append(field)

    def stores(self) -> list[Plain]:
        """Return the stores, by key."""
        return [self._store(row) for row in self._stores]

    def _store(self, row: Store) -> dict[str, Plain]:
        values = _read(row, STORE_COLUMNS)
        if row.deploy_key:
            values["lagoon.deploy_key"] = f"${{{deploy_key_name(row.key)}}}"
        variables = self._variables["store", row.id]
        return {
            "key": row.key,
            **_nested(values),
            **_unless_empty("variables", [_variable(v, row.key, None) for v in variables]),
            **_unless_empty("apps", [self._app(row, app) for app in self._apps[row.id]]),
        }

    def _app(self, store: Store, row: StoreApp) -> dict[str, Plain]:
        variables = self._variables["store_app", row.id]
        values = _read(row, APP_COLUMNS) | {
            "environment_type": "production" if row.is_production else "development",
            "product_type": self._products.get(row.product_type_id or 0),
        }
        return {
            "key": row.key,
            "uuid": row.uuid,
            **_nested(values),
            **_unless_empty("fields", _fields(self._fields[row.id], store.key, row.key)),
            **_unless_empty("scripts", _scripts(self._scripts[row.id])),
            **_unless_empty("variables", [_variable(v, store.key, row.key) for v in variables]),
        }


def _read(row: Store | StoreApp | StoreAppScript, columns: Mapping[str, str]) -> dict[str, Plain]:
    return {name: getattr(row, column) for name, column in columns.items()}


def _nested(values: Mapping[str, Plain]) -> dict[str, Plain]:
    """Return *values* with dotted names as mappings, and without what is empty."""
    result: dict[str, Plain] = {}
    for name, value in values.items():
        front, dot, back = name.partition(".")
        kept = _kept(value)
        if _is_empty(kept):
            continue
        inner = result.get(front) if dot else None
        result[front] = (
            {**inner, back: kept} if isinstance(inner, Mapping) else ({back: kept} if dot else kept)
        )
    return result


def _kept(value: Plain) -> Plain:
    if not isinstance(value, Mapping):
        return value
    return {name: kept for name, one in value.items() if not _is_empty(kept := _kept(one))}


def _is_empty(value: Plain) -> bool:
    return value is None or (isinstance(value, str | Sequence | Mapping) and not value)


def _unless_empty(name: str, value: Sequence[Plain] | Mapping[str, Plain]) -> dict[str, Plain]:
    return {name: value} if value else {}


def _scripts(rows: Iterable[StoreAppScript]) -> dict[str, Plain]:
    found = {row.stage: row for row in rows}
    return {
        word: _kept(_read(found[stage], SCRIPT_COLUMNS))
        for stage, word in SCRIPT_WORDS.items()
        if stage in found
    }


def _variable(row: Variable, store: str, app: str | None) -> dict[str, Plain]:
    """Return a variable; an empty value is a value."""
    secret = f"${{{variable_env_name(store, app, row.name)}}}"
    return {
        "name": row.name,
        "value": secret if row.is_secret else row.value,
        "scope": row.scope.lower(),
        **({"secret": True} if row.is_secret else {}),
    }


def _fields(rows: Iterable[FieldValue], store: str, app: str) -> dict[str, Plain]:
    return {
        row.name: f"${{{field_env_name(store, app, row.name)}}}" if row.is_secret else row.value
        for row in rows
    }
