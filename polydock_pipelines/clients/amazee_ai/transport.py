"""REST over HTTP, as amazee.ai's backend speaks it: one request, one answer or one error.

No error has a cause or a context: httpx's exceptions hold the request with our token, pydantic's
hold the answer.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import JsonValue, TypeAdapter, ValidationError

from polydock_pipelines.clients.amazee_ai.errors import (
    AmazeeAiAuthError,
    AmazeeAiUnavailableError,
)
from polydock_pipelines.clients.amazee_ai.faults import error_of, problems_of, unreadable
from polydock_pipelines.clients.amazee_ai.request import Request
from polydock_pipelines.clients.bounded import answer_to, retrying
from polydock_pipelines.lifecycle.secret import Secret

PAGE = 50

_TOKEN = re.compile(r"[!-~]+")


class _Numbered(Protocol):
    @property
    def id(self) -> int: ...


Shape = TypeVar("Shape")
Row = TypeVar("Row", bound=_Numbered)

_ANYTHING = TypeAdapter(dict[str, JsonValue])


@dataclass(frozen=True)
class _Reply:
    status: int
    body: bytes


class Transport:
    """Sends requests over a ready `httpx.Client`, with the token that *token* returns for each.

    `timeout_s` bounds a whole request, `create_timeout_s` one that is slow by nature. Reads are
    sent up to `attempts` times while amazee.ai is away; writes are sent once.
    """

    def __init__(
        self,
        http: httpx.Client,
        base_url: str,
        token: Callable[[], Secret],
        *,
        connect_timeout_s: float,
        timeout_s: float,
        create_timeout_s: float,
        attempts: int,
        retry_wait_s: float,
    ) -> None:
        if "@" in urlsplit(base_url).netloc:
            # httpx would send them instead of our token, and log them with each request.
            raise ValueError("AMAZEE_AI_BASE_URL may not hold a user name or a password.")
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._token = token
        self._connect_timeout_s = connect_timeout_s
        self._timeout_s = timeout_s
        self._create_timeout_s = create_timeout_s
        self._retrying = retrying(
            AmazeeAiUnavailableError, attempts=attempts, timeout_s=timeout_s, wait_s=retry_wait_s
        )

    def send(self, request: Request, shape: TypeAdapter[Shape]) -> Shape:
        """Return the answer as *shape*; what it has beside that is dropped."""
        ask = partial(self._ask, request)
        reply = self._retrying(ask) if request.is_read else ask()
        try:
            return shape.validate_json(reply.body)
        except ValidationError as error:
            problems = problems_of(error)
        raise unreadable(reply.status, request, problems)

    def carry_out(self, request: Request) -> None:
        """Send a request whose answer says no more than that it was carried out.

        It must be amazee.ai's all the same: a login page has not deleted a key.
        """
        self.send(request, _ANYTHING)

    def pages(self, request: Request, shape: TypeAdapter[list[Row]]) -> Iterator[Row]:
        """Return the rows of all pages, each row once.

        A page without a new row is the end: a service that allows fewer rows than we ask for must
        not look like one that has no more.
        """
        seen: set[int] = set()
        while True:
            page = {"skip": len(seen), "limit": PAGE}
            rows = self.send(replace(request, params={**request.params, **page}), shape)
            fresh = {row.id: row for row in rows if row.id not in seen}
            if not fresh:
                return
            seen.update(fresh)
            yield from fresh.values()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _ask(self, request: Request) -> _Reply:
        reply = self._answer(request)
        if not httpx.codes.is_success(reply.status):
            raise error_of(reply.status, reply.body, request)
        return reply

    def _answer(self, request: Request) -> _Reply:
        headers = self._headers(request)
        timeout_s = self._create_timeout_s if request.is_slow else self._timeout_s
        try:
            return self._read(request, headers, timeout_s)
        except httpx.TimeoutException as error:
            text = (
                f"amazee.ai did not answer {request.what} in time ({type(error).__name__}, at most "
                f"{timeout_s:g} s).{request.doubt}"
            )
        except (httpx.RequestError, httpx.InvalidURL) as error:
            text = (
                f"amazee.ai cannot be reached for {request.what} ({type(error).__name__})."
                f"{request.doubt} Check AMAZEE_AI_BASE_URL and the network."
            )
        raise AmazeeAiUnavailableError(text)

    def _headers(self, request: Request) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        if request.has_token:
            token = self._token().reveal().strip()
            # httpx would quote it in its complaint about such a header.
            if not _TOKEN.fullmatch(token):
                raise AmazeeAiAuthError(
                    "The token of amazee.ai is empty, or has characters that no token has. Check "
                    "AMAZEE_AI_TOKEN or AMAZEE_AI_TOKEN_FILE."
                )
            headers["Authorization"] = f"Bearer {token}"
        return headers

    def _read(self, request: Request, headers: dict[str, str], timeout_s: float) -> _Reply:
        status, body = answer_to(
            self._http,
            request.method,
            f"{self._base_url}{request.path}",
            params=request.params,
            content=request.content(),
            headers=headers,
            timeout_s=timeout_s,
            connect_timeout_s=self._connect_timeout_s,
        )
        return _Reply(status, body)
