"""Environments: read, and removed in Lagoon's two steps."""

from typing import TypedDict

from polydock_pipelines.simulator.cluster import request_removal
from polydock_pipelines.simulator.model import Build, DeployTarget, Environment
from polydock_pipelines.simulator.operations.lookup import project_named
from polydock_pipelines.simulator.permissions import RefusedError, denied, may_ssh
from polydock_pipelines.simulator.schema import Context, resolves, timestamp

NEVER = "0000-00-00 00:00:00"
"""Lagoon's database for: not deleted."""


class DeleteEnvironmentInput(TypedDict):
    """What `deleteEnvironment` takes and this simulator minds."""

    name: str
    project: str


@resolves("Query", "environmentByName")
def environment_by_name(
    _source: object,
    context: Context,
    name: str,
    project: int,
    include_deleted: bool | None = True,  # noqa: FBT001, FBT002 - the schema's argument
) -> Environment | None:
    """Return an environment, also one that was removed unless told not to."""
    found = context.world.projects.get(project)
    if found is None:
        return None
    is_wide = include_deleted is not False
    return _visible(context, found.environment(name, include_deleted=is_wide))


@resolves("Query", "environmentById")
def environment_by_id(_source: object, context: Context, id_: int) -> Environment | None:
    """Return an environment, also one that was removed."""
    return _visible(context, context.world.environments.get(id_))


@resolves("Query", "environmentByKubernetesNamespaceName")
def environment_by_namespace(
    _source: object, context: Context, kubernetes_namespace_name: str
) -> Environment | None:
    """Return the environment that lives in a namespace."""
    return _visible(context, context.world.namespaces.get(kubernetes_namespace_name))


def _visible(context: Context, environment: Environment | None) -> Environment | None:
    if environment and not context.caller.sees(context.world, environment.project):
        raise denied("view", "environment")
    return environment


@resolves("Query", "userCanSshToEnvironment")
def user_can_ssh(
    _source: object,
    context: Context,
    openshift_project_name: str | None = None,
    kubernetes_namespace_name: str | None = None,
) -> Environment | None:
    """Return the environment when the caller may open a session in it."""
    name = kubernetes_namespace_name or openshift_project_name or ""
    found = context.world.namespaces.get(name)
    return found if found and may_ssh(context.world, context.caller, found) else None


@resolves("Mutation", "deleteEnvironment")
def delete_environment(_source: object, context: Context, given: DeleteEnvironmentInput) -> str:
    """Queue the removal of an environment; it stays listed until the cluster reports back."""
    project = project_named(context, given["project"])
    environment = project.environment(given["name"], include_deleted=False)
    if environment is None:
        raise RefusedError(
            f'Environment "{given["name"]}" does not exist in project "{project.id}"'
        )
    scope = f"delete:{environment.environment_type}"
    context.caller.require(context.world, scope, "environment", project)
    request_removal(context.world, environment)
    return "success"


@resolves("Environment", "deleted")
def deleted(environment: Environment, _context: Context) -> str:
    """Return when the environment was removed, or Lagoon's zero."""
    return timestamp(environment.deleted) or NEVER


@resolves("Environment", "deployments")
def deployments(
    environment: Environment, _context: Context, name: str | None = None, limit: int | None = None
) -> list[Build]:
    """Return the environment's builds, newest first."""
    found = [b for b in reversed(environment.builds) if name in (None, b.name)]
    return found[:limit] if limit else found


@resolves("Environment", "kubernetes")
@resolves("Environment", "openshift")
def environment_target(environment: Environment, _context: Context) -> DeployTarget:
    """Return the environment's cluster under either of its names."""
    return environment.target


@resolves("Kubernetes", "sshHost")
@resolves("Openshift", "sshHost")
def ssh_host(_target: DeployTarget, context: Context) -> str:
    """Return the host for commands; empty when the token host runs them."""
    world = context.world
    return world.endpoints.host if world.settings.separate_command_host else ""


@resolves("Kubernetes", "sshPort")
@resolves("Openshift", "sshPort")
def ssh_port(_target: DeployTarget, context: Context) -> str:
    """Return the port for commands, a string in Lagoon; empty when the token host runs them."""
    world = context.world
    return str(world.endpoints.command_ssh_port) if world.settings.separate_command_host else ""


for _type in ("Kubernetes", "Openshift"):
    resolves(_type, "friendlyName")(lambda target, _context: target.name)
    resolves(_type, "routerPattern")(
        lambda target, _context: f"${{environment}}.${{project}}.{target.name}.lagoon.example"
    )
    resolves(_type, "disabled")(lambda _target, _context: False)
resolves("Environment", "openshiftProjectName")(lambda e, _context: e.kubernetes_namespace_name)
resolves("Environment", "autoIdle")(lambda e, _context: e.project.auto_idle)
resolves("Environment", "deployHeadRef")(lambda _e, _context: None)
resolves("Environment", "deployTitle")(lambda _e, _context: None)
