"""Users in teams, and the roles that they have."""

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel

from polydock_pipelines.simulator.amazee_ai.callers import (
    TEAM_ADMIN,
    Administrator,
    Here,
    TeamAdministrator,
    forbidden,
    is_administrator,
)
from polydock_pipelines.simulator.amazee_ai.lookup import check_role, team_of, user_of
from polydock_pipelines.simulator.amazee_ai.shapes import Json, user_shape

router = APIRouter(prefix="/users/{user_id}")


class TeamOperation(BaseModel):
    """The body of `POST /users/{id}/add-to-team`."""

    team_id: int


class RoleUpdate(BaseModel):
    """The body of `POST /users/{id}/role`."""

    role: str


@router.post("/add-to-team")
async def add_to_team(
    user_id: int, asked: TeamOperation, _admin: TeamAdministrator, world: Here
) -> Json:
    """Put a user into a team; the role stays what it was."""
    ai = world.amazee_ai
    added = user_of(ai, user_id)
    if added.team_id is not None:
        raise HTTPException(400, "User is already a member of another team")
    if added.is_admin:
        raise HTTPException(400, "Administrators cannot be added to teams")
    team_of(ai, asked.team_id)
    added.team_id = asked.team_id
    return user_shape(added)


@router.post("/remove-from-team")
async def remove_from_team(user_id: int, _admin: Administrator, world: Here) -> Json:
    """Take a user out of a team that keeps an administrator."""
    ai = world.amazee_ai
    removed = user_of(ai, user_id)
    if removed.team_id is None:
        raise HTTPException(400, "User is not a member of any team")
    admins = [one for one in ai.members(removed.team_id) if one.role == TEAM_ADMIN]
    if admins == [removed]:
        raise HTTPException(400, "Cannot remove the last team admin")
    removed.team_id = None
    return user_shape(removed)


@router.post("/role")
async def change_role(
    user_id: int, asked: RoleUpdate, user: TeamAdministrator, world: Here
) -> Json:
    """Give a user another role."""
    check_role(asked.role)
    changed = user_of(world.amazee_ai, user_id)
    if not is_administrator(user) and changed.team_id != user.team_id:
        raise forbidden()
    if changed.is_admin:
        raise HTTPException(400, "Cannot change role of an administrator")
    changed.role = asked.role
    return user_shape(changed)
