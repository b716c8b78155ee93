"""Deployments: asked for one by one or in bulk."""

import re
import uuid
from datetime import datetime, timedelta
from functools import partial
from typing import Required, TypedDict

from polydock_pipelines.simulator.cluster import Wanted, deploy
from polydock_pipelines.simulator.model import Environment, Project
from polydock_pipelines.simulator.operations.lookup import (
    EnvironmentInput,
    ProjectInput,
    live_environment,
    project_of,
)
from polydock_pipelines.simulator.permissions import RefusedError
from polydock_pipelines.simulator.schema import Context, resolves

BULK_SECONDS = 0.3
"""After how long the queue has worked off a bulk deployment."""
_SECOND = timedelta(seconds=1)
_BULK_PRIORITY = 3


class Pair(TypedDict, total=False):
    """A build variable."""

    name: str | None
    value: str | None


class DeployBranchInput(TypedDict, total=False):
    """What `deployEnvironmentBranch` takes."""

    project: Required[ProjectInput]
    branch_name: Required[str]
    priority: int | None
    bulk_id: str | None
    bulk_name: str | None
    build_variables: list[Pair] | None
    return_data: bool | None


class DeployLatestInput(TypedDict, total=False):
    """What `deployEnvironmentLatest` takes."""

    environment: Required[EnvironmentInput]
    priority: int | None
    bulk_id: str | None
    bulk_name: str | None
    build_variables: list[Pair] | None
    return_data: bool | None


class BulkInput(TypedDict, total=False):
    """What `bulkDeployEnvironmentLatest` takes."""

    environments: Required[list[DeployLatestInput]]
    name: str | None
    build_variables: list[Pair] | None


@resolves("Mutation", "deployEnvironmentBranch")
def deploy_branch(_source: object, context: Context, given: DeployBranchInput) -> str:
    """Queue one more build of a branch; its environment exists when this returns."""
    project = project_of(context.world, given["project"])
    branch = given["branch_name"]
    _require_deploy(context, project, branch)
    _check(context, project, branch)
    wanted = Wanted(
        operation="deployEnvironmentBranch",
        priority=given.get("priority"),
        bulk_id=given.get("bulk_id"),
        bulk_name=given.get("bulk_name"),
        variables=_values(given.get("build_variables")),
    )
    build = deploy(context.world, project, branch, wanted)
    return build.name if given.get("return_data") else "success"


@resolves("Mutation", "deployEnvironmentLatest")
def deploy_latest(_source: object, context: Context, given: DeployLatestInput) -> str:
    """Queue one more build of an environment that exists."""
    environment = live_environment(context.world, given["environment"])
    _require_deploy(context, environment.project, environment.name)
    for word in ("bulk_id", "bulk_name", "priority"):
        if given.get(word) is not None and not context.caller.is_legacy_admin:
            shown = {"bulk_id": "bulkId", "bulk_name": "bulkName"}.get(word, word)
            raise RefusedError(f"Unauthorized to set {shown}, platform-admin only")
    _check(context, environment.project, environment.name)
    wanted = Wanted(
        operation="deployEnvironmentLatest",
        priority=given.get("priority"),
        bulk_id=given.get("bulk_id"),
        bulk_name=given.get("bulk_name"),
        variables=_values(given.get("build_variables")),
    )
    build = deploy(context.world, environment.project, environment.name, wanted)
    return build.name if given.get("return_data") else "success"


@resolves("Mutation", "bulkDeployEnvironmentLatest")
def bulk_deploy(_source: object, context: Context, given: BulkInput) -> str:
    """Hand a list of environments to the queue, which deploys what it can a moment later."""
    if not given["environments"]:
        raise RefusedError("You must provide environments")
    environments: list[tuple[Environment, DeployLatestInput]] = []
    for item in given["environments"]:
        try:
            environment = live_environment(context.world, item["environment"])
        except RefusedError:
            if context.caller.is_legacy_admin:
                continue
            raise
        _require_deploy(context, environment.project, environment.name)
        environments.append((environment, item))
    bulk_id = str(uuid.uuid4())
    common = _values(given.get("build_variables"))
    for environment, item in environments:
        wanted = Wanted(
            operation="bulkDeployEnvironmentLatest",
            priority=item.get("priority") or _BULK_PRIORITY,
            bulk_id=bulk_id,
            bulk_name=given.get("name"),
            variables={**common, **_values(item.get("build_variables"))},
        )
        event = partial(_deploy_from_queue, context, environment, wanted)
        context.world.later(context.world.clock(), BULK_SECONDS, event)
    return bulk_id


def _deploy_from_queue(
    context: Context, environment: Environment, wanted: Wanted, _when: datetime
) -> None:
    """Deploy one environment of a bulk; what is refused now never appears in its list."""
    if environment.deleted:
        return
    try:
        _check(context, environment.project, environment.name)
    except RefusedError:
        return
    deploy(context.world, environment.project, environment.name, wanted)


def _require_deploy(context: Context, project: Project, branch: str) -> None:
    is_production = branch == project.production_environment
    scope = f"deploy:{'production' if is_production else 'development'}"
    context.caller.require(context.world, scope, "environment", project)


def _check(context: Context, project: Project, branch: str) -> None:
    if project.is_deploy_disabled:
        raise RefusedError("Deployments have been disabled for this project")
    reason = _refusal(context, project, branch)
    if reason:
        raise RefusedError(f"Error deploying {branch}: unable to create deploy task: {reason}")


def _refusal(context: Context, project: Project, branch: str) -> str | None:
    if project.branches == "false":
        return "deployments disabled for project branches"
    if project.branches != "true" and not re.search(project.branches, branch):
        return "didn't match regex pattern for project"
    environment = project.live.get(branch.lower())
    if environment is None:
        return _no_room(context, project, branch)
    last = environment.deployed_at
    if last is not None and context.world.clock() - last < _SECOND:
        # The row changes nothing within one second, so the database returns no id for it.
        return (
            "error creating or getting environment: "
            "Cannot read properties of undefined (reading 'id')"
        )
    return None


def _no_room(context: Context, project: Project, branch: str) -> str | None:
    """Return why one more environment would be too many."""
    organization = context.world.organizations.get(project.organization or 0)
    if organization and organization.quota_environment >= 0:
        projects = context.world.organization_projects(organization.id)
        if sum(len(p.live) for p in projects) >= organization.quota_environment:
            return "exceed environment quota"
    kinds = [environment.environment_type for environment in project.live.values()]
    if branch == project.production_environment:
        return "exceed production limit" if kinds.count("production") > 1 else None
    limit = project.development_environments_limit
    return "exceed development limit" if kinds.count("development") >= limit else None


def _values(pairs: list[Pair] | None) -> dict[str, str]:
    return {pair.get("name") or "": pair.get("value") or "" for pair in pairs or ()}
