"""What steps and actions ask of the outside, as protocols, and how the outside fails.

    PortError               this request failed; the text is a sentence and holds no secret
    |- RefusedError         refused for good: repeating it cannot help
    |- DeniedError          we may not do or see it, at least not now
    |- NotFoundError        there is no such thing
    |- AlreadyExistsError   something of that name stands already
    |- InUseError           other things hang on it, so it stays
    |- EndpointError        the service itself is away or does not let us in
    '- ThrottledError       we would ask more often than our settings allow
    StaleLeaseError         another run holds the instance now: stop, write nothing

Clients raise subclasses of these; steps and actions know only these names.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from polydock_pipelines.lifecycle.holding import Holding
from polydock_pipelines.lifecycle.instance import Effect, EnvVariable
from polydock_pipelines.lifecycle.outcome import Facts
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports.amazee_ai import AmazeeAi


class PortError(Exception):
    """A request to the outside failed."""


class RefusedError(PortError):
    """The outside refused for good; somebody must change something first."""


class DeniedError(PortError):
    """We lack the permission, or whoever decides about it is away: Lagoon says the same to both."""


class NotFoundError(PortError):
    """There is no such project, environment, group or deployment."""


class AlreadyExistsError(PortError):
    """A thing of that name exists already."""


class InUseError(PortError):
    """It cannot be deleted while other things hang on it."""


class EndpointError(PortError):
    """The service is away (connect, time-out, 5xx) or refuses our credential.

    The request may have been carried out all the same: look before repeating it.
    """

    def __init__(self, message: str, *, endpoint: str) -> None:
        super().__init__(message)
        self.endpoint = endpoint
        """Its name for operators: `lagoon`, `lagoon-ssh`, …"""


class ThrottledError(PortError):
    """We were about to ask more often than our own settings allow: later."""


class StaleLeaseError(Exception):
    """The lease was lost; whoever holds it now goes on."""


RUNNING_BUILD = frozenset({"new", "pending", "running", "queued"})
GOOD_BUILD = "complete"


@dataclass(frozen=True)
class Project:
    """A Lagoon project as `projectByName` shows it."""

    id: int
    name: str
    organization_id: int | None
    git_url: str
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    public_key: str | None = None
    """The deploy key's public half, without its comment; None when Lagoon does not say."""


@dataclass(frozen=True)
class ProjectRef:
    """Names one project."""

    id: int
    name: str


@dataclass(frozen=True)
class NewProject:
    """What `addProject` needs."""

    name: str
    git_url: str
    branch: str
    production_environment: str
    deploy_target_id: int
    organization_id: int
    auto_idle: int
    private_key: Secret | None


@dataclass(frozen=True)
class Environment:
    """A Lagoon environment that stands."""

    id: int
    name: str
    namespace: str
    """`kubernetesNamespaceName`: the SSH user."""
    route: str | None = None
    routes: tuple[str, ...] = ()
    ssh_host: str | None = None
    """The cluster's own SSH host; None: the core's."""
    ssh_port: int | None = None


@dataclass(frozen=True)
class EnvironmentRef:
    """Names one environment."""

    project_id: int
    name: str


@dataclass(frozen=True)
class Deployment:
    """A build, in the flat scalars that are cheap to ask for."""

    id: int
    name: str
    status: str
    """Lower case: new, pending, running, queued, complete, failed, cancelled, error."""
    bulk_id: str | None = None

    @property
    def is_running(self) -> bool:
        """Whether Lagoon still works on it."""
        return self.status in RUNNING_BUILD

    @property
    def is_good(self) -> bool:
        """Whether it ended as it should."""
        return self.status == GOOD_BUILD


class LagoonProjects(Protocol):
    """Projects, their groups, variables and metadata. All but `add_project` are safe to repeat."""

    def project_by_name(self, name: str) -> Project | None:
        """Return the project; None when there is none. RefusedError when it is hidden from us."""
        ...

    def add_project(self, new: NewProject) -> Project:
        """Create a project, the calling user its owner. AlreadyExistsError, RefusedError."""
        ...

    def add_groups_to_project(self, project: str, groups: Sequence[str]) -> None:
        """Give *groups* access to the project."""
        ...

    def set_variables(self, project: str, variables: Sequence[EnvVariable]) -> None:
        """Create or update project variables; they count from the next deployment on."""
        ...

    def delete_variables(self, project: str, names: Collection[str]) -> None:
        """Delete project variables; missing ones are fine."""
        ...

    def update_project_metadata(self, project_id: int, metadata: Mapping[str, str]) -> None:
        """Set metadata keys (`[0-9a-z-]+`); empty values are left out, Lagoon refuses them."""
        ...

    def delete_project(self, name: str) -> None:
        """Delete a project without environments. NotFoundError when it is gone."""
        ...


class LagoonEnvironments(Protocol):
    """Environments of projects."""

    def environment_by_name(self, project_id: int, name: str) -> Environment | None:
        """Return the environment; None when it is missing or deleted."""
        ...

    def standing(self, refs: Sequence[EnvironmentRef]) -> frozenset[EnvironmentRef]:
        """Return those of *refs* that stand, in as few requests as Lagoon allows."""
        ...

    def names_of(self, project: str) -> tuple[str, ...]:
        """Return the names of all that stand in a project. NotFoundError without the project."""
        ...

    def delete_environment(self, project: str, name: str) -> None:
        """Ask for its removal, which Lagoon does later. NotFoundError when it is gone."""
        ...


