"""`/_sim/amazee-ai/…`: what happens at amazee.ai behind its clients' backs."""

import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from polydock_pipelines.simulator.amazee_ai import key_service
from polydock_pipelines.simulator.amazee_ai.model import ADMIN_ID, AiSettings, AiUser, AmazeeAi
from polydock_pipelines.simulator.amazee_ai.shapes import region_shape, user_shape
from polydock_pipelines.simulator.control import sentence
from polydock_pipelines.simulator.world import World

Model = TypeVar("Model", bound=BaseModel)
Row = TypeVar("Row")
Control = Callable[[Request], Awaitable[Response]]


class NoRowError(Exception):
    """There is no region, user or key of that number."""


class RegionChange(BaseModel):
    """The body of `PUT …/regions/{id}`."""

    model_config = ConfigDict(extra="forbid")

    is_active: bool | None = None
    is_dedicated: bool | None = None


class UserChange(BaseModel):
    """The body of `PUT …/users/{id}`."""

    model_config = ConfigDict(extra="forbid")

    is_active: bool


class FormerUser(BaseModel):
    """The body of `POST …/users`: somebody who was there before."""

    model_config = ConfigDict(extra="forbid")

    email: str
    is_active: bool = True
    team_id: int | None = None


def routes() -> list[Route]:
    """Return the routes of amazee.ai's controls."""
    return [
        Route("/_sim/amazee-ai/settings", _told(_show_settings), methods=["GET"]),
        Route("/_sim/amazee-ai/settings", _told(_change_settings), methods=["PUT"]),
        Route("/_sim/amazee-ai/regions/{id:int}", _told(_change_region), methods=["PUT"]),
        Route("/_sim/amazee-ai/users", _told(_add_user), methods=["POST"]),
        Route("/_sim/amazee-ai/users/{id:int}", _told(_change_user), methods=["PUT"]),
        Route("/_sim/amazee-ai/keys/{id:int}", _told(_delete_key), methods=["DELETE"]),
        Route("/_sim/amazee-ai/locked-aliases", _told(_unlock_aliases), methods=["DELETE"]),
    ]


def change_settings(ai: AmazeeAi, changes: object) -> AiSettings:
    """Apply any subset of the settings; a wrong value changes nothing."""
    if not isinstance(changes, dict):
        raise TypeError("the settings are a JSON object")
    ai.settings = AiSettings.model_validate({**ai.settings.model_dump(), **changes})
    admin = ai.users.get(ADMIN_ID)
    if admin is not None:
        admin.is_active = ai.settings.admin_is_active
        admin.is_admin = ai.settings.admin_is_admin
    return ai.settings


async def _show_settings(request: Request) -> Response:
    return JSONResponse(_ai(request).settings.model_dump())


async def _change_settings(request: Request) -> Response:
    return JSONResponse(change_settings(_ai(request), await request.json()).model_dump())


async def _change_region(request: Request) -> Response:
    region = _row(request, _ai(request).regions)
    changes = await _body(request, RegionChange)
    for name, value in changes.model_dump(exclude_none=True).items():
        setattr(region, name, value)
    return JSONResponse(region_shape(region))


async def _add_user(request: Request) -> Response:
    world: World = request.app.state.world
    ai, given = world.amazee_ai, await _body(request, FormerUser)
    if ai.user_with(given.email):
        return _refuse(422, f"{given.email} is there already")
    user = AiUser(
        id=world.next_id("ai_user"),
        email=given.email.lower(),
        is_active=given.is_active,
        team_id=given.team_id,
    )
    ai.users[user.id] = user
    return JSONResponse(user_shape(user), 201)


async def _change_user(request: Request) -> Response:
    user = _row(request, _ai(request).users)
    user.is_active = (await _body(request, UserChange)).is_active
    return JSONResponse(user_shape(user))


async def _delete_key(request: Request) -> Response:
    ai = _ai(request)
    key_service.forget(ai, _row(request, ai.keys))
    return Response(status_code=204)


async def _unlock_aliases(request: Request) -> Response:
    """Do what an operator does at the key service: delete the keys that have no row."""
    ai = _ai(request)
    ai.aliases -= set(ai.locked_aliases())
    return Response(status_code=204)


def _ai(request: Request) -> AmazeeAi:
    world: World = request.app.state.world
    return world.amazee_ai


def _row(request: Request, rows: dict[int, Row]) -> Row:
    row_id = request.path_params["id"]
    if row_id not in rows:
        raise NoRowError(f"there is none with the number {row_id}")
    return rows[row_id]


async def _body(request: Request, model: type[Model]) -> Model:
    return model.model_validate(await request.json())


def _told(control: Control) -> Control:
    """Return a control that says in one sentence what is wrong with a request."""

    async def answer(request: Request) -> Response:
        try:
            return await control(request)
        except NoRowError as error:
            return _refuse(404, str(error))
        except (json.JSONDecodeError, TypeError, ValidationError) as error:
            return _refuse(422, sentence(error))

    return answer


def _refuse(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status)
