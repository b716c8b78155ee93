"""A new project: the checks in Lagoon's order, and its deploy key."""

import re
from typing import Required, TypedDict

import asyncssh

from polydock_pipelines.simulator.keys import public_half
from polydock_pipelines.simulator.model import DeployTarget, Group, Project, Role
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
