"""A Lagoon in memory.

Two-phase things take time on the clock it is given: a build of `build_takes` ends with
`build_status(deployment)`, an environment goes `removal_takes` after it was asked to go.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from threading import RLock

from polydock_pipelines.clients.keys import public_key_of
from polydock_pipelines.lifecycle.instance import EnvVariable
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import (
    GOOD_BUILD,
    AlreadyExistsError,
    Clock,
    Deployment,
    Environment,
    EnvironmentRef,
    NewProject,
    NotFoundError,
    PortError,
    Project,
    ProjectRef,
    RefusedError,
)
from tests.fakes.clock import FakeClock


@dataclass(frozen=True)
class LagoonCall:
    """One call: the port's method name, and its arguments by name."""

    operation: str
    arguments: Mapping[str, object]


@dataclass
class StoredProject:
    """A project and all that hangs on it."""

    project: Project
    groups: list[str] = field(default_factory=list[str])
    variables: dict[str, EnvVariable] = field(default_factory=dict[str, EnvVariable])
    new: NewProject | None = None
    """What made it; None for one that the constructor was given."""


@dataclass
class StoredEnvironment:
    project_id: int
    environment: Environment
    gone_at: datetime | None = None
    """When it goes, once somebody asked; None: nobody did."""


@dataclass
class StoredBuild:
    deployment: Deployment
    environment: StoredEnvironment
    started_at: datetime
    build_variables: Mapping[str, str]
    is_cancelled: bool = False


class FakeLagoon:
    """`ports.Lagoon` in memory.

    `failing={"add_project": [error, …]}` raises one error a call, in order, before anything
    happens; `failing_after=` raises after the call was carried out, as a lost answer does. The keys
    are names of the port's methods. `None` in a list lets that call through.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        projects: Iterable[Project] = (),
        environments: Mapping[EnvironmentRef, Environment] | None = None,
        builds: Iterable[tuple[EnvironmentRef, Deployment]] = (),
        groups: Collection[str] | None = None,
        organizations: Collection[str] = (),
        organization_ids: Collection[int] | None = None,
        project_quota: int | None = None,
        build_takes: timedelta = timedelta(0),
        build_status: Callable[[Deployment], str | None] = lambda _deployment: GOOD_BUILD,
        removal_takes: timedelta = timedelta(0),
        public_key_of: Callable[[Secret], str | None] = public_key_of,
        failing: Mapping[str, Sequence[PortError | None]] | None = None,
        failing_after: Mapping[str, Sequence[PortError | None]] | None = None,
    ) -> None:
        """Hold what is given.

        `groups`, `organization_ids`: those that exist; None: all. `build_status` says how a build
        ends once its time is over; None: it goes on running (so that a callable can decide).
        """
        self.calls: list[LagoonCall] = []
        self.state = _State(
            clock=clock or FakeClock(),
            calls=self.calls,
            groups=groups,
            organization_ids=organization_ids,
            project_quota=project_quota,
            build_takes=build_takes,
            build_status=build_status,
            removal_takes=removal_takes,
            public_key_of=public_key_of,
            failing={name: list(errors) for name, errors in (failing or {}).items()},
            failing_after={name: list(errors) for name, errors in (failing_after or {}).items()},
        )
        self.state.organizations |= {name: {} for name in organizations}
        self.state.projects |= {project.name: StoredProject(project) for project in projects}
        for ref, environment in (environments or {}).items():
            self.state.environments.append(StoredEnvironment(ref.project_id, environment))
        for ref, deployment in builds:
            self.state.builds.append(
                StoredBuild(deployment, self.state.environment(ref), self.state.clock.now(), {})
            )
        self.state.count_on()
        self._projects = _Projects(self.state)
        self._environments = _Environments(self.state)
        self._deployments = _Deployments(self.state)
        self._organizations = _Organizations(self.state)

    @property
    def projects(self) -> "_Projects":
        return self._projects

    @property
    def environments(self) -> "_Environments":
        return self._environments

    @property
    def deployments(self) -> "_Deployments":
        return self._deployments

    @property
    def organizations(self) -> "_Organizations":
        return self._organizations

    def ping(self) -> None:
        """See `ports.Lagoon.ping`."""
        with self.state.call("ping"):
            pass

    def operations(self) -> list[str]:
        """Return the names of the methods called, in order."""
        return [call.operation for call in self.calls]

    def stored(self, project: str) -> StoredProject | None:
        """Return a project with its groups and variables; None when it is gone."""
        return self.state.projects.get(project)

    def values(self, project: str) -> dict[str, str]:
        """Return a project's variables in clear text."""
        stored = self.state.projects[project]
        return {name: variable.value.reveal() for name, variable in stored.variables.items()}

    @property
    def builds(self) -> list[Deployment]:
        """All builds that Lagoon still knows, as they stand now."""
        return self.state.all_builds()


