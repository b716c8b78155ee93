"""Groups and organizations, and their links to projects."""

from typing import TypedDict

from polydock_pipelines.simulator.model import (
    DeployTarget,
    Environment,
    Group,
    Organization,
    Project,
    Role,
    User,
)
from polydock_pipelines.simulator.operations.lookup import ProjectInput, project_of
from polydock_pipelines.simulator.permissions import RefusedError, denied
from polydock_pipelines.simulator.schema import Context, resolves


class GroupInput(TypedDict, total=False):
    """A group by its id or its name."""

    id: str | None
    name: str | None


class ProjectGroupsInput(TypedDict):
    """What the two link operations take."""

    project: ProjectInput
    groups: list[GroupInput]


@resolves("Mutation", "addGroupsToProject")
def add_groups(
    _source: object, context: Context, given: ProjectGroupsInput | None = None
) -> Project:
    """Link groups to a project; a link that is there already stays."""
    project, groups = _checked(context, given, "addGroup")
    for group in groups:
        if group.organization != project.organization:
            raise RefusedError("Group must be in same organization as the project")
    project.groups = [*project.groups, *(g for g in groups if g not in project.groups)]
    return project


@resolves("Mutation", "removeGroupsFromProject")
def remove_groups(_source: object, context: Context, given: ProjectGroupsInput) -> Project:
    """Unlink groups from a project, linked or not."""
    project, groups = _checked(context, given, "removeGroup")
    project.groups = [group for group in project.groups if group not in groups]
    return project


def _checked(
    context: Context, given: ProjectGroupsInput | None, scope: str
) -> tuple[Project, list[Group]]:
    project = project_of(context.world, given["project"] if given else None)
    if project.organization:
        context.caller.require_organization(context.world, scope, project.organization)
    else:
        context.caller.require(context.world, scope, "project", project)
    groups = given["groups"] if given else []
    if not groups:
        raise RefusedError("You must provide groups")
    return project, [_group(context, group) for group in groups]


def _group(context: Context, given: GroupInput) -> Group:
    for group in context.world.groups.values():
        if group.id == given.get("id") or group.name == given.get("name"):
            return group
    raise RefusedError(f"Group not found: {given.get('name') or given.get('id')}")


@resolves("Query", "groupByName")
def group_by_name(_source: object, context: Context, name: str) -> Group:
    """Return a group of the caller's; the others do not exist for them."""
    group = _group(context, {"name": name})
    if not (group.is_seeded or group.role or context.caller.is_legacy_admin):
        raise RefusedError(f"Group not found: {name}")
    return group


@resolves("Group", "projects")
def group_projects(group: Group, context: Context) -> list[Project]:
    """Return the projects that the group is linked to."""
    return [p for p in context.world.projects.values() if group in p.groups]


@resolves("Query", "organizationById")
def organization_by_id(_source: object, context: Context, id_: int) -> Organization | None:
    """Return an organization; an unknown one is null for admins, an error for users."""
    found = context.world.organizations.get(id_)
    if not context.caller.is_legacy_admin and not (
        found and context.world.settings.organization_role
    ):
        raise denied("view", "organization")
    return found


@resolves("Query", "organizationByName")
def organization_by_name(_source: object, context: Context, name: str) -> Organization | None:
    """Return an organization, or null."""
    found = context.world.organization_named(name)
    return organization_by_id(None, context, found.id) if found else None


@resolves("Organization", "projects")
def organization_projects(organization: Organization, context: Context) -> list[Project]:
    """Return the projects of an organization."""
    return context.world.organization_projects(organization.id)


@resolves("Organization", "environments")
def organization_environments(organization: Organization, context: Context) -> list[Environment]:
    """Return all environments of an organization that stand."""
    projects = context.world.organization_projects(organization.id)
    return [environment for project in projects for environment in project.live.values()]


@resolves("Organization", "groups")
def organization_groups(organization: Organization, context: Context) -> list[Group]:
    """Return the groups of an organization."""
    return [g for g in context.world.groups.values() if g.organization == organization.id]


@resolves("Organization", "deployTargets")
def organization_targets(_organization: Organization, context: Context) -> list[DeployTarget]:
    """Return the clusters that an organization may use: here all."""
    return list(context.world.targets.values())


@resolves("Organization", "owners")
def organization_owners(_organization: Organization, context: Context) -> list[User]:
    """Return those who own or administer the organization: the calling user, or nobody."""
    role = context.world.settings.organization_role
    return [context.world.user] if role in (Role.OWNER, Role.ADMIN) else []


@resolves("OrgUser", "owner")
def is_owner(_user: User, context: Context) -> bool:
    """Tell whether the user is the organization's owner."""
    return context.world.settings.organization_role == Role.OWNER


@resolves("OrgUser", "admin")
def is_admin(_user: User, context: Context) -> bool:
    """Tell whether the user is the organization's admin."""
    return context.world.settings.organization_role == Role.ADMIN


for _name, _value in (
    ("description", ""),
    ("quotaGroup", -1),
    ("quotaNotification", -1),
    ("quotaRoute", -1),
    ("created", None),
):
    resolves("Organization", _name)(lambda _source, _context, value=_value: value)
