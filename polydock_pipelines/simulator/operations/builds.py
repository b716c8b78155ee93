"""Builds: watched one by one, by batch and by filter, and cancelled."""

from typing import TypedDict

from polydock_pipelines.simulator.cluster import cancel
from polydock_pipelines.simulator.model import FINAL, Build, Environment
from polydock_pipelines.simulator.operations.lookup import (
    EnvironmentInput,
    live_environment,
    project_named,
)
from polydock_pipelines.simulator.permissions import UNAUTHORIZED, RefusedError, denied
from polydock_pipelines.simulator.schema import Context, resolves


class DeploymentInput(TypedDict, total=False):
    """A deployment by its id, or by its name and environment."""

    id: int | None
    name: str | None
    environment: EnvironmentInput | None


class CancelInput(TypedDict):
    """What `cancelDeployment` takes."""

    deployment: DeploymentInput


class DeploymentByNameInput(TypedDict, total=False):
    """What `deploymentByName` takes."""

    project: str | None
    environment: str | None
    name: str | None


@resolves("Mutation", "cancelDeployment")
def cancel_deployment(_source: object, context: Context, given: CancelInput) -> str:
    """Ask for the end of a build; its status changes when the cluster has ended it."""
    build = _build(context, given["deployment"])
    context.caller.require(context.world, "cancel", "deployment", build.environment.project)
    cancel(context.world, build)
    return "success"


def _build(context: Context, given: DeploymentInput) -> Build:
    found = context.world.builds.get(given.get("id") or 0)
    environment = given.get("environment")
    if found is None and environment:
        builds = live_environment(context.world, environment).builds
        found = next((b for b in builds if b.name == given.get("name")), None)
    if found is None:
        raise RefusedError(UNAUTHORIZED)
    return found


@resolves("Query", "deploymentsByBulkId")
def by_bulk_id(_source: object, context: Context, bulk_id: str | None = None) -> list[Build]:
    """Return the builds that carry an id of the caller's or of a bulk deployment."""
    found = context.world.bulks.get(bulk_id or "", [])
    return [b for b in found if context.caller.sees(context.world, b.environment.project)]


@resolves("Query", "deploymentsByFilter")
def by_filter(
    _source: object,
    context: Context,
    *,
    deployment_status: list[str] | None = None,
    limit_per_environment: int | None = None,
    limit: int | None = None,
    environment_type: str | None = None,
    openshifts: list[int] | None = None,
    **_ignored: object,
) -> list[Build]:
    """Return builds of all visible environments that stand, newest first in each."""
    wanted = {s.lower() for s in deployment_status or ("NEW", "PENDING", "RUNNING", "QUEUED")}
    if environment_type and not limit_per_environment:
        limit_per_environment = 1
    if wanted & FINAL and not limit_per_environment:
        limit_per_environment = 5
    found: list[Build] = []
    for environment in context.world.namespaces.values():
        if _is_filtered(context, environment, environment_type, openshifts):
            continue
        newest = list(reversed(environment.builds))[: limit_per_environment or None]
        found.extend(build for build in newest if build.status in wanted)
    return found[: limit or None]


def _is_filtered(
    context: Context, environment: Environment, kind: str | None, targets: list[int] | None
) -> bool:
    return (
        not context.caller.sees(context.world, environment.project)
        or (kind is not None and environment.environment_type != kind.lower())
        or (bool(targets) and environment.target.id not in (targets or ()))
    )


@resolves("Query", "deploymentByName")
def by_name(_source: object, context: Context, given: DeploymentByNameInput | None = None) -> Build:
    """Return one build; one that is missing is an error, not null."""
    wanted = given or {}
    project = project_named(context, wanted.get("project") or "")
    context.caller.require(context.world, "view", "deployment", project)
    environment = project.environment(wanted.get("environment") or "", include_deleted=False)
    if environment is None:
        raise RefusedError(UNAUTHORIZED)
    for build in environment.builds:
        if build.name == wanted.get("name"):
            return build
    raise RefusedError("No deployment found")


@resolves("Query", "deploymentByRemoteId")
def by_remote_id(_source: object, context: Context, id_: str | None = None) -> Build | None:
    """Return the build that a cluster knows by that id."""
    found = next((b for b in context.world.builds.values() if b.remote_id == id_), None)
    if found and not context.caller.sees(context.world, found.environment.project):
        raise denied("view", "deployment")
    return found


@resolves("Deployment", "uiLink")
def ui_link(build: Build, context: Context) -> str:
    """Return the page where a person would look at the build."""
    environment = build.environment
    return (
        f"{context.world.endpoints.url}/projects/{environment.project.name}/"
        f"{environment.kubernetes_namespace_name}/deployments/{build.name}"
    )


@resolves("Deployment", "buildLog")
def build_log(build: Build, _context: Context) -> str | None:
    """Return the log of a build that ended; it is short, for nothing was built."""
    return f"{build.name}: simulated, ended {build.status}\n" if build.is_final else None


resolves("Deployment", "sourceUser")(lambda _build, context: context.world.user.email)
resolves("Deployment", "sourceType")(lambda _build, _context: "API")
