"""What an ordered fault does to a request for amazee.ai."""

from typing import Self

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polydock_pipelines.simulator.amazee_ai.callers import BAD_TOKEN, CHALLENGE
from polydock_pipelines.simulator.amazee_ai.limits import KEYS_REACHED, USERS_REACHED
from polydock_pipelines.simulator.faults import AMAZEE_AI, TRANSPORT, Fault
from polydock_pipelines.simulator.trouble import TRANSPORT_KEY, Trouble
from polydock_pipelines.simulator.world import World

AFTER_COMMIT = "The connection to the database was lost"


class AiTrouble(Trouble):
    """The fault of one request, or none, in amazee.ai's words."""

    @classmethod
    def of(cls, world: World, request: Request) -> Self:
        """Spend the oldest fault that fits the request."""
        wanted = {f"{request.method} {request.url.path.rstrip('/')}"}
        return cls(world.faults.take(wanted, TRANSPORT | AMAZEE_AI))

    async def before(self, request: Request) -> Response | None:
        """Return the answer of a request that is not carried out."""
        fault = self.fault
        if fault is not None and fault.kind == "expired_token":
            return JSONResponse({"detail": fault.message or BAD_TOKEN}, 401, headers=CHALLENGE)
        if fault is not None and fault.kind == "ai_limit":
            is_user = request.url.path.rstrip("/").endswith("/users")
            text = USERS_REACHED if is_user else KEYS_REACHED
            return JSONResponse({"detail": fault.message or text}, 402)
        if fault is not None and fault.kind == "ai_plain_500":
            closing = BackgroundTask(_close, request)
            return PlainTextResponse("Internal Server Error", 500, background=closing)
        return await super().before(request)

    def instead(self, status: int) -> Response | None:
        """Return the answer that takes the place of one with *status*; all is done by then."""
        fault = self.fault
        if fault is None or fault.kind != "ai_500_after_commit" or status >= 400:
            return None
        return JSONResponse({"detail": fault.message or AFTER_COMMIT}, 500)


class Troubled:
    """An application with ordered faults in its way; it also counts the requests."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app = app
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        self._world.amazee_ai.requests[_counted(request)] += 1
        trouble = AiTrouble.of(self._world, request)
        early = await trouble.before(request)
        if early is not None:
            await early(scope, receive, send)
            return
        request.state.fault = trouble.fault
        answer: list[Message] = []
        await self._app(scope, receive, _kept(answer))
        trouble.after(request)
        instead = trouble.instead(answer[0]["status"])
        if instead is not None:
            await instead(scope, receive, send)
            return
        for message in answer:
            await send(message)


async def ordered_fault(request: Request) -> Fault | None:
    """Return the fault that was ordered for this request, for a handler that plays it."""
    return request.state.fault


def _kept(answer: list[Message]) -> Send:
    async def keep(message: Message) -> None:
        answer.append(message)

    return keep


def _counted(request: Request) -> str:
    path = request.url.path.rstrip("/")
    parts = ["*" if part.isdecimal() else part for part in path.split("/")]
    return f"{request.method} {'/'.join(parts)}"


async def _close(request: Request) -> None:
    """Close the connection once the answer is out, as uvicorn does after an unhandled error."""
    request.scope[TRANSPORT_KEY].close()
