"""What a step says: done, waiting for Lagoon, or failed; with the facts it learnt."""

from dataclasses import dataclass, field, fields
from datetime import datetime

from polydock_pipelines.lifecycle.secret import Secret


@dataclass(frozen=True)
class Facts:
    """What is known about an instance beyond its status; None means nothing new was learnt.

    Each field is a column of the instance, written by the one who holds its lease.
    """

    name: str | None = None
    """A new project name, when the first was taken by somebody else's project."""
    lagoon_project_id: int | None = None
    build_name: str | None = None
    build_status: str | None = None
    build_bulk_id: str | None = None
    namespace: str | None = None
    """Lagoon's `kubernetesNamespaceName`, which is the SSH user."""
    app_url: str | None = None
    login_url: Secret | None = None
    """The one-time login URL."""
    login_valid_until: datetime | None = None
    pushed_variables: frozenset[str] | None = None
    """The names of catalogue variables that Lagoon holds for this instance because of us."""

    def learnt(self) -> dict[str, object]:
        """Return the fields that say something, by name."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Done:
    """The stage is finished; what follows is the table's business."""

    facts: Facts = field(default_factory=Facts)
    note: str = ""
    """A line for the instance's log."""


@dataclass(frozen=True)
class Waiting:
    """A remote system works; look again at *until*, or when a sensor brings it forward."""

    until: datetime
    facts: Facts = field(default_factory=Facts)
    note: str = ""
    is_unsure: bool = False
    """Whether it waits because of a lost answer: nothing shows that the endpoint is well."""


@dataclass(frozen=True)
class Failed:
    """This attempt failed; *reason* is a sentence for an operator and holds no secret."""

    reason: str
    is_final: bool = False
    """Whether repeating cannot help: refused for good, or a build that ended badly."""
    facts: Facts = field(default_factory=Facts)
    attempts: int | None = None
    """Give up after so many, where that is sooner than the stage would."""


@dataclass(frozen=True)
class Unreachable:
    """The endpoint is away, not this instance: no attempt is spent and the deadline stands still.

    Made by `advance` from an EndpointError, never by a step.
    """

    reason: str
    until: datetime
    waits_for: str | None = None
    """The endpoint whose circuit is open; None: it answers others, and fails this instance."""


Outcome = Done | Waiting | Failed
