"""Field values: written by the catalogue for an app, by a request for an instance."""

from polydock_pipelines.db.models.offers import FieldValue
from polydock_pipelines.db.places import field_value
from polydock_pipelines.db.vault import Vault
from polydock_pipelines.lifecycle.secret import Secret


def write_field(row: FieldValue, value: str | Secret, vault: Vault) -> None:
    """Give *row* its value, sealed when it is a secret."""
    row.is_secret = isinstance(value, Secret)
    row.value = vault.seal(field_value(row), value) if isinstance(value, Secret) else value