@dataclass
class _State:
    clock: Clock
    calls: list[LagoonCall]
    groups: Collection[str] | None
    organization_ids: Collection[int] | None
    project_quota: int | None
    build_takes: timedelta
    build_status: Callable[[Deployment], str | None]
    removal_takes: timedelta
    public_key_of: Callable[[Secret], str | None]
    failing: dict[str, list[PortError | None]]
    failing_after: dict[str, list[PortError | None]]
    projects: dict[str, StoredProject] = field(default_factory=dict[str, StoredProject])
    environments: list[StoredEnvironment] = field(default_factory=list[StoredEnvironment])
    organizations: dict[str, dict[str, EnvVariable]] = field(
        default_factory=dict[str, dict[str, EnvVariable]]
    )
    """Their variables, by name; those that a test names in `organizations=`."""
    builds: list[StoredBuild] = field(default_factory=list[StoredBuild])
    ids: Iterator[int] = field(default_factory=lambda: count(1))
    shows_builds_after: timedelta = timedelta(0)
    """How long a new build is missing from every list."""
    lock: RLock = field(default_factory=RLock)

    @contextmanager
    def call(self, operation: str, **arguments: object) -> Iterator[None]:
        """Carry one call out, alone: steps run in threads."""
        with self.lock:
            self.calls.append(LagoonCall(operation, arguments))
            _raise_next(self.failing, operation)
            self._remove_the_gone()
            yield
            _raise_next(self.failing_after, operation)

    def public_key(self, private_key: Secret | None) -> str | None:
        return self.public_key_of(private_key) if private_key else "ssh-ed25519 GENERATED"

    def count_on(self) -> None:
        """Number new things after those that are there."""
        taken = [stored.project.id for stored in self.projects.values()]
        taken += [stored.environment.id for stored in self.environments]
        taken += [build.deployment.id for build in self.builds]
        self.ids = count(max(taken, default=0) + 1)

    def project(self, name: str) -> StoredProject:
        if name not in self.projects:
            raise NotFoundError(f"There is no project {name}.")
        return self.projects[name]

    def project_of(self, project_id: int) -> StoredProject:
        for stored in self.projects.values():
            if stored.project.id == project_id:
                return stored
        raise NotFoundError(f"There is no project {project_id}.")

    def environment(self, ref: EnvironmentRef) -> StoredEnvironment:
        for stored in self.environments:
            if (stored.project_id, stored.environment.name) == (ref.project_id, ref.name):
                return stored
        raise NotFoundError(f"There is no environment {ref.name} in project {ref.project_id}.")

    def shown(self, build: StoredBuild) -> Deployment:
        """Return a build as it stands by the clock; an end, once reached, is kept."""
        if build.deployment.is_running:
            status = self._status(build)
            build.deployment = replace(build.deployment, status=status)
        return build.deployment

    def all_builds(self) -> list[Deployment]:
        with self.lock:
            return [self.shown(build) for build in self.builds if self._is_listed(build)]

    def _is_listed(self, build: StoredBuild) -> bool:
        return self.clock.now() >= build.started_at + self.shows_builds_after

    def _status(self, build: StoredBuild) -> str:
        if build.is_cancelled:
            return "cancelled"
        if self.clock.now() < build.started_at + self.build_takes:
            return "running" if self.clock.now() > build.started_at else "new"
        status = self.build_status(build.deployment) or "running"
        if status == GOOD_BUILD:
            environment = build.environment
            url = f"https://{environment.environment.namespace}.example.com"
            environment.environment = replace(
                environment.environment,
                route=environment.environment.route or url,
                routes=environment.environment.routes or (url,),
            )
        return status

    def _remove_the_gone(self) -> None:
        now = self.clock.now()
        gone = [e for e in self.environments if e.gone_at is not None and e.gone_at <= now]
        self.environments = [e for e in self.environments if e not in gone]
        # Lagoon purges the deployments of an environment with it.
        self.builds = [build for build in self.builds if build.environment not in gone]


