"""Health, who one is, and API tokens."""

import secrets

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel

from polydock_pipelines.simulator.amazee_ai.callers import (
    Caller,
    Here,
    forbidden,
    is_administrator,
)
from polydock_pipelines.simulator.amazee_ai.lookup import user_of
from polydock_pipelines.simulator.amazee_ai.model import AiToken, AiUser, AmazeeAi
from polydock_pipelines.simulator.amazee_ai.shapes import Json, token_shape, user_shape

VERSION = "2.1.0"
"""The release whose behaviour is reproduced."""

router = APIRouter()


class NewToken(BaseModel):
    """The body of `POST /auth/token`; without a user it is the caller's."""

    name: str
    user_id: int | None = None


@router.get("/health")
async def health() -> Json:
    """Say what it always says: neither the database nor the key services are asked."""
    return {"status": "healthy"}


@router.get("/version")
async def version() -> Json:
    """Return the release."""
    return {"version": VERSION}


@router.get("/auth/me")
async def me(user: Caller, world: Here) -> Json:
    """Return the caller."""
    return user_shape(user, world.amazee_ai.teams.get(user.team_id or 0))


@router.post("/auth/token")
async def create_token(new: NewToken, user: Caller, world: Here) -> Json:
    """Make a token, also under a name that is there already, and tell its text."""
    ai = world.amazee_ai
    holder = _holder(ai, user, new.user_id)
    text = secrets.token_urlsafe(32)
    token = AiToken(world.next_id("ai_token"), new.name, holder.id, text, world.clock())
    ai.tokens[token.id] = token
    return {**token_shape(token), "token": token.token}


@router.get("/auth/token")
async def list_tokens(user: Caller, world: Here, user_id: int | None = None) -> list[Json]:
    """Return the tokens of the caller or, for an administrator, of another user."""
    ai = world.amazee_ai
    holder = _holder(ai, user, user_id)
    return [token_shape(token) for token in ai.tokens.values() if token.user_id == holder.id]


@router.delete("/auth/token/{token_id}")
async def delete_token(token_id: int, user: Caller, world: Here) -> Json:
    """Delete a token of the caller's; not even an administrator may delete another's."""
    tokens = world.amazee_ai.tokens
    token = tokens.get(token_id)
    if token is None or token.user_id != user.id:
        raise HTTPException(404, "Token not found")
    del tokens[token_id]
    return {"message": "Token deleted successfully"}


def _holder(ai: AmazeeAi, user: AiUser, user_id: int | None) -> AiUser:
    if user_id is None:
        return user
    if not is_administrator(user):
        raise forbidden()
    return user_of(ai, user_id)
