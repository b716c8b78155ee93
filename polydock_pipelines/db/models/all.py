"""Every table, for migrations and for tests that make a schema."""

from polydock_pipelines.db.models import guards, instances, offers, operations, people, requests
from polydock_pipelines.db.models.types import Model

MODULES = (offers, people, instances, requests, operations, guards)
METADATA = Model.metadata