def _raise_next(failures: dict[str, list[PortError | None]], operation: str) -> None:
    error = failures[operation].pop(0) if failures.get(operation) else None
    if error is not None:
        raise error


class _Projects:
    def __init__(self, state: _State) -> None:
        self._state = state

    def project_by_name(self, name: str) -> Project | None:
        with self._state.call("project_by_name", name=name):
            stored = self._state.projects.get(name)
            return stored.project if stored else None

    def add_project(self, new: NewProject) -> Project:
        with self._state.call("add_project", new=new):
            quota = self._state.project_quota
            if quota is not None and len(self._state.projects) >= quota:
                raise RefusedError(f"This would exceed the project quota of {quota}.")
            if new.name in self._state.projects:
                raise AlreadyExistsError(f"Project {new.name} already exists.")
            project = Project(
                id=next(self._state.ids),
                name=new.name,
                organization_id=new.organization_id,
                git_url=new.git_url,
                public_key=self._state.public_key(new.private_key),
            )
            self._state.projects[new.name] = StoredProject(project, new=new)
            return project

    def add_groups_to_project(self, project: str, groups: Sequence[str]) -> None:
        with self._state.call("add_groups_to_project", project=project, groups=tuple(groups)):
            stored, known = self._state.project(project), self._state.groups
            for group in groups:
                if known is not None and group not in known:
                    raise NotFoundError(f"Group not found: {group}.")
                if group not in stored.groups:
                    stored.groups.append(group)

    def set_variables(self, project: str, variables: Sequence[EnvVariable]) -> None:
        with self._state.call("set_variables", project=project, variables=tuple(variables)):
            stored = self._state.project(project)
            stored.variables.update({variable.name: variable for variable in variables})

    def delete_variables(self, project: str, names: Collection[str]) -> None:
        with self._state.call("delete_variables", project=project, names=frozenset(names)):
            stored = self._state.project(project)
            for name in names:
                stored.variables.pop(name, None)

    def update_project_metadata(self, project_id: int, metadata: Mapping[str, str]) -> None:
        with self._state.call(
            "update_project_metadata", project_id=project_id, metadata=dict(metadata)
        ):
            stored = self._state.project_of(project_id)
            kept = {key: value for key, value in metadata.items() if value}
            merged = {**stored.project.metadata, **kept}
            stored.project = replace(stored.project, metadata=merged)

    def delete_project(self, name: str) -> None:
        with self._state.call("delete_project", name=name):
            stored = self._state.project(name)
            if any(e.project_id == stored.project.id for e in self._state.environments):
                raise PortError(f"Environments of {name} still stand.")
            del self._state.projects[name]


class _Environments:
    def __init__(self, state: _State) -> None:
        self._state = state

    def environment_by_name(self, project_id: int, name: str) -> Environment | None:
        with self._state.call("environment_by_name", project_id=project_id, name=name):
            self._state.all_builds()  # one that is through gives its environment the route
            try:
                return self._state.environment(EnvironmentRef(project_id, name)).environment
            except NotFoundError:
                return None

    def standing(self, refs: Sequence[EnvironmentRef]) -> frozenset[EnvironmentRef]:
        with self._state.call("standing", refs=tuple(refs)):
            standing = {
                EnvironmentRef(stored.project_id, stored.environment.name)
                for stored in self._state.environments
            }
            return frozenset(refs) & standing

    def names_of(self, project: str) -> tuple[str, ...]:
        with self._state.call("names_of", project=project):
            owner = self._state.project(project).project.id
            stored = self._state.environments
            return tuple(one.environment.name for one in stored if one.project_id == owner)

    def delete_environment(self, project: str, name: str) -> None:
        with self._state.call("delete_environment", project=project, name=name):
            stored = self._state.project(project)
            environment = self._state.environment(EnvironmentRef(stored.project.id, name))
            if environment.gone_at is None:
                environment.gone_at = self._state.clock.now() + self._state.removal_takes


