"""Private keys: made for a user or a team, listed with their secrets, deleted for good."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel
from starlette.requests import Request

from polydock_pipelines.simulator.amazee_ai import key_service, limits
from polydock_pipelines.simulator.amazee_ai.callers import (
    SYSTEM_ADMIN,
    TEAM_ADMIN,
    Administrator,
    Caller,
    Here,
    forbidden,
    is_administrator,
    require,
    role_of,
)
from polydock_pipelines.simulator.amazee_ai.lookup import team_of, user_of
from polydock_pipelines.simulator.amazee_ai.model import AiKey, AiTeam, AiUser, AmazeeAi
from polydock_pipelines.simulator.amazee_ai.shapes import (
    Json,
    detail_shape,
    key_shape,
    spend_shape,
    token_key_shape,
    vector_db_shape,
)
from polydock_pipelines.simulator.amazee_ai.trouble import ordered_fault
from polydock_pipelines.simulator.faults import Fault
from polydock_pipelines.simulator.world import World

SOURCE_HEADER = "x-amazee-source"
NO_KEY = "Private AI Key not found"
_CREATORS = (TEAM_ADMIN, "key_creator")

router = APIRouter(prefix="/private-ai-keys")

OrderedFault = Annotated[Fault | None, Depends(ordered_fault)]


class NewKey(BaseModel):
    """The body of the three creations; `key_alias`, as all else, is ignored."""

    region_id: int
    name: str
    owner_id: int | None = None
    team_id: int | None = None


@dataclass(frozen=True)
class Parts:
    """What a creation makes."""

    has_llm: bool = False
    has_vector_db: bool = False
    is_cut: bool = False
    """The backend dies after the key service has taken the alias."""


@router.post("")
@router.post("/")
async def create_key(
    new: NewKey, request: Request, user: Caller, world: Here, fault: OrderedFault
) -> Json:
    """Make a key with a database."""
    if not is_administrator(user):
        if SOURCE_HEADER not in request.headers:
            raise HTTPException(503, "Key provisioning service is not configured")
        require(user, "user", *_CREATORS)
    parts = Parts(has_llm=True, has_vector_db=True, is_cut=_is_cut(fault))
    return key_shape(_make(world, user, new, parts))


@router.post("/token")
async def create_token_key(new: NewKey, user: Caller, world: Here, fault: OrderedFault) -> Json:
    """Make a key without a database."""
    require(user, SYSTEM_ADMIN, *_CREATORS)
    return token_key_shape(_make(world, user, new, Parts(has_llm=True, is_cut=_is_cut(fault))))


@router.post("/vector-db")
async def create_vector_db(new: NewKey, user: Caller, world: Here) -> Json:
    """Make a database alone. It has no alias, so the same name twice makes two."""
    require(user, SYSTEM_ADMIN, *_CREATORS)
    return vector_db_shape(_make(world, user, new, Parts(has_vector_db=True)))


class Listing(BaseModel):
    """The query of `GET /private-ai-keys`."""

    owner_id: int | None = None
    team_id: int | None = None
    search: str = ""
    show_all: bool = False


@router.get("")
@router.get("/")
async def list_keys(asked: Annotated[Listing, Query()], user: Caller, world: Here) -> list[Json]:
    """Return keys; an administrator who does not say whose gets the own ones."""
    return [key_shape(key) for key in _listed(world.amazee_ai, user, asked)]


@router.get("/region/{region_id}")
async def list_keys_of_region(
    region_id: int,
    user: Caller,
    world: Here,
    team_id: int | None = None,
    user_id: int | None = None,
) -> list[Json]:
    """Return keys of one region, by the same rules."""
    asked = Listing(owner_id=user_id, team_id=team_id)
    listed = _listed(world.amazee_ai, user, asked)
    return [key_shape(key) for key in listed if key.region.id == region_id]


@router.get("/{key_id}")
async def get_key(
    key_id: int, user: Administrator, world: Here, team_id: int | None = None
) -> Json:
    """Return a key with what the key service knows of it."""
    return detail_shape(_key(world.amazee_ai, user, key_id, team_id))


@router.get("/{key_id}/spend")
async def get_spend(key_id: int, user: Caller, world: Here) -> Json:
    """Return what a key has spent, and its own budget."""
    return spend_shape(_key(world.amazee_ai, user, key_id))


@router.delete("/{key_id}")
async def delete_key(key_id: int, user: Caller, world: Here, team_id: int | None = None) -> Json:
    """Delete a key with its alias and database, in an inactive region too."""
    require(user, SYSTEM_ADMIN, "user", *_CREATORS)
    key = _key(world.amazee_ai, user, key_id, team_id)
    key_service.forget(world.amazee_ai, key)
    return {"message": "Private AI Key deleted successfully"}


def _is_cut(fault: Fault | None) -> bool:
    return fault is not None and fault.kind == "ai_locked_alias"


def _make(world: World, user: AiUser, new: NewKey, parts: Parts) -> AiKey:
    ai, now = world.amazee_ai, world.clock()
    region = ai.regions.get(new.region_id)
    if region is None or not region.is_active:
        raise HTTPException(404, "Region not found or inactive")
    owner = _owner(ai, user, new)
    if parts.has_llm:
        limits.check_keys(ai, owner)
    if parts.has_vector_db:
        limits.check_vector_dbs(ai, owner)
    llm = None
    if parts.has_llm:
        llm = key_service.grant(world, region, owner, new.name, is_cut=parts.is_cut)
    key = AiKey(
        id=world.next_id("ai_key"),
        name=new.name,
        region=region,
        owner_id=None if isinstance(owner, AiTeam) else owner.id,
        team_id=owner.id if isinstance(owner, AiTeam) else None,
        created_at=now,
        updated_at=now,
        llm=llm,
        vector_db=key_service.new_vector_db() if parts.has_vector_db else None,
    )
    ai.keys[key.id] = key
    return key


def _owner(ai: AmazeeAi, user: AiUser, new: NewKey) -> AiUser | AiTeam:
    """Return whose the key will be: the caller's, if nobody is named."""
    if not is_administrator(user):
        _refuse_strangers(ai, user, new)
    if new.owner_id is not None and new.team_id is not None:
        raise HTTPException(400, "Either owner_id or team_id must be specified, not both")
    if new.team_id is not None:
        team = team_of(ai, new.team_id)
        # Such a team has no keys of its own, and the caller is not told so.
        return user if team.force_user_keys else team
    return user_of(ai, user.id if new.owner_id is None else new.owner_id, "Owner user not found")


