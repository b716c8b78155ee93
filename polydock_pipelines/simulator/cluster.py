"""The simulated cluster: builds one at a time in each environment, removals reported late."""

import base64
import binascii
import json
import random
import re
import string
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from hashlib import sha1

from polydock_pipelines.simulator.faults import BUILD
from polydock_pipelines.simulator.model import (
    Build,
    Environment,
    Project,
    Snapshot,
    Variable,
)
from polydock_pipelines.simulator.world import World

ROUTES_VARIABLE = "LAGOON_ROUTES_JSON"
CANCEL_SECONDS = 0.2
NAMESPACE_LENGTH = 58
_OUTCOMES = {"build_failed": "failed", "build_hang": "hang", "build_cancelled": "cancelled"}
# Shares of a build's time after which it is pending, running, and past its first step.
_PENDING, _RUNNING, _STEP = 0.1, 0.25, 0.6
_NAME_LETTERS = string.ascii_lowercase + string.digits


@dataclass(frozen=True)
class Wanted:
    """What a caller may say about a build."""

    operation: str = "deployEnvironmentBranch"
    """The root field that asks; faults of builds are matched by it."""
    priority: int | None = None
    bulk_id: str | None = None
    bulk_name: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


def namespace(project: str, environment: str) -> str:
    """Return the Kubernetes namespace, cut as Lagoon cuts it: in the environment's part."""
    safe = re.sub(r"[^0-9a-z-]", "-", environment.lower())
    room = NAMESPACE_LENGTH - len(project)
    if len(safe) > room:
        digest = sha1(safe.encode(), usedforsecurity=False).hexdigest()[:4]
        safe = f"{safe[: room - 5]}-{digest}"
    return f"{project}-{safe}"


def deploy(world: World, project: Project, branch: str, wanted: Wanted) -> Build:
    """Record one more build, and the environment when it is new."""
    now = world.clock()
    environment = project.live.get(branch.lower()) or _add_environment(world, project, branch, now)
    fault = world.faults.take({wanted.operation}, BUILD)
    only_variables = wanted.variables.get("LAGOON_VARIABLES_ONLY") == "true"
    kind = "variables" if only_variables else "build"
    build = Build(
        id=world.next_id("build"),
        name=f"lagoon-{kind}-{''.join(random.choices(_NAME_LETTERS, k=6))}",  # noqa: S311 - a name
        environment=environment,
        created=now,
        seconds=world.settings.build_seconds,
        outcome=_OUTCOMES[fault.kind] if fault else "complete",
        variables=_snapshot(world, environment, wanted.variables),
        priority=wanted.priority or (6 if environment.environment_type == "production" else 5),
        remote_id=str(uuid.uuid4()),
        bulk_id=wanted.bulk_id,
        bulk_name=wanted.bulk_name,
        build_type=kind,
    )
    environment.deployed_at = environment.updated = now
    environment.builds.append(build)
    environment.queue.append(build)
    world.builds[build.id] = build
    if build.bulk_id:
        world.bulks.setdefault(build.bulk_id, []).append(build)
    if len(environment.queue) == 1:
        _begin(world, build, now)
    else:
        world.later(now, build.seconds * _PENDING, partial(_wait_in_queue, build))
    return build


def cancel(world: World, build: Build) -> None:
    """Ask the cluster to end a build; it does so a moment later."""
    world.later(world.clock(), CANCEL_SECONDS, partial(_finish, world, build, "cancelled"))


def request_removal(world: World, environment: Environment) -> None:
    """Ask the cluster to remove an environment; asking again changes nothing."""
    if environment.removal_at is None:
        environment.removal_at = world.clock()
        world.later(
            environment.removal_at,
            world.settings.remove_seconds,
            partial(_remove, world, environment),
        )


def _add_environment(world: World, project: Project, branch: str, now: datetime) -> Environment:
    is_production = branch == project.production_environment
    environment = Environment(
        id=world.next_id("environment"),
        name=branch,
        project=project,
        environment_type="production" if is_production else "development",
        kubernetes_namespace_name=namespace(project.name, branch),
        target=project.target,
        created=now,
        updated=now,
        deploy_base_ref=branch,
    )
    project.live[branch.lower()] = environment
    world.environments[environment.id] = environment
    world.namespaces[environment.kubernetes_namespace_name] = environment
    return environment


