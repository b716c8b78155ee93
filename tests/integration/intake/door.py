"""An intake that really listens, and the bodies that tests send to it."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.writing import Calendar, by_the_clock
from polydock_pipelines.intake.app import create_app
from polydock_pipelines.settings import Settings
from tests.fakes.clock import FakeClock
from tests.fakes.launcher import FakeLauncher
from tests.makers import a_book, make_store, make_store_app

APP = "8a7be6ae-9c1b-4c12-8f0f-0d3f1a6a4a11"
SETTINGS = Settings()  # pyright: ignore[reportCallIssue] - fields come from the environment
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Door:
    """A running intake, and what stands behind it."""

    http: httpx.Client
    db: Database
    clock: FakeClock
    launcher: FakeLauncher

    def register(self, key: str | None = None, **changes: Any) -> httpx.Response:
        """Post a good body with changes."""
        return self.post(json.dumps(body(**changes)), {"Idempotency-Key": key} if key else {})

    def post(self, content: Any, headers: dict[str, str] | None = None) -> httpx.Response:
        """Post any bytes as JSON."""
        return self.http.post("/api/register", content=content, headers={**JSON, **(headers or {})})

    def read(self, uuid: str) -> httpx.Response:
        """Get a registration."""
        return self.http.get(f"/api/register/{uuid}")


def body(**changes: Any) -> dict[str, Any]:
    """Return a body that the intake takes, with changes."""
    return {
        "register_type": "REQUEST_TRIAL",
        "email": "grace@example.com",
        "first_name": "Grace",
        "last_name": "Hopper",
        "company_name": "Harvard",
        "trial_app": APP,
        "aup_and_privacy_acceptance": 1,
        "opt_in_to_product_updates": True,
    } | changes


def without(*names: str, **changes: Any) -> dict[str, Any]:
    """Return a body that lacks fields."""
    return {name: value for name, value in body(**changes).items() if name not in names}


def offer(db: Database) -> None:
    """Put one app on offer in a listed store."""
    with db.write() as session:
        store = make_store(session, is_listed_in_marketplace=True)
        make_store_app(session, store, uuid=APP)


@dataclass
class Street:
    """A server that really listens, shared by tests; each puts its own application there."""

    http: httpx.Client
    app: FastAPI | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None
        await self.app(scope, receive, send)


@contextmanager
def opened(
    street: Street,
    db: Database,
    settings: Settings | None = None,
    calendar: Calendar = by_the_clock,
) -> Iterator[Door]:
    """Run an intake over *db*; it is the only one in its street."""
    clock, launcher = FakeClock(), FakeLauncher()
    book = replace(a_book(db), calendar=calendar)
    before = street.app
    street.app = app = create_app(book, clock, launcher, settings or SETTINGS)
    try:
        yield Door(street.http, db, clock, launcher)
    finally:
        street.app = before
        asyncio.run(_close(app))


async def _close(app: FastAPI) -> None:
    async with app.router.lifespan_context(app):
        pass


@contextmanager
def listening() -> Iterator[Street]:
    """Serve on a free loopback port."""
    # Without certificates to load: that costs more than a test here.
    with httpx.Client(timeout=30, verify=False, trust_env=False) as http:  # noqa: S501 - plain HTTP
        street = Street(http)
        config = uvicorn.Config(street, log_config=None, access_log=False, lifespan="off")
        server = uvicorn.Server(config)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()  # who calls before the server is up waits, and is not refused
            http.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            run = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
            run.start()
            yield street
            server.should_exit = True
            run.join(20)
        assert not run.is_alive()
