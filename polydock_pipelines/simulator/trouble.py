"""What a fault does to an HTTP request: refuse, delay, hold, or carry out and hang up."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from polydock_pipelines.simulator.faults import TRANSPORT, Fault
from polydock_pipelines.simulator.world import World

TRANSPORT_KEY = "simulator.transport"
"""Where the HTTP protocol leaves its connection in the request's scope."""
_EXPIRED = (
    "Unauthorized - Keycloak token invalid: Grant validation failed. "
    "Reason: invalid token (expired)"
)


@dataclass(frozen=True)
class Trouble:
    """The fault of one request, or none."""

    fault: Fault | None

    @classmethod
    def take(cls, world: World, matches: Collection[str]) -> Self:
        """Spend the oldest fault that fits the request."""
        return cls(world.faults.take(matches, TRANSPORT))

    async def before(self, request: Request) -> Response | None:
        """Return the answer of a request that is not carried out."""
        fault = self.fault
        if fault is None:
            return None
        if fault.kind == "http500":
            return PlainTextResponse("Internal Server Error", 500)
        if fault.kind == "expired_token":
            return JSONResponse({"errors": [{"message": _EXPIRED}]}, 401)
        if fault.kind == "slow":
            await asyncio.sleep(fault.wait_s)
        if fault.kind == "timeout":
            await _until_gone(request, fault.wait_s)
            hang_up(request)
            return Response(status_code=504)
        return None

    def after(self, request: Request) -> None:
        """Cut the connection of a request that was carried out, if that was ordered."""
        if self.fault is not None and self.fault.kind == "drop_after_commit":
            hang_up(request)


def hang_up(request: Request) -> None:
    """Cut the connection; whatever is answered then reaches nobody."""
    transport: asyncio.Transport = request.scope[TRANSPORT_KEY]
    transport.abort()


async def _until_gone(request: Request, seconds: float) -> None:
    """Wait until the client leaves, the simulator stops, or the time is up."""
    stopping: asyncio.Event = request.app.state.stopping
    waits = [asyncio.create_task(_disconnect(request)), asyncio.create_task(stopping.wait())]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