def _snapshot(world: World, environment: Environment, asked: Mapping[str, str]) -> Snapshot:
    """Return the variables by Lagoon's precedence: build, environment, project, organization."""
    project = environment.project
    organization = world.organizations.get(project.organization or 0)
    levels: list[Iterable[Variable]] = [
        organization.variables.values() if organization else (),
        project.variables.values(),
        environment.variables.values(),
    ]
    build: dict[str, str] = {}
    runtime: dict[str, str] = {}
    for variable in (variable for level in levels for variable in level):
        if variable.scope in ("global", "build"):
            build[variable.name] = variable.value
        if variable.scope in ("global", "runtime"):
            runtime[variable.name] = variable.value
    return Snapshot(build={**build, **asked}, runtime=runtime)


def _wait_in_queue(build: Build, _when: datetime) -> None:
    if build.status == "new" and build.environment.queue[0] is not build:
        build.status = "queued"


def _begin(world: World, build: Build, when: datetime) -> None:
    for share, status, step in (
        (_PENDING, "pending", None),
        (_RUNNING, "running", "building"),
        (_STEP, "running", "deploying"),
    ):
        world.later(when, build.seconds * share, partial(_progress, build, status, step))
    outcome = build.outcome
    if outcome == "complete" and _extra_domains(build) is None:
        outcome = "failed"
    if outcome != "hang":
        world.later(when, build.seconds, partial(_finish, world, build, outcome))


def _progress(build: Build, status: str, step: str | None, when: datetime) -> None:
    if not build.is_final:
        build.status, build.build_step = status, step
        if status == "running" and build.started is None:
            build.started = when


def _finish(world: World, build: Build, status: str, when: datetime) -> None:
    """End a build. Whatever is reported about it later is ignored, as Lagoon does."""
    environment = build.environment
    if build.is_final or environment.deleted:
        return
    was_first = environment.queue[0] is build
    build.status, build.completed = status, when
    build.build_step = "deployCompleted" if status == "complete" else f"{status}Build"
    environment.queue.remove(build)
    if status == "complete":
        environment.running = build.variables
        environment.is_awake = False
        world.later(when, world.settings.route_seconds, partial(_write_routes, build))
    if was_first and environment.queue:
        _begin(world, environment.queue[0], when)


def _write_routes(build: Build, _when: datetime) -> None:
    environment = build.environment
    if environment.deleted:
        return
    project = environment.project.name
    tail = f"{environment.name.lower()}.{project}.{environment.target.name}.lagoon.example"
    tail = re.sub(r"[^0-9a-z.-]", "-", tail)
    domains = [f"nginx.{tail}", f"frontend.{tail}", *(_extra_domains(build) or ())]
    environment.route = f"https://{domains[0]}"
    environment.routes = ",".join(f"https://{domain}" for domain in dict.fromkeys(domains))


def _extra_domains(build: Build) -> list[str] | None:
    """Return the domains of LAGOON_ROUTES_JSON; None when it does not decode."""
    encoded = build.variables.build.get(ROUTES_VARIABLE)
    if not encoded:
        return []
    try:
        document = json.loads(base64.b64decode(encoded, validate=True))
        return [str(route["domain"]) for route in document["routes"]]
    except (binascii.Error, ValueError, KeyError, TypeError):
        return None


def _remove(world: World, environment: Environment, when: datetime) -> None:
    """Record that the cluster has removed an environment; all that hung on it goes with it."""
    environment.deleted = when
    environment.variables.clear()
    environment.queue.clear()
    for build in environment.builds:
        world.builds.pop(build.id, None)
        if build.bulk_id in world.bulks:
            world.bulks[build.bulk_id].remove(build)
    environment.builds.clear()
    project = environment.project
    project.live.pop(environment.name.lower(), None)
    project.removed.append(environment)
    world.namespaces.pop(environment.kubernetes_namespace_name, None)
