"""Users: made, changed, deleted."""

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, EmailStr

from polydock_pipelines.simulator.amazee_ai import limits
from polydock_pipelines.simulator.amazee_ai.callers import (
    TEAM_ADMIN,
    Administrator,
    Caller,
    Here,
    TeamAdministrator,
    forbidden,
    is_administrator,
    role_of,
)
from polydock_pipelines.simulator.amazee_ai.emails import accepted
from polydock_pipelines.simulator.amazee_ai.lookup import check_role, team_of, user_of
from polydock_pipelines.simulator.amazee_ai.model import AiUser, AmazeeAi
from polydock_pipelines.simulator.amazee_ai.shapes import Json, user_shape

REGISTERED = "Email already registered"
NO_USER = "User not found"

router = APIRouter(prefix="/users")


class NewUser(BaseModel):
    """The body of `POST /users`. The password is taken and never used: there is no login here."""

    email: EmailStr
    password: str | None = None
    team_id: int | None = None
    role: str | None = None
    receive_marketing_updates: bool = False


class UserUpdate(BaseModel):
    """The body of `PUT /users/{id}`, the only one that refuses what it does not know."""

    model_config = ConfigDict(extra="forbid")

    email: EmailStr | None = None
    is_admin: bool | None = None
    is_active: bool | None = None
    receive_marketing_updates: bool | None = None


@router.post("", status_code=201)
@router.post("/", status_code=201)
async def create_user(new: NewUser, user: TeamAdministrator, world: Here) -> Json:
    """Make a user; a team's administrator makes one of the own team."""
    ai = world.amazee_ai
    email = accepted(new.email)
    if ai.user_with(email):
        raise HTTPException(400, REGISTERED)
    if not is_administrator(user) and user.team_id != new.team_id:
        raise forbidden()
    if new.team_id is not None:
        team_of(ai, new.team_id)
        limits.check_users(ai, new.team_id)
    role = new.role or ("read_only" if new.team_id is not None else None)
    if role is not None:
        check_role(role)
    made = AiUser(
        id=world.next_id("ai_user"),
        email=email,
        team_id=new.team_id,
        role=role,
        receive_marketing_updates=new.receive_marketing_updates,
    )
    ai.users[made.id] = made
    return user_shape(made)


@router.get("/{user_id}")
async def get_user(user_id: int, user: Caller, world: Here) -> Json:
    """Return a user, to administrators; for anybody else there is none."""
    if not is_administrator(user) and role_of(user) != TEAM_ADMIN:
        raise HTTPException(404, NO_USER)
    return user_shape(_within_reach(world.amazee_ai, user, user_id))


@router.put("/{user_id}")
async def update_user(
    user_id: int, changes: UserUpdate, user: TeamAdministrator, world: Here
) -> Json:
    """Change a user."""
    ai = world.amazee_ai
    changed = _within_reach(ai, user, user_id)
    if changes.is_admin:
        _check_promotion(user, changed)
    if changes.email is not None:
        email = accepted(changes.email)
        if ai.user_with(email) not in (None, changed):
            raise HTTPException(400, REGISTERED)
        changed.email = email
    for name, value in changes.model_dump(exclude={"email"}, exclude_none=True).items():
        setattr(changed, name, value)
    return user_shape(changed)


@router.delete("/{user_id}")
async def delete_user(user_id: int, _admin: Administrator, world: Here) -> Json:
    """Delete a user without keys, and with it its tokens."""
    ai = world.amazee_ai
    deleted = user_of(ai, user_id)
    if any(key.owner_id == deleted.id for key in ai.keys.values()):
        raise HTTPException(400, "Cannot delete user with associated AI keys")
    del ai.users[deleted.id]
    for token in [token for token in ai.tokens.values() if token.user_id == deleted.id]:
        del ai.tokens[token.id]
    return {"message": "User deleted successfully"}


def _within_reach(ai: AmazeeAi, user: AiUser, user_id: int) -> AiUser:
    """Return a user; for a team's administrator there is none outside the team."""
    found = user_of(ai, user_id)
    if not is_administrator(user) and found.team_id != user.team_id:
        raise HTTPException(404, NO_USER)
    return found


def _check_promotion(user: AiUser, promoted: AiUser) -> None:
    if not is_administrator(user):
        raise forbidden()
    if promoted.team_id is not None:
        raise HTTPException(400, "Team members cannot be made administrators")
