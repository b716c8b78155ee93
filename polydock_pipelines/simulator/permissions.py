"""Who may do what, by Lagoon's permission matrix.

Roles come from groups on the project; an organization's owner may create and delete projects in
it and link groups, and nothing else.
"""

from dataclasses import dataclass

from polydock_pipelines.simulator.model import Environment, Project, Role
from polydock_pipelines.simulator.world import World

UNAUTHORIZED = "Unauthorized"
"""Lagoon's answer for many things that do not exist, lest a stranger learn what does."""

_DEVELOPER_MAY = {
    ("deploy:development", "environment"),
    ("delete:development", "environment"),
    ("ssh:development", "environment"),
    ("environment:add:development", "env_var"),
    ("environment:delete:development", "env_var"),
    ("environment:viewValue:development", "env_var"),
}
_OWNER_MAY = {("delete:production", "environment"), ("viewPrivateKey", "project")}
_GUEST_MAY = {"view", "project:view", "environment:view:production", "environment:view:development"}


class RefusedError(Exception):
    """An answer with HTTP 200, an entry in `errors` and null for the field."""


@dataclass(frozen=True)
class Caller:
    """Who sent the request."""

    is_legacy_admin: bool = False

    def may(self, world: World, scope: str, resource: str, project: Project) -> bool:
        """Tell whether the caller's groups on *project* allow this."""
        if self.is_legacy_admin:
            return True
        role = project_role(world, project)
        return role is not None and role.rank >= _needed(scope, resource).rank

    def require(self, world: World, scope: str, resource: str, project: Project) -> None:
        """Refuse, in Lagoon's words, what the caller's groups on *project* do not allow."""
        if not self.may(world, scope, resource, project):
            raise denied(scope, resource)

    def require_organization(self, world: World, scope: str, organization_id: int | None) -> None:
        """Refuse what only an owner or admin of that organization may do."""
        if self.is_legacy_admin:
            return
        role = world.settings.organization_role
        if organization_id not in world.organizations or role not in (Role.OWNER, Role.ADMIN):
            raise denied(scope, "organization")

    def sees(self, world: World, project: Project) -> bool:
        """Tell whether the project is listed for the caller."""
        if self.is_legacy_admin or project_role(world, project):
            return True
        return bool(project.organization and world.settings.organization_role)


def denied(scope: str, resource: str) -> RefusedError:
    """Return Lagoon's sentence for a missing permission."""
    return RefusedError(f'Unauthorized: You don\'t have permission to "{scope}" on "{resource}"')


def project_role(world: World, project: Project) -> Role | None:
    """Return the calling user's mightiest role on a project."""
    roles = [
        world.settings.group_role if group.is_seeded else group.role for group in project.groups
    ]
    return max((role for role in roles if role), key=lambda role: role.rank, default=None)


def may_ssh(world: World, caller: Caller, environment: Environment) -> bool:
    """Tell whether the caller may open a session in an environment."""
    scope = f"ssh:{environment.environment_type}"
    return caller.may(world, scope, "environment", environment.project)


def _needed(scope: str, resource: str) -> Role:
    if (scope, resource) in _OWNER_MAY:
        return Role.OWNER
    if scope in _GUEST_MAY:
        return Role.GUEST
    if (scope, resource) in _DEVELOPER_MAY:
        return Role.DEVELOPER
    return Role.MAINTAINER