class _Deployments:
    def __init__(self, state: _State) -> None:
        self._state = state

    def deploy_environment_branch(
        self,
        project: str,
        branch: str,
        *,
        bulk_id: str,
        build_variables: Mapping[str, str] | None = None,
    ) -> str:
        given = dict(build_variables or {})
        with self._state.call(
            "deploy_environment_branch",
            project=project,
            branch=branch,
            bulk_id=bulk_id,
            build_variables=given,
        ):
            stored = self._state.project(project)
            environment = self._environment(stored.project, branch)
            number = next(self._state.ids)
            kind = "variables" if given.get("LAGOON_VARIABLES_ONLY") else "build"
            deployment = Deployment(number, f"lagoon-{kind}-{number:06}", "new", bulk_id)
            now = self._state.clock.now()
            self._state.builds.append(StoredBuild(deployment, environment, now, given))
            return deployment.name

    def by_bulk_ids(
        self, bulk_ids: Sequence[str], *, partial: bool = False
    ) -> dict[str, list[Deployment]]:
        with self._state.call("by_bulk_ids", bulk_ids=tuple(bulk_ids)):
            shown = self._state.all_builds()
            return {id_: [build for build in shown if build.bulk_id == id_] for id_ in bulk_ids}

    def running(self) -> list[Deployment]:
        with self._state.call("running"):
            return [build for build in self._state.all_builds() if build.is_running]

    def cancel_deployment(self, deployment_id: int) -> None:
        with self._state.call("cancel_deployment", deployment_id=deployment_id):
            for build in self._state.builds:
                if build.deployment.id == deployment_id:
                    build.is_cancelled = True
                    return
            raise NotFoundError(f"There is no deployment {deployment_id}.")

    def _environment(self, project: Project, branch: str) -> StoredEnvironment:
        """Return the environment of a branch, made with its first deployment."""
        try:
            return self._state.environment(EnvironmentRef(project.id, branch))
        except NotFoundError:
            made = Environment(next(self._state.ids), branch, f"{project.name}-{branch}")
            stored = StoredEnvironment(project.id, made)
            self._state.environments.append(stored)
            return stored


class _Organizations:
    def __init__(self, state: _State) -> None:
        self._state = state

    def projects_of(self, organization_id: int) -> tuple[ProjectRef, ...]:
        with self._state.call("projects_of", organization_id=organization_id):
            known = self._state.organization_ids
            if known is not None and organization_id not in known:
                raise NotFoundError(f"There is no organization {organization_id}.")
            stored = [one.project for one in self._state.projects.values()]
            return tuple(
                ProjectRef(one.id, one.name)
                for one in stored
                if one.organization_id == organization_id
            )

    def set_organization_variables(
        self, organization: str, variables: Sequence[EnvVariable]
    ) -> None:
        with self._state.call(
            "set_organization_variables", organization=organization, variables=tuple(variables)
        ):
            held = self._held(organization)
            held.update({variable.name: variable for variable in variables})

    def delete_organization_variables(self, organization: str, names: Collection[str]) -> None:
        with self._state.call(
            "delete_organization_variables", organization=organization, names=frozenset(names)
        ):
            held = self._held(organization)
            for name in names:
                held.pop(name, None)

    def _held(self, organization: str) -> dict[str, EnvVariable]:
        if organization not in self._state.organizations:
            raise NotFoundError(f"There is no organization {organization}.")
        return self._state.organizations[organization]
