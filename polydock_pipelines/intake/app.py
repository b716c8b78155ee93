"""The HTTP door. One route, one action; nothing here waits for Lagoon or Dagster."""

import logging
import traceback
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.types import ASGIApp, Receive, Scope, Send

from polydock_pipelines.actions.launch import launch_provisioning
from polydock_pipelines.actions.read_registration import (
    RegistrationView,
    read_registration,
    regions,
)
from polydock_pipelines.actions.register import IdempotencyError, Simulation, register
from polydock_pipelines.db import version
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.leases import Book
from polydock_pipelines.intake.doorman import RefusedBodyError, failed, read_object
from polydock_pipelines.intake.health import add_instance_health
from polydock_pipelines.intake.nudge import Nudge
from polydock_pipelines.intake.schemas import RegisterBody, sentence
from polydock_pipelines.intake.trial_pages import add_trial_pages
from polydock_pipelines.lifecycle.fields import FieldError
from polydock_pipelines.ports import Clock, Launcher
from polydock_pipelines.settings import Settings

LOG = logging.getLogger(__name__)
REQUEST_SCHEMA = (
    "#/paths/~1api~1register/post/requestBody/content/application~1json/schema"  # a JSON pointer
)
PACKAGE = Path(__file__).parents[1]
NO_STORE = {"Cache-Control": "no-store"}
UNEXPECTED = "An unexpected error occurred."


@dataclass(frozen=True)
class Door:
    """What the routes work with."""

    db: Database
    clock: Clock
    wake: Callable[[], None]
    simulation: Simulation = Simulation.NONE


def simulation_of(settings: Settings) -> Simulation:
    """Return the way of trying a form that the settings ask for."""
    if settings.register_only_captures:
        return Simulation.CAPTURES
    if settings.register_simulate_round_robin:
        return Simulation.ROUND_ROBIN
    return Simulation.ERROR if settings.register_simulate_error else Simulation.NONE


def create_app(book: Book, clock: Clock, launcher: Launcher, settings: Settings) -> FastAPI:
    """Return the application; it closes nothing that it was given."""
    db = book.db
    nudge = Nudge(lambda: launch_provisioning(db, launcher, clock.now()))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        yield
        await run_in_threadpool(nudge.stop)

    app = FastAPI(title="Polydock intake", docs_url="/docs", redoc_url=None, lifespan=lifespan)
    door = Door(db, clock, nudge.wake, simulation_of(settings))
    _add_registration(app, door)
    _add_reading(app, door)
    _add_health(app, door)
    add_instance_health(app, db, clock)
    add_trial_pages(app, book, clock)
    _add_refusals(app)
    return app


def _add_registration(app: FastAPI, door: Door) -> None:
    @app.post("/api/register", status_code=202, openapi_extra=_body(RegisterBody))
    async def post_register(  # pyright: ignore[reportUnusedFunction] - the route
        request: Request,
        idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
    ) -> JSONResponse:
        """Take a registration; its result is read at `/api/register/{id}`."""
        body = RegisterBody.model_validate(await read_object(request))
        taken = await run_in_threadpool(
            register,
            door.db,
            body.signup(),
            door.clock.now(),
            idempotency_key=idempotency_key,
            simulation=door.simulation,
        )
        if taken.instance_uuid is not None:
            door.wake()
        answer = {"status": "pending", "message": "Registration pending", "id": taken.uuid}
        return JSONResponse(answer, 202)


def _body(model: type[RegisterBody]) -> dict[str, Any]:
    """Describe the body for OpenAPI; the route reads it by itself, to bound its size."""
    schema_of = model.model_json_schema(ref_template=REQUEST_SCHEMA + "/$defs/{model}")
    content = {"application/json": {"schema": schema_of}}
    return {"requestBody": {"required": True, "content": content}}


def _add_reading(app: FastAPI, door: Door) -> None:
    @app.get("/api/register/{uuid}")
    def get_register(uuid: str) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        """Say what became of a registration. Changes nothing."""
        view = read_registration(door.db, uuid, door.clock.now())
        if view is None:
            answer = {"status": "error", "message": "Registration not found"}
            return JSONResponse(answer, 404, NO_STORE)
        return JSONResponse(_shown(view), headers=NO_STORE)

    @app.get("/api/regions")
    def get_regions() -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        """List the regions with the apps that can be tried there."""
        answer = {
            "status": "success",
            "message": "Regions retrieved successfully",
            "data": {"regions": regions(door.db)},
            "status_code": 200,
        }
        return JSONResponse(answer)


def _shown(view: RegistrationView) -> dict[str, Any]:
    return {
        "status": view.status,
        "email": view.email,
        "result_data": view.result_data,
        "created_at": view.created_at.isoformat(),
        "updated_at": view.updated_at.isoformat(),
    }


def _add_health(app: FastAPI, door: Door) -> None:
    @app.get("/healthz")
    def healthz() -> dict[str, str]:  # pyright: ignore[reportUnusedFunction]
        """Say that the process lives."""
        return {"status": "ok"}

    @app.get("/readyz")
    def readyz() -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        """Say whether signups can be taken: the database answers at the right version."""
        try:
            version.require(door.db)
        except (version.SchemaError, OperationalError) as error:
            reason = str(error) if isinstance(error, version.SchemaError) else "no database"
            return JSONResponse({"status": "unavailable", "message": reason}, 503)
        return JSONResponse({"status": "ok"})


def _add_refusals(app: FastAPI) -> None:
    @app.exception_handler(RefusedBodyError)
    async def refused(_request: Request, error: RefusedBodyError) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        return failed(error.status, str(error))

    @app.exception_handler(ValidationError)
    async def malformed(_request: Request, error: ValidationError) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        return failed(422, sentence(error))

    @app.exception_handler(FieldError)
    async def unfit(_request: Request, error: FieldError) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        return failed(422, f"Malformed registration request: {error}")

    @app.exception_handler(RequestValidationError)
    async def outside(_request: Request, error: RequestValidationError) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        parts = [f"{problem['loc'][-1]}: {problem['msg']}" for problem in error.errors()]
        return failed(422, f"Malformed request: {'; '.join(parts)}")

    @app.exception_handler(IdempotencyError)
    async def reused(_request: Request, error: IdempotencyError) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        return failed(409, str(error))

    @app.exception_handler(PoolTimeoutError)
    @app.exception_handler(OperationalError)
    @app.exception_handler(InternalError)  # Postgres: it only lets read
    async def away(_request: Request, error: Exception) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        LOG.error("the database does not take it: %s", _database_says(error))
        return failed(503, "The service is busy. Please try again in a moment.")

    app.add_middleware(LastResort)


def _database_says(error: Exception) -> str:
    """Return the driver's first line: what is full, read-only or away. It holds no values."""
    said = str(error.orig) if isinstance(error, DBAPIError) else ""
    return next((line for line in said.splitlines() if line.strip()), type(error).__name__)


class LastResort:
    """Answers an unexpected error itself: the server would log its text, which may name people."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - the edge of the service; it is recorded
            LOG.error("unexpected %s; %s", type(error).__name__, _way_to(error))  # noqa: TRY400 - no text
            await failed(500, UNEXPECTED)(scope, receive, send)


def _way_to(error: Exception) -> str:
    """Return our own places that led to an error, and the last one, without its text."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames[:-1] if PACKAGE in Path(frame.filename).parents]
    return " > ".join(f"{Path(f.filename).name}:{f.lineno}" for f in [*ours, *frames[-1:]])
