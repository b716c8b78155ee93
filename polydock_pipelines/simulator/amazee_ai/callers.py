"""Who sends a request, and what that user's role allows.

Whether a user is active does not matter here: the backend does not look.
"""

from typing import Annotated

from fastapi import Depends, HTTPException
from starlette.requests import Request

from polydock_pipelines.simulator.amazee_ai.model import ADMIN_ID, AiUser, AmazeeAi
from polydock_pipelines.simulator.world import World

SYSTEM_ADMIN, TEAM_ADMIN = "system_admin", "admin"
SYSTEM_ROLES = (SYSTEM_ADMIN, "user", "sales")
TEAM_ROLES = (TEAM_ADMIN, "key_creator", "read_only")
BAD_TOKEN = "Could not validate credentials"  # noqa: S105 - an answer
CHALLENGE = {"WWW-Authenticate": "Bearer"}


async def the_world(request: Request) -> World:
    """Return the world."""
    return request.app.state.world


Here = Annotated[World, Depends(the_world)]


async def caller(request: Request, world: Here) -> AiUser:
    """Return the user whose token came with the request."""
    ai = world.amazee_ai
    header = request.headers.get("authorization")
    if not header:
        raise unauthorized()
    parts = header.split()
    if len(parts) != 2 or parts[0].lower() != "bearer":
        text = "Invalid authorization header format. Use 'Bearer <token>'"
        raise HTTPException(401, text)
    token = next((token for token in ai.tokens.values() if token.token == parts[1]), None)
    if token is None or (token.id == ADMIN_ID and ai.settings.revoked):
        raise unauthorized()
    token.last_used_at = world.clock()
    user = ai.users[token.user_id]
    _refuse_former_member(ai, user)
    return user


Caller = Annotated[AiUser, Depends(caller)]


async def administrator(user: Caller) -> AiUser:
    """Return the caller, who is an administrator of the whole system."""
    require(user, SYSTEM_ADMIN)
    return user


Administrator = Annotated[AiUser, Depends(administrator)]


async def team_administrator(user: Caller) -> AiUser:
    """Return the caller, who is an administrator of the system or of a team."""
    require(user, SYSTEM_ADMIN, TEAM_ADMIN)
    return user


TeamAdministrator = Annotated[AiUser, Depends(team_administrator)]


def role_of(user: AiUser) -> str | None:
    """Return the role that counts, or None where role and team do not go together.

    Only the flag makes an administrator, and only one without a team.
    """
    if user.is_admin:
        return SYSTEM_ADMIN if user.team_id is None else None
    role = "user" if user.role in (None, SYSTEM_ADMIN) else user.role
    return role if role in (SYSTEM_ROLES if user.team_id is None else TEAM_ROLES) else None


def is_administrator(user: AiUser) -> bool:
    """Tell whether the user may do what administrators of the system may."""
    return role_of(user) == SYSTEM_ADMIN


def require(user: AiUser, *roles: str) -> None:
    """Refuse a user who has none of the *roles*."""
    if role_of(user) not in roles:
        raise forbidden()


def unauthorized() -> HTTPException:
    """Return the answer to a token that is missing, wrong or revoked."""
    return HTTPException(401, BAD_TOKEN, headers=CHALLENGE)


def forbidden() -> HTTPException:
    """Return the answer to somebody who may not do this."""
    return HTTPException(403, "Not authorized to perform this action")


def _refuse_former_member(ai: AmazeeAi, user: AiUser) -> None:
    team = ai.teams.get(user.team_id or 0)
    if team is not None and team.deleted_at is not None:
        raise HTTPException(403, "Team has been deleted")