class LagoonDeployments(Protocol):
    """Builds."""

    def deploy_environment_branch(
        self,
        project: str,
        branch: str,
        *,
        bulk_id: str,
        build_variables: Mapping[str, str] | None = None,
    ) -> str:
        """Queue one more build and return its name. Each call starts another."""
        ...

    def by_bulk_ids(
        self, bulk_ids: Sequence[str], *, partial: bool = False
    ) -> dict[str, list[Deployment]]:
        """Return the builds of each id, in as few requests as Lagoon allows; missing: [].

        *partial*: leave out those that Lagoon fails to show, instead of failing for all.
        """
        ...

    def running(self) -> list[Deployment]:
        """Return all running builds that we can see."""
        ...

    def cancel_deployment(self, deployment_id: int) -> None:
        """Ask for the end of a build, which comes later."""
        ...


class LagoonOrganizations(Protocol):
    """Organizations: what all their projects share, and which these are."""

    def projects_of(self, organization_id: int) -> tuple[ProjectRef, ...]:
        """Return all projects of an organization, or raise: an answer in part is none."""
        ...

    def set_organization_variables(
        self, organization: str, variables: Sequence[EnvVariable]
    ) -> None:
        """Create or update variables of an organization, by its name. Safe to repeat."""
        ...

    def delete_organization_variables(self, organization: str, names: Collection[str]) -> None:
        """Delete variables of an organization; missing ones are fine. NotFoundError without it."""
        ...


class Lagoon(Protocol):
    """A Lagoon, by what it holds."""

    def ping(self) -> None:
        """Ask for next to nothing. EndpointError when it is away or refuses our credential."""
        ...

    @property
    def projects(self) -> LagoonProjects:
        """Projects, groups, variables, metadata."""
        ...

    @property
    def environments(self) -> LagoonEnvironments:
        """Environments."""
        ...

    @property
    def deployments(self) -> LagoonDeployments:
        """Builds."""
        ...

    @property
    def organizations(self) -> LagoonOrganizations:
        """Organizations."""
        ...


@dataclass(frozen=True)
class Container:
    """Where a command runs."""

    namespace: str
    service: str = "cli"
    container: str | None = None
    host: str | None = None
    """The cluster's SSH host; None: the configured one."""
    port: int | None = None


@dataclass(frozen=True)
class CommandResult:
    """How a command ended; output is capped, and may hold secrets."""

    exit_code: int
    stdout: Secret
    stderr: Secret


class Shell(Protocol):
    """Commands in a container of an environment, over SSH."""

    def endpoint(self, at: Container) -> str:
        """Return the name of the server that commands in *at* go to."""
        ...

    def run(self, at: Container, script: str) -> CommandResult:
        """Feed *script* to `sh -s` and wait for its end.

        PortError: the answer is not the script's (no pod, 254). EndpointError: no trusted server.
        """
        ...


class Journal(Protocol):
    """What a step writes before its outcome; each call is one short guarded transaction."""

    def intend(self, effect: Effect, key: str) -> None:
        """Commit that *effect* on *key* is about to happen. StaleLeaseError: the lease was lost."""
        ...

    def retract(self, effect: Effect, key: str) -> None:
        """Commit that it did not happen: the outside said no. Never after a lost answer."""
        ...

    def record(self, facts: Facts) -> None:
        """Commit what was learnt at once, because it must not be lost."""
        ...

    def hold(self, holding: Holding) -> None:
        """Commit to the ledger that this stands outside, or is about to be made; again: amend."""
        ...

    def let_go(self, holding: Holding) -> None:
        """Commit that it was never made: the outside said no. Never after a lost answer."""
        ...

    def give_back(self, holding: Holding) -> None:
        """Commit that it stands no more."""
        ...

    def owe(self, holding: Holding, problem: str) -> None:
        """Commit that it could not be given back, and why; somebody must see to it."""
        ...

    def keep(self, name: str, value: Secret) -> None:
        """Commit a secret that must survive, such as one that was told only once; sealed."""
        ...


class Clock(Protocol):
    """The one clock."""

    def now(self) -> datetime:
        """Return the time, aware UTC."""
        ...

    def calendar(self, now: datetime) -> datetime:
        """Return what the calendar shows at *now*, by which trials and their mails go."""
        ...


@dataclass(frozen=True)
class Launch:
    """A run that was asked for."""

    run_id: str


class Launcher(Protocol):
    """Starts a Dagster run at once, instead of at a sensor's next tick."""

    def launch(self, job: str, run_config: Mapping[str, object], tags: Mapping[str, str]) -> Launch:
        """Ask the webserver for a run. EndpointError when it is away."""
        ...


@dataclass(frozen=True)
class Ports:
    """Everything outside that a step may touch."""

    lagoon: Lagoon
    shell: Shell
    amazee_ai: AmazeeAi
    clock: Clock
    public_key_of: Callable[[Secret], str | None]
    """Derive the public half of a private key, without its comment; None when it is no key."""


@dataclass(frozen=True)
class StepPorts(Ports):
    """Ports, and the journal of the instance at hand."""

    journal: Journal
