"""Projects: made, found, marked with metadata, linked to groups, deleted."""

import re
from typing import Required, TypedDict

import asyncssh

from polydock_pipelines.simulator.keys import public_half
from polydock_pipelines.simulator.model import DeployTarget, Environment, Group, Project, Role
from polydock_pipelines.simulator.operations.lookup import project_named
from polydock_pipelines.simulator.permissions import RefusedError, denied
from polydock_pipelines.simulator.schema import Context, resolves

NAME_COLUMN = 100


class AddProjectInput(TypedDict, total=False):
    """What `addProject` takes and this simulator minds."""

    name: Required[str]
    git_url: Required[str]
    production_environment: Required[str]
    organization: int | None
    kubernetes: int | None
    openshift: int | None
    add_org_owner: bool | None
    private_key: str | None
    branches: str | None
    pullrequests: str | None
    subfolder: str | None
    auto_idle: int | None
    storage_calc: int | None
    development_environments_limit: int | None
    deployments_disabled: int | None


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


@resolves("Mutation", "addProject")
def add_project(_source: object, context: Context, given: AddProjectInput) -> Project:
    """Make a project; the order of the checks is Lagoon's."""
    world = context.world
    target = _checked_target(context, given)
    name = _checked_name(context, given)
    private_key, public_key = _key_pair(given.get("private_key"))
    if target is None:
        wanted = given.get("kubernetes") or given.get("openshift")
        raise RefusedError(f'Openshift ID: "{wanted}" does not exist"')
    project = Project(
        id=world.next_id("project"),
        name=name,
        git_url=given["git_url"],
        organization=given.get("organization"),
        target=target,
        created=world.clock(),
        production_environment=given["production_environment"],
        private_key=private_key,
        public_key=public_key,
        is_deploy_disabled=bool(given.get("deployments_disabled")),
        groups=[_default_group(context, given)],
    )
    for attribute in ("branches", "pullrequests", "subfolder", "auto_idle", "storage_calc"):
        value = given.get(attribute)
        if value is not None:
            setattr(project, attribute, value)
    limit = given.get("development_environments_limit")
    project.development_environments_limit = 5 if limit is None else limit
    world.projects[project.id] = project
    world.names[name.lower()] = project
    return project


def _checked_target(context: Context, given: AddProjectInput) -> DeployTarget | None:
    world = context.world
    organization_id = given.get("organization")
    target = world.targets.get(given.get("kubernetes") or given.get("openshift") or 0)
    if organization_id is None:
        if not context.caller.is_legacy_admin:
            raise RefusedError("Project creation is restricted to organizations only")
        return target
    context.caller.require_organization(world, "addProject", organization_id)
    organization = world.organizations.get(organization_id)
    if organization is None:
        raise denied("addProject", "organization")
    count, quota = len(world.organization_projects(organization_id)), organization.quota_project
    if 0 <= quota <= count:
        raise RefusedError(f"This would exceed this organizations project quota; {count}/{quota}")
    if target is None and (given.get("kubernetes") or given.get("openshift")):
        raise RefusedError("The provided deploytarget is not valid for this organization")
    return target


def _checked_name(context: Context, given: AddProjectInput) -> str:
    name, git_url = given["name"], given["git_url"]
    if not name.strip():
        raise RefusedError("A project name must be provided!")
    if not re.fullmatch(r"[0-9a-z-]+", name):
        raise RefusedError("Only lowercase characters, numbers and dashes allowed for name!")
    if "--" in name:
        raise RefusedError("Multiple consecutive dashes are not allowed for name!")
    if "/" not in git_url or re.search(r"\s", git_url):
        raise RefusedError("The provided gitUrl is invalid.")
    if not (given.get("kubernetes") or given.get("openshift")):
        raise RefusedError("Must provide kubernetes or openshift field")
    if context.world.project(name):
        raise RefusedError(f"Error creating project '{name}'. Project already exists.")
    if len(name) > NAME_COLUMN:
        # The database's own words, statement and values included.
        raise RefusedError(
            "(conn:85, no: 1406, SQLState: 22001) Data too long for column 'name' at row 1\n"
            f"sql: CALL CreateProject(NULL, '{name}', '{git_url}') - parameters:[]"
        )
    return name


def _key_pair(private_key: str | None) -> tuple[str, str]:
    """Return the deploy key's two halves; a new pair when none is given."""
    if not private_key:
        key = asyncssh.generate_private_key("ssh-ed25519")
        return key.export_private_key("openssh").decode(), public_half(key)
    try:
        return private_key, public_half(asyncssh.import_private_key(private_key))
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError) as error:
        raise RefusedError(f"There was an error with the privateKey: {error}") from error


def _default_group(context: Context, given: AddProjectInput) -> Group:
    world = context.world
    number = world.next_id("group")
    group = Group(
        id=f"00000000-0000-4000-8000-{number:012d}",
        name=f"project-{given['name']}",
        organization=given.get("organization"),
        role=Role.OWNER if given.get("add_org_owner") else None,
        type="project-default-group",
    )
    world.groups[group.name] = group
    return group


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
