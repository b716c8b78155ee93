"""The web side: GraphQL, what Lagoon shows without a token, amazee.ai, and the control pages."""

import asyncio
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from polydock_pipelines.simulator import control
from polydock_pipelines.simulator.amazee_ai import control as amazee_ai_control
from polydock_pipelines.simulator.amazee_ai.app import PATH, amazee_ai_app
from polydock_pipelines.simulator.graphql_endpoint import graphql_endpoint
from polydock_pipelines.simulator.operations.identity import LAGOON_VERSION
from polydock_pipelines.simulator.trouble import TRANSPORT_KEY, Trouble
from polydock_pipelines.simulator.world import World


class CuttableProtocol(HttpToolsProtocol):
    """HTTP whose requests can reach their connection, in order to cut it."""

    def on_message_begin(self) -> None:
        """Begin a request and leave its connection in the scope."""
        super().on_message_begin()
        # The scope is a TypedDict of the specification; servers may add keys of their own.
        self.scope[TRANSPORT_KEY] = self.transport  # type: ignore[typeddict-unknown-key]


def http_app(world: World, reset: Callable[[], None], stopping: asyncio.Event) -> Starlette:
    """Return the web application of one simulator."""
    app = Starlette(
        routes=[
            Route("/graphql", graphql_endpoint, methods=["POST", "GET"]),
            Route("/status", _status, methods=["GET"]),
            Route("/.well-known/appspecific/sh.lagoon.discovery.json", _discovery),
            *control.routes(),
            *amazee_ai_control.routes(),
            Mount(PATH, app=amazee_ai_app(world)),
            Route("/{path:path}", _nothing, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        ]
    )
    app.state.world = world
    app.state.reset = reset
    app.state.stopping = stopping
    return app


async def _status(_request: Request) -> Response:
    return JSONResponse({"status": "online"})


async def _discovery(request: Request) -> Response:
    world: World = request.app.state.world
    return JSONResponse(
        {
            "lagoon_version": LAGOON_VERSION,
            "authorization_endpoint": f"{world.endpoints.url}/auth",
            "ssh_token_exchange": {
                "token_endpoint_host": world.endpoints.host,
                "token_endpoint_port": world.endpoints.ssh_port,
            },
            "ui_url": world.endpoints.url,
        }
    )


async def _nothing(request: Request) -> Response:
    """Answer 404, after a fault that was ordered for this path."""
    trouble = Trouble.take(request.app.state.world, {f"{request.method} {request.url.path}"})
    early = await trouble.before(request)
    trouble.after(request)
    return early or Response("Not Found", 404, media_type="text/plain")
