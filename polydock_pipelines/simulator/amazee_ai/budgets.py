"""What a key may spend a month."""

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from polydock_pipelines.simulator.amazee_ai import key_service
from polydock_pipelines.simulator.amazee_ai.callers import (
    Here,
    TeamAdministrator,
    forbidden,
    is_administrator,
)
from polydock_pipelines.simulator.amazee_ai.model import AiKey, AiUser, AmazeeAi
from polydock_pipelines.simulator.amazee_ai.shapes import Json, spend_shape
from polydock_pipelines.simulator.world import World

PERIOD = "1mo"

router = APIRouter(prefix="/spend/{region_id}/key/{key_id}")


class Budget(BaseModel):
    """The body of `PUT …/budget`; without an amount the budget is cleared."""

    max_budget: float | None = Field(default=None, ge=0)


@router.get("")
async def get_spend(region_id: int, key_id: int, user: TeamAdministrator, world: Here) -> Json:
    """Return what a key has spent, and its own budget."""
    return spend_shape(_key(world.amazee_ai, user, region_id, key_id))


@router.put("/budget")
async def set_budget(
    region_id: int, key_id: int, budget: Budget, user: TeamAdministrator, world: Here
) -> Json:
    """Let a key spend so much each month of the calendar."""
    key = _key(world.amazee_ai, user, region_id, key_id)
    return _set(world, key, budget.max_budget)


@router.post("/budget/clear")
async def clear_budget(region_id: int, key_id: int, user: TeamAdministrator, world: Here) -> Json:
    """Take a key's own budget away."""
    return _set(world, _key(world.amazee_ai, user, region_id, key_id), None)


def _key(ai: AmazeeAi, user: AiUser, region_id: int, key_id: int) -> AiKey:
    key = ai.keys.get(key_id)
    if key is None or key.region.id != region_id:
        raise HTTPException(404, "Private AI Key not found in region")
    if not is_administrator(user) and not ai.is_of_team(key, user.team_id or 0):
        raise forbidden()
    return key


def _set(world: World, key: AiKey, amount: float | None) -> Json:
    now = world.clock()
    key.cap, key.updated_at = amount, now
    period = None if amount is None else PERIOD
    if key.llm:
        key.llm.max_budget, key.llm.budget_duration = amount, period
        key.llm.budget_reset_at = None if amount is None else key_service.next_month(now)
    return {
        "scope": "key",
        "source_endpoint": "/key/update",
        "region_id": key.region.id,
        "region_name": key.region.name,
        "team_id": key.team_id,
        "user_id": key.owner_id,
        "key_id": key.id,
        "max_budget": amount,
        "budget_duration": period,
        "note": None,
    }
