"""The state of the simulator as JSON, for tests and for the page."""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import asdict
from datetime import datetime

from polydock_pipelines.simulator.amazee_ai import snapshot as amazee_ai
from polydock_pipelines.simulator.model import Build, Environment, Project, Variable
from polydock_pipelines.simulator.world import World

Json = dict[str, object]


def snapshot(world: World, parts: Collection[str] = ()) -> Json:
    """Return the named parts of the state, or all of it."""
    now = world.settle()
    chosen = {name: _PARTS[name](world) for name in _PARTS if not parts or name in parts}
    return {"now": now.isoformat(), **chosen}


def _projects(world: World) -> list[Json]:
    return [_project(world, project) for project in world.projects.values()]


def _project(world: World, project: Project) -> Json:
    organization = world.organizations.get(project.organization or 0)
    environments = [*project.removed, *project.live.values()]
    return {
        "id": project.id,
        "name": project.name,
        "organization": organization.name if organization else None,
        "gitUrl": project.git_url,
        "deployTarget": project.target.name,
        "productionEnvironment": project.production_environment,
        "publicKey": project.public_key,
        "created": project.created.isoformat(),
        "metadata": project.metadata,
        "groups": [group.name for group in project.groups],
        "variables": _variables(project.variables),
        "environments": [_environment(environment) for environment in environments],
    }


def _environment(environment: Environment) -> Json:
    return {
        "id": environment.id,
        "name": environment.name,
        "environmentType": environment.environment_type,
        "namespace": environment.kubernetes_namespace_name,
        "created": environment.created.isoformat(),
        "deleted": _stamp(environment.deleted),
        "isBeingRemoved": environment.removal_at is not None and environment.deleted is None,
        "route": environment.route,
        "routes": environment.routes,
        "variables": _variables(environment.variables),
        "builds": [_build(build) for build in environment.builds],
    }


def _build(build: Build) -> Json:
    environment = build.environment
    return {
        "id": build.id,
        "name": build.name,
        "project": environment.project.name,
        "environment": environment.name,
        "status": build.status,
        "bulkId": build.bulk_id,
        "bulkName": build.bulk_name,
        "created": build.created.isoformat(),
        "started": _stamp(build.started),
        "completed": _stamp(build.completed),
    }


def _variables(variables: dict[str, Variable]) -> list[Json]:
    return [{"name": v.name, "value": v.value, "scope": v.scope} for v in variables.values()]


def _stamp(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


_PARTS: dict[str, Callable[[World], object]] = {
    "projects": _projects,
    "organizations": lambda world: [
        {"id": o.id, "name": o.name, "projects": len(world.organization_projects(o.id))}
        for o in world.organizations.values()
    ],
    "deployments": lambda world: [_build(build) for build in world.builds.values()],
    "mails": lambda world: [
        {**asdict(mail), "received_at": mail.received_at.isoformat()} for mail in world.ledger.mails
    ],
    "commands": lambda world: [
        {**asdict(command), "started_at": command.started_at.isoformat()}
        for command in world.ledger.commands
    ],
    "webhooks": lambda world: [
        {**asdict(webhook), "received_at": webhook.received_at.isoformat()}
        for webhook in world.ledger.webhooks
    ],
    "requests": lambda world: dict(world.ledger.requests),
    "executed": lambda world: dict(world.ledger.executed),
    "posts": lambda world: [
        {**asdict(post), "fields": dict(Counter(post.fields)), "at": post.at.isoformat()}
        for post in world.ledger.posts
    ],
    "amazee_ai": lambda world: amazee_ai.snapshot(world.amazee_ai),
    "faults": lambda world: [fault.model_dump() for fault in world.faults.waiting()],
    "settings": lambda world: world.settings.model_dump(mode="json"),
}
PARTS = frozenset(_PARTS)
