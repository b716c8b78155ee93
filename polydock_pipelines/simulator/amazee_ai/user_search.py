"""Users, found in three ways that differ."""

import zlib
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from polydock_pipelines.simulator.amazee_ai.callers import (
    Administrator,
    Here,
    TeamAdministrator,
    is_administrator,
)
from polydock_pipelines.simulator.amazee_ai.emails import like, without_tag
from polydock_pipelines.simulator.amazee_ai.shapes import Json, user_shape

MOST_FOUND = 10

router = APIRouter(prefix="/users")

Asked = Annotated[str, Query(min_length=1)]


@router.get("/search")
async def search(email: Asked, _admin: Administrator, world: Here) -> list[Json]:
    """Return up to ten active users whose address holds *email*, in no order.

    The same order each time, but the exact address is last in it: who takes the first is wrong.
    """
    pattern, exact = like(email), email.lower()
    users = world.amazee_ai.users.values()
    found = [user for user in users if user.is_active and pattern.search(user.email)]
    found.sort(key=lambda user: (user.email == exact, zlib.crc32(user.email.encode())))
    return [user_shape(user) for user in found[:MOST_FOUND]]


@router.get("/by-email")
async def by_email(email: Asked, _admin: Administrator, world: Here) -> list[Json]:
    """Return the active users of an address, whatever tags they or it have."""
    ai, wanted = world.amazee_ai, without_tag(email)
    return [
        user_shape(user, ai.teams.get(user.team_id or 0))
        for user in ai.users.values()
        if user.is_active and without_tag(user.email) == wanted
    ]


class Listing(BaseModel):
    """The query of `GET /users`."""

    search: str = ""
    role: str | None = None
    include_inactive: bool = False
    skip: int = 0
    limit: int = 100


@router.get("")
@router.get("/")
async def list_users(
    asked: Annotated[Listing, Query()], user: TeamAdministrator, world: Here, response: Response
) -> list[Json]:
    """Return users, on request inactive ones too; to a team's administrator those of the team."""
    ai = world.amazee_ai
    seen = ai.users.values() if is_administrator(user) else ai.members(user.team_id or 0)
    found = [
        one
        for one in seen
        if (one.is_active or asked.include_inactive)
        and asked.search.lower() in one.email
        and asked.role in (None, one.role)
    ]
    response.headers["X-Total-Count"] = str(len(found))
    chosen = found[asked.skip :][: asked.limit]
    return [user_shape(one, ai.teams.get(one.team_id or 0)) for one in chosen]
