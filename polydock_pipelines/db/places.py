"""The places that secrets are sealed for, and the list of all sealed columns."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from polydock_pipelines.db.models.instances import AppInstance, KeptValue
from polydock_pipelines.db.models.offers import FieldValue, Store, Variable
from polydock_pipelines.db.models.types import Model


def deploy_key(store: Store) -> str:
    """Name the place of a store's deploy key."""
    return f"stores.deploy_key:{store.key}"


def admin_password(row: AppInstance) -> str:
    """Name the place of an instance's generated password."""
    return f"app_instances.admin_password:{row.uuid}"


def login_url(row: AppInstance) -> str:
    """Name the place of an instance's one-time login URL."""
    return f"app_instances.login_url:{row.uuid}"


def health_door(uuid: str) -> str:
    """Name the place that an app reports its health to."""
    return f"app_instances.health:{uuid}"


def variable_value(row: Variable) -> str:
    """Name the place of a secret variable."""
    return f"variables.value:{row.owner_type}:{row.owner_id}:{row.name}"


def field_value(row: FieldValue) -> str:
    """Name the place of a secret field."""
    return f"field_values.value:{row.owner_type}:{row.owner_id}:{row.name}"


def kept_value(row: KeptValue) -> str:
    """Name the place of a secret that was generated or told once."""
    return f"kept_values.value:{row.instance_id}:{row.name}"


@dataclass(frozen=True)
class SealedColumn:
    """A column that holds ciphertext, for `polydock keys rotate` and for tests."""

    model: type[Model]
    column: str
    place: Callable[[Any], str]
    """From a row to its place; the row's type is the model's."""
    only_if: str | None = None
    """A boolean column that says whether this row is sealed."""


SEALED = (
    SealedColumn(Store, "deploy_key", deploy_key),
    SealedColumn(AppInstance, "admin_password", admin_password),
    SealedColumn(AppInstance, "login_url", login_url),
    SealedColumn(Variable, "value", variable_value, only_if="is_secret"),
    SealedColumn(FieldValue, "value", field_value, only_if="is_secret"),
    SealedColumn(KeptValue, "value", kept_value),
)
