"""The backend's web application, to be mounted at `/amazee-ai`."""

from fastapi import FastAPI
from starlette.types import ASGIApp

from polydock_pipelines.simulator.amazee_ai import (
    auth,
    budgets,
    keys,
    memberships,
    regions,
    teams,
    user_search,
    users,
)
from polydock_pipelines.simulator.amazee_ai.trouble import Troubled
from polydock_pipelines.simulator.world import World

PATH = "/amazee-ai"


def amazee_ai_app(world: World) -> ASGIApp:
    """Return the application of one world. All of it runs in the loop that owns the world."""
    app = FastAPI(title="Simulated amazee.ai", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.world = world
    # The search comes before `/users/{id}`, which would take its paths.
    for room in (auth, user_search, users, memberships, regions, keys, budgets, teams):
        app.include_router(room.router)
    return Troubled(app, world)
