"""Answers of a Lagoon, played back; the shapes are those of contracts of its API."""

import json
from collections.abc import Mapping
from typing import Any

import httpx

from polydock_pipelines.clients.lagoon.client import LagoonClient
from polydock_pipelines.clients.lagoon.token import StaticToken
from polydock_pipelines.clients.lagoon.transport import TokenSource
from polydock_pipelines.lifecycle.secret import Secret

URL = "https://api.lagoon.test/graphql"

Answer = httpx.Response | Exception


def data(**fields: Any) -> httpx.Response:
    """HTTP 200 with data alone."""
    return httpx.Response(200, json={"data": fields})


def failed(message: str, *path: str | int, **fields: Any) -> httpx.Response:
    """A resolver's error: HTTP 200, the field null, and `errors` with a path."""
    where = list(path)
    return httpx.Response(
        200,
        json={
            "errors": [{"message": message, "locations": [], "path": where}],
            "data": fields or {str(path[0]) if path else "field": None},
        },
    )


def error(status: int, message: str) -> httpx.Response:
    """Errors without data, as 400, 401 and 500 come."""
    return httpx.Response(status, json={"errors": [{"message": message}]})


def html(status: int) -> httpx.Response:
    return httpx.Response(status, html="<html><body>no</body></html>")


class Player:
    """Plays its answers in order, the last one for ever, and keeps what was asked."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    @property
    def bodies(self) -> list[Mapping[str, Any]]:
        return [json.loads(request.content) for request in self.requests]

    @property
    def tokens(self) -> list[str]:
        return [request.headers["Authorization"] for request in self.requests]


def client_of(player: Player, tokens: TokenSource | None = None, **options: Any) -> LagoonClient:
    """Return a client that waits hardly at all before it repeats a request."""
    return LagoonClient(
        httpx.Client(transport=httpx.MockTransport(player)),
        URL,
        tokens or StaticToken(Secret("tok.en.one")),
        **{"retry_wait_s": 0.001, **options},
    )
