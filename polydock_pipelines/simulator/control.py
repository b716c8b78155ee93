"""`/_sim/…`: the pages by which tests and people look into the simulator and upset it."""

import json
from collections.abc import Callable

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from polydock_pipelines.simulator.faults import Fault
from polydock_pipelines.simulator.model import Webhook
from polydock_pipelines.simulator.options import Settings
from polydock_pipelines.simulator.page import page
from polydock_pipelines.simulator.snapshot import PARTS, snapshot
from polydock_pipelines.simulator.trouble import Trouble
from polydock_pipelines.simulator.world import World


def routes() -> list[Route]:
    """Return the control pages' routes."""
    return [
        Route("/", _page, methods=["GET"]),
        Route("/_sim/state", _state, methods=["GET"]),
        Route("/_sim/state", _reset, methods=["DELETE"]),
        Route("/_sim/settings", _show_settings, methods=["GET"]),
        Route("/_sim/settings", _change_settings, methods=["PUT"]),
        Route("/_sim/faults", _list_faults, methods=["GET"]),
        Route("/_sim/faults", _order_fault, methods=["POST"]),
        Route("/_sim/faults", _clear_faults, methods=["DELETE"]),
        Route("/_sim/webhooks/{name}", _webhook, methods=["POST"]),
    ]


def change_settings(world: World, changes: object) -> Settings:
    """Apply any subset of the settings; a wrong value changes nothing."""
    if not isinstance(changes, dict):
        raise TypeError("the settings are a JSON object")
    world.settings = Settings.model_validate({**world.settings.model_dump(), **changes})
    if "wake_seconds" in changes:
        for environment in world.namespaces.values():
            environment.is_awake = False
    return world.settings


def _world(request: Request) -> World:
    return request.app.state.world


async def _page(request: Request) -> Response:
    return HTMLResponse(page(_world(request)))


async def _state(request: Request) -> Response:
    asked = request.query_params.get("parts")
    parts = asked.split(",") if asked else []
    unknown = sorted(set(parts) - PARTS)
    if unknown:
        return _refuse(f"no part {unknown[0]!r}; there are {', '.join(sorted(PARTS))}")
    return JSONResponse(snapshot(_world(request), parts))


async def _reset(request: Request) -> Response:
    reset: Callable[[], None] = request.app.state.reset
    reset()
    return Response(status_code=204)


async def _show_settings(request: Request) -> Response:
    return JSONResponse(_world(request).settings.model_dump(mode="json"))


async def _change_settings(request: Request) -> Response:
    try:
        settings = change_settings(_world(request), await request.json())
    except (json.JSONDecodeError, TypeError, ValidationError) as error:
        return _refuse(sentence(error))
    return JSONResponse(settings.model_dump(mode="json"))


async def _list_faults(request: Request) -> Response:
    return JSONResponse([fault.model_dump() for fault in _world(request).faults.waiting()])


async def _order_fault(request: Request) -> Response:
    try:
        fault = Fault.model_validate(await request.json())
    except (json.JSONDecodeError, ValidationError) as error:
        return _refuse(sentence(error))
    _world(request).faults.order(fault)
    return JSONResponse(fault.model_dump(), 201)


async def _clear_faults(request: Request) -> Response:
    _world(request).faults.clear()
    return Response(status_code=204)


async def _webhook(request: Request) -> Response:
    world = _world(request)
    trouble = Trouble.take(world, {f"POST {request.url.path}"})
    early = await trouble.before(request)
    if early is not None:
        return early
    body = (await request.body()).decode("utf-8", "replace")
    received = Webhook(request.path_params["name"], dict(request.headers), body, world.clock())
    world.ledger.webhooks.append(received)
    trouble.after(request)
    return Response(status_code=204)


def sentence(error: Exception) -> str:
    """Return the first thing that is wrong, in one sentence."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else str(first["msg"])


def _refuse(text: str) -> Response:
    return JSONResponse({"error": text}, 422)
