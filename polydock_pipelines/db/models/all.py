"""Every table, for migrations and for tests that make a schema."""

from polydock_pipelines.db.models import (
    guards,
    instances,
    mails,
    offers,
    operations,
    people,
    requests,
)
from polydock_pipelines.db.models.types import Model

MODULES = (offers, people, instances, requests, operations, guards, mails)
METADATA = Model.metadata
