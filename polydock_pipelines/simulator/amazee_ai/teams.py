"""Teams: made, found, and deleted in two ways, neither of which takes the keys along."""

from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, EmailStr

from polydock_pipelines.simulator.amazee_ai import key_service
from polydock_pipelines.simulator.amazee_ai.callers import (
    Administrator,
    Caller,
    Here,
    TeamAdministrator,
    forbidden,
    is_administrator,
)
from polydock_pipelines.simulator.amazee_ai.emails import accepted
from polydock_pipelines.simulator.amazee_ai.lookup import no_team, team_of
from polydock_pipelines.simulator.amazee_ai.model import AiTeam, AiUser, AmazeeAi
from polydock_pipelines.simulator.amazee_ai.shapes import Json, team_shape, user_shape

router = APIRouter(prefix="/teams")


class NewTeam(BaseModel):
    """The body of `POST /teams`."""

    name: str
    admin_email: EmailStr
    region_id: int
    phone: str | None = None
    billing_address: str | None = None
    force_user_keys: bool = False
    hide_public_regions: bool = False
    budget_type: Literal["periodic", "pool"] = "periodic"
    require_purchase_for_requests: bool = True


class TeamUpdate(BaseModel):
    """The body of `PUT /teams/{id}`."""

    name: str | None = None
    admin_email: EmailStr | None = None
    phone: str | None = None
    billing_address: str | None = None
    is_active: bool | None = None
    force_user_keys: bool | None = None
    hide_public_regions: bool | None = None
    require_purchase_for_requests: bool | None = None


class Listing(BaseModel):
    """The query of `GET /teams`."""

    name: str = ""
    admin_email: str = ""
    include_deleted: bool = False
    skip: int = 0
    limit: int = 100


@router.post("", status_code=201)
@router.post("/", status_code=201)
async def create_team(new: NewTeam, _user: Caller, world: Here) -> Json:
    """Make a team. Its address makes no user."""
    ai = world.amazee_ai
    accepted(new.admin_email)
    _refuse_twin(ai, new.admin_email, new.name)
    region = ai.regions.get(new.region_id)
    if region is None or not region.is_active or region.is_dedicated:
        raise HTTPException(400, "Region not found, inactive or dedicated")
    team = AiTeam(id=world.next_id("ai_team"), created_at=world.clock(), **new.model_dump())
    ai.teams[team.id] = team
    return team_shape(team)


@router.get("")
@router.get("/")
async def list_teams(
    asked: Annotated[Listing, Query()], _admin: Administrator, world: Here
) -> list[Json]:
    """Return teams, on request soft-deleted ones too."""
    found = [
        team
        for team in world.amazee_ai.teams.values()
        if (team.deleted_at is None or asked.include_deleted)
        and asked.name.lower() in team.name.lower()
        and asked.admin_email.lower() in team.admin_email.lower()
    ]
    return [team_shape(team) for team in found[asked.skip :][: asked.limit]]


@router.get("/{team_id}")
async def get_team(
    team_id: int, user: TeamAdministrator, world: Here, *, include_deleted: bool = False
) -> Json:
    """Return a team with its users."""
    ai = world.amazee_ai
    _refuse_strangers(user, team_id)
    team = team_of(ai, team_id) if include_deleted else _living(ai, team_id)
    return {**team_shape(team), "users": [user_shape(one) for one in ai.members(team_id)]}


@router.put("/{team_id}")
async def update_team(
    team_id: int, changes: TeamUpdate, user: TeamAdministrator, world: Here
) -> Json:
    """Change a team."""
    ai = world.amazee_ai
    _refuse_strangers(user, team_id)
    team = _living(ai, team_id)
    _refuse_twin(ai, changes.admin_email, changes.name, beside=team)
    for name, value in changes.model_dump(exclude_none=True).items():
        setattr(team, name, value)
    team.updated_at = world.clock()
    return team_shape(team)


@router.post("/{team_id}/soft-delete")
async def soft_delete(team_id: int, _admin: Administrator, world: Here) -> Json:
    """Switch a team off, with its users and keys. All rows stay, and so do name and address."""
    ai, now = world.amazee_ai, world.clock()
    team = ai.teams.get(team_id)
    if team is None or team.deleted_at is not None:
        raise HTTPException(404, "Team not found or already deleted")
    _switch(ai, team, is_active=False)
    team.deleted_at = now
    for key in ai.keys.values():
        if key.llm and ai.is_of_team(key, team_id):
            key.llm.expires = now
    return {"message": "Team soft-deleted successfully"}


@router.post("/{team_id}/restore")
async def restore(team_id: int, _admin: Administrator, world: Here) -> Json:
    """Switch a soft-deleted team on again."""
    ai = world.amazee_ai
    team = team_of(ai, team_id)
    if team.deleted_at is None:
        raise HTTPException(400, "Team is not deleted and cannot be restored")
    _switch(ai, team, is_active=True)
    team.deleted_at = None
    for key in ai.keys.values():
        if key.llm and ai.is_of_team(key, team_id):
            key.llm.expires = world.clock() + key_service.LIFE
    return {"message": "Team restored successfully"}


@router.delete("/{team_id}")
async def delete_team(team_id: int, _admin: Administrator, world: Here) -> Json:
    """Delete a team. Its keys live on as nobody's, its users without a team."""
    ai = world.amazee_ai
    del ai.teams[team_of(ai, team_id).id]
    for row in (*ai.users.values(), *ai.keys.values()):
        if row.team_id == team_id:
            row.team_id = None
    return {"message": "Team deleted successfully"}


def _refuse_twin(
    ai: AmazeeAi, email: str | None, name: str | None, beside: AiTeam | None = None
) -> None:
    """Refuse an address or a name that a team has, soft-deleted ones included."""
    others = [team for team in ai.teams.values() if team is not beside]
    if email and any(team.admin_email.lower() == email.lower() for team in others):
        raise HTTPException(400, "Email already registered")
    if name and any(team.name.lower() == name.lower() for team in others):
        raise HTTPException(400, "Team name already exists")


def _living(ai: AmazeeAi, team_id: int) -> AiTeam:
    team = team_of(ai, team_id)
    if team.deleted_at is not None:
        raise no_team()
    return team


def _refuse_strangers(user: AiUser, team_id: int) -> None:
    if not is_administrator(user) and user.team_id != team_id:
        raise forbidden()


def _switch(ai: AmazeeAi, team: AiTeam, *, is_active: bool) -> None:
    team.is_active = is_active
    for user in ai.members(team.id):
        user.is_active = is_active
