"""The kinds of work that an operator may pause, and which job does which."""

from enum import StrEnum

from polydock_pipelines.lifecycle.table import Kind


class Work(StrEnum):
    """What `polydock pause --only` names."""

    PROVISIONING = "provisioning"
    REMOVAL = "removal"
    PURGE = "purge"
    EMAILS = "emails"
    WEBHOOKS = "webhooks"


ALL = "all"
"""The brake for everything."""

WORK_OF = {
    Kind.PROVISION: Work.PROVISIONING,
    Kind.ACTIVATE: Work.PROVISIONING,
    Kind.UPGRADE: Work.PROVISIONING,
    Kind.REMOVE: Work.REMOVAL,
    Kind.PURGE: Work.PURGE,
}


def kinds_of(work: str) -> tuple[Kind, ...]:
    """Return the kinds of runs that the brake of *work* stops; *work* may be ALL."""
    return tuple(kind for kind, its in WORK_OF.items() if work in (ALL, its))
