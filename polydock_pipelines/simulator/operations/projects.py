"""Projects: found, marked with metadata, deleted."""

import re
from typing import Required, TypedDict

from polydock_pipelines.simulator.model import DeployTarget, Environment, Project
from polydock_pipelines.simulator.operations.lookup import project_named
from polydock_pipelines.simulator.permissions import RefusedError, denied
from polydock_pipelines.simulator.schema import Context, resolves


class Pair(TypedDict, total=False):
    """A key and its value."""

    key: Required[str]
    value: str | None


class UpdateMetadataInput(TypedDict):
    """What `updateProjectMetadata` takes."""

    id: int
    patch: Pair


class RemoveMetadataInput(TypedDict):
    """What `removeProjectMetadataByKey` takes."""

    id: int
    key: str


class DeleteProjectInput(TypedDict):
    """What `deleteProject` takes."""

    project: str


@resolves("Query", "projectByName")
def project_by_name(_source: object, context: Context, name: str) -> Project | None:
    """Return the project, or null; one that the caller may not see is an error."""
    project = context.world.project(name)
    if project and not context.caller.sees(context.world, project):
        raise denied("view", "project")
    return project


@resolves("Query", "allProjects")
def all_projects(
    _source: object,
    context: Context,
    created_after: str | None = None,
    git_url: str | None = None,
    order: str | None = None,
    build_image: bool | None = None,  # noqa: FBT001, ARG001 - the schema's argument
) -> list[Project]:
    """Return all projects that the caller may see."""
    found = [p for p in context.world.projects.values() if context.caller.sees(context.world, p)]
    if created_after:
        found = [p for p in found if p.created.isoformat(" ") >= created_after]
    if git_url:
        found = [p for p in found if p.git_url == git_url]
    if order == "NAME":
        found.sort(key=lambda project: project.name)
    return found


@resolves("Query", "projectsByMetadata")
def projects_by_metadata(
    source: object, context: Context, metadata: list[Pair] | None = None
) -> list[Project]:
    """Return the visible projects that carry every pair; without a value the key is enough."""

    def fits(project: Project) -> bool:
        return all(
            pair["key"] in project.metadata
            and pair.get("value") in (None, project.metadata[pair["key"]])
            for pair in metadata or ()
        )

    return [project for project in all_projects(source, context) if fits(project)]


@resolves("Mutation", "updateProjectMetadata")
def update_metadata(_source: object, context: Context, given: UpdateMetadataInput) -> Project:
    """Set one key of a project's metadata."""
    project = _for_metadata(context, given["id"])
    key, value = given["patch"]["key"], given["patch"].get("value")
    if not re.fullmatch(r"[0-9a-z-]+", key):
        raise RefusedError("Only lowercase characters, numbers and dashes allowed for key!")
    if not value:
        raise RefusedError("input.patch expects both key and value attributes")
    # A new mapping: an answer of the same document may still hold the old one.
    project.metadata = {**project.metadata, key: value}
    return project


@resolves("Mutation", "removeProjectMetadataByKey")
def remove_metadata(_source: object, context: Context, given: RemoveMetadataInput) -> Project:
    """Take one key from a project's metadata, if it is there."""
    project = _for_metadata(context, given["id"])
    project.metadata = {k: v for k, v in project.metadata.items() if k != given["key"]}
    return project


def _for_metadata(context: Context, project_id: int) -> Project:
    project = context.world.projects.get(project_id)
    if project is None and context.caller.is_legacy_admin:
        raise RefusedError("Cannot read properties of undefined (reading 'id')")
    if project is None:
        raise denied("update", "project")
    context.caller.require(context.world, "update", "project", project)
    return project


@resolves("Mutation", "deleteProject")
def delete_project(_source: object, context: Context, given: DeleteProjectInput) -> str:
    """Delete a project that has no environment left."""
    world = context.world
    project = project_named(context, given["project"])
    if project.organization:
        context.caller.require_organization(world, "deleteProject", project.organization)
    else:
        context.caller.require(world, "delete", "project", project)
    if project.live:
        raise RefusedError(
            "Unable to delete project, "
            "there are existing environments that need to be removed first"
        )
    del world.projects[project.id]
    del world.names[project.name.lower()]
    world.groups.pop(f"project-{project.name}", None)
    for environment in project.removed:
        world.environments.pop(environment.id, None)
    return "success"


@resolves("Project", "privateKey")
def private_key(project: Project, context: Context) -> str | None:
    """Return the deploy key to an owner; nobody else is told that there is one."""
    may = context.caller.may(context.world, "viewPrivateKey", "project", project)
    return project.private_key if may else None


@resolves("Project", "environments")
@resolves("OrgProject", "environments")
def project_environments(
    project: Project,
    _context: Context,
    type_: str | None = None,
    include_deleted: bool | None = None,  # noqa: FBT001 - the schema's argument
) -> list[Environment]:
    """Return a project's environments, those removed only when asked for."""
    found = [*(project.removed if include_deleted else ()), *project.live.values()]
    return [e for e in found if type_ in (None, e.environment_type.upper())]


@resolves("Project", "deploymentsDisabled")
def deployments_disabled(project: Project, _context: Context) -> int:
    """Return 1 when no environment of the project may be deployed."""
    return int(project.is_deploy_disabled)


@resolves("Project", "organizationDetails")
def organization_details(project: Project, context: Context) -> object:
    """Return the organization that owns the project."""
    return context.world.organizations.get(project.organization or 0)


@resolves("Project", "kubernetes")
@resolves("Project", "openshift")
def project_target(project: Project, _context: Context) -> DeployTarget:
    """Return the project's cluster under either of its names."""
    return project.target


def _nothing(_project: Project, _context: Context) -> None:
    return None


for _field in (
    "standbyProductionEnvironment",
    "openshiftProjectPattern",
    "kubernetesNamespacePattern",
):
    resolves("Project", _field)(_nothing)
resolves("Project", "productionBuildPriority")(lambda _project, _context: 6)
resolves("Project", "developmentBuildPriority")(lambda _project, _context: 5)