def _refuse_strangers(ai: AmazeeAi, user: AiUser, new: NewKey) -> None:
    """Keep a user to the own keys, and a team's creators to the team."""
    if new.team_id not in (None, user.team_id):
        raise forbidden()
    if new.owner_id in (None, user.id):
        return
    owner = ai.users.get(new.owner_id or 0)
    if user.team_id is None or owner is None or owner.team_id != user.team_id:
        raise forbidden()


def _listed(ai: AmazeeAi, user: AiUser, asked: Listing) -> Iterator[AiKey]:
    for key in ai.keys.values():
        team = ai.teams.get(key.team_id or 0)
        is_hidden = team is not None and team.deleted_at is not None
        if not is_hidden and _is_chosen(ai, user, key, asked) and _is_found(key, asked.search):
            yield key


def _is_chosen(ai: AmazeeAi, user: AiUser, key: AiKey, asked: Listing) -> bool:
    if not is_administrator(user):
        return _is_within_reach(ai, user, key)
    if asked.owner_id is not None:
        return key.owner_id == asked.owner_id
    if asked.team_id is not None:
        return ai.is_of_team(key, asked.team_id)
    return asked.show_all or key.owner_id == user.id


def _is_found(key: AiKey, text: str) -> bool:
    """Tell whether the search finds a key: by its database's words, never by its name."""
    database = key.vector_db
    words = (database.name, database.username) if database else ()
    return not text or any(text.lower() in word for word in words)


def _is_within_reach(ai: AmazeeAi, user: AiUser, key: AiKey) -> bool:
    """Tell whether a user who is no administrator of the system may touch a key."""
    if key.owner_id == user.id:
        return True
    if user.team_id is None:
        return False
    if role_of(user) == TEAM_ADMIN:
        return ai.is_of_team(key, user.team_id)
    return key.team_id == user.team_id


def _key(ai: AmazeeAi, user: AiUser, key_id: int, team_id: int | None = None) -> AiKey:
    """Return a key; for those who may not touch it, or name a wrong team, there is none."""
    key = ai.keys.get(key_id)
    if key is None or not (is_administrator(user) or _is_within_reach(ai, user, key)):
        raise HTTPException(404, NO_KEY)
    if team_id is not None and not ai.is_of_team(key, team_id):
        raise HTTPException(404, NO_KEY)
    return key
