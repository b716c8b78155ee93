"""What the simulated Lagoon remembers: plain records, no behaviour but lookups on themselves.

Attribute names are the GraphQL names in snake case; the schema resolves them by that rule.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """A user's role in a group or an organization, weakest first."""

    GUEST = "GUEST"
    REPORTER = "REPORTER"
    DEVELOPER = "DEVELOPER"
    MAINTAINER = "MAINTAINER"
    OWNER = "OWNER"
    ADMIN = "ADMIN"

    @property
    def rank(self) -> int:
        """Return the place in the order of might."""
        return _ROLES.index(self)


_ROLES = tuple(Role)

FINAL = frozenset({"complete", "failed", "cancelled"})
"""Build states after which the cluster reports nothing more."""


@dataclass
class User:
    """The one person that the simulator knows."""

    id: str
    email: str
    first_name: str
    last_name: str


@dataclass
class DeployTarget:
    """A cluster; Lagoon's schema also says Kubernetes and Openshift."""

    id: int
    name: str
    cloud_provider: str
    cloud_region: str


@dataclass
class Variable:
    """A variable of an organization, a project or an environment."""

    id: int
    name: str
    value: str
    scope: str
    written_at: datetime


@dataclass
class Organization:
    """Who may own projects, and how many."""

    id: int
    name: str
    friendly_name: str
    quota_project: int = -1
    quota_environment: int = -1
    variables: dict[str, Variable] = field(default_factory=dict)


@dataclass
class Group:
    """A group as the calling user sees it; *role* is that user's role in it."""

    id: str
    name: str
    organization: int | None
    role: Role | None = None
    is_seeded: bool = False
    type: str = "null"


@dataclass
class Build:
    """A deployment. *seconds*, *outcome* and *variables* are fixed when it is asked for."""

    id: int
    name: str
    environment: "Environment"
    created: datetime
    seconds: float
    outcome: str
    variables: "Snapshot"
    priority: int
    remote_id: str
    bulk_id: str | None = None
    bulk_name: str | None = None
    build_type: str = "build"
    status: str = "new"
    build_step: str | None = None
    started: datetime | None = None
    completed: datetime | None = None

    @property
    def is_final(self) -> bool:
        """Tell whether the build has ended."""
        return self.status in FINAL


@dataclass(frozen=True)
class Snapshot:
    """The variables at the time of a deployment, split by who reads them."""

    build: dict[str, str] = field(default_factory=dict)
    runtime: dict[str, str] = field(default_factory=dict)


@dataclass
class Environment:
    """A branch that was deployed at least once; it stays on record after its removal."""

    id: int
    name: str
    project: "Project"
    environment_type: str
    kubernetes_namespace_name: str
    target: DeployTarget
    created: datetime
    updated: datetime
    deleted: datetime | None = None
    deployed_at: datetime | None = None
    deploy_base_ref: str = ""
    deploy_type: str = "branch"
    route: str | None = None
    routes: str | None = None
    variables: dict[str, Variable] = field(default_factory=dict)
    builds: list[Build] = field(default_factory=list)
    queue: deque[Build] = field(default_factory=deque)
    removal_at: datetime | None = None
    running: Snapshot | None = None
    """What the containers were started with; None until the first finished build."""
    is_awake: bool = False


@dataclass
class Project:
    """A project with its live environments by lower-case name, and those removed."""

    id: int
    name: str
    git_url: str
    organization: int | None
    target: DeployTarget
    created: datetime
    production_environment: str
    private_key: str
    public_key: str
    branches: str = "true"
    pullrequests: str = "true"
    subfolder: str | None = None
    auto_idle: int = 1
    storage_calc: int = 1
    development_environments_limit: int = 5
    availability: str = "STANDARD"
    is_deploy_disabled: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    live: dict[str, Environment] = field(default_factory=dict)
    removed: list[Environment] = field(default_factory=list)

    def environment(self, name: str, *, include_deleted: bool) -> Environment | None:
        """Return the live environment of that name, else the one removed last."""
        found = self.live.get(name.lower())
        if found is None and include_deleted:
            gone = [env for env in self.removed if env.name.lower() == name.lower()]
            found = gone[-1] if gone else None
        return found


@dataclass(frozen=True)
class Post:
    """One request to the GraphQL API, whatever it held."""

    number: int
    """Counts up, so that who looks again finds what is new."""
    connection: str
    """The client's end: a client that keeps it open asks all its questions from there."""
    fields: tuple[str, ...]
    at: datetime


@dataclass
class Mail:
    """A message that the sink took."""

    sender: str
    recipients: list[str]
    subject: str
    headers: dict[str, str]
    text: str
    html: str
    received_at: datetime


@dataclass
class Command:
    """A command that was run, or asked for, over SSH."""

    namespace: str
    stage: str
    command: str
    started_at: datetime
    exit_code: int | None = None


@dataclass
class Webhook:
    """What was posted to one of the simulator's webhook receivers."""

    name: str
    headers: dict[str, str]
    body: str
    received_at: datetime
