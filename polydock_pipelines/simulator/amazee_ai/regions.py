"""Regions, as users and administrators see them."""

from fastapi import APIRouter, HTTPException

from polydock_pipelines.simulator.amazee_ai.callers import (
    Administrator,
    Caller,
    Here,
    is_administrator,
)
from polydock_pipelines.simulator.amazee_ai.shapes import Json, region_shape

router = APIRouter()


@router.get("/regions")
@router.get("/regions/")
async def list_regions(user: Caller, world: Here) -> list[Json]:
    """Return the active regions; dedicated ones only to an administrator."""
    return [
        region_shape(region)
        for region in world.amazee_ai.regions.values()
        if region.is_active and (is_administrator(user) or not region.is_dedicated)
    ]


@router.get("/regions/{region_id}")
async def get_region(region_id: int, _admin: Administrator, world: Here) -> Json:
    """Return a region, an inactive one too."""
    region = world.amazee_ai.regions.get(region_id)
    if region is None:
        raise HTTPException(404, "Region not found")
    return region_shape(region)
