"""GraphQL over HTTP, as Lagoon's API speaks it: one request, one answer or one error.

gql's own HTTPXTransport is not used: it logs variables at debug level and hides the HTTP status,
which is the only thing that tells an expired token from a refusal.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Protocol

import httpx
from pydantic import BaseModel, Field, JsonValue, ValidationError

from polydock_pipelines.clients.bounded import answer_to, retrying
from polydock_pipelines.clients.lagoon.documents import Aliased, Operation, batches, encode
from polydock_pipelines.clients.lagoon.errors import (
    LagoonAuthError,
    LagoonError,
    LagoonRefusedError,
    LagoonUnavailableError,
)
from polydock_pipelines.clients.lagoon.faults import Fault, error_of, fault


class TokenSource(Protocol):
    """Where the bearer token comes from; shared by threads."""

    def token(self) -> str:
        """Return a token that should be good for a minute; LagoonAuthError when there is none."""
        ...

    def renew(self, refused: str) -> str | None:
        """Return another token than *refused*; None when there can be no other."""
        ...


class _Error(BaseModel):
    message: str = "no message"
    path: list[str | int] = Field(default_factory=list[str | int])


class _Envelope(BaseModel):
    data: dict[str, JsonValue] | None = None
    errors: list[_Error] | None = None


class _Reply:
    """An HTTP answer, before anybody has understood it."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        try:
            self.envelope: _Envelope | None = _Envelope.model_validate_json(body)
        except ValidationError:
            self.envelope = None


class Transport:
    """Sends operations over a ready `httpx.Client`, with the token of *tokens*.

    `timeout_s` bounds a whole request. Operations that are safe twice are sent up to `attempts`
    times while Lagoon is away; no other ever is. `pace` is called before each request; it waits,
    or raises.
    """

    def __init__(
        self,
        http: httpx.Client,
        url: str,
        tokens: TokenSource,
        *,
        connect_timeout_s: float = 5.0,
        timeout_s: float = 25.0,
        attempts: int = 3,
        retry_wait_s: float = 0.3,
        pace: Callable[[], None] = lambda: None,
    ) -> None:
        self._http = http
        self._pace = pace
        self._url = url
        self._tokens = tokens
        self._timeout_s = timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._retrying = retrying(
            LagoonUnavailableError, attempts=attempts, timeout_s=timeout_s, wait_s=retry_wait_s
        )

    def execute(
        self, operation: Operation, values: Mapping[str, object], *, what: str
    ) -> dict[str, JsonValue]:
        """Return `data`; *what* names the request in an error, for an operator."""
        data, faults = self.answer(operation, values, what=what)
        grave = [one for one in faults if ".".join(one.path) not in operation.may_miss]
        if grave:
            raise error_of(grave, operation.rules, what)
        return data

    def field(
        self, operation: Operation, field: str, values: Mapping[str, object], *, what: str
    ) -> JsonValue:
        """Return one root field of `data`; an answer without it is no null, but an error."""
        data = self.execute(operation, values, what=what)
        if field not in data:
            raise LagoonUnavailableError(f"Lagoon answered {what} without {field}.")
        return data[field]

    def answer(
        self, operation: Operation, values: Mapping[str, object], *, what: str
    ) -> tuple[dict[str, JsonValue], list[Fault]]:
        """Return `data` and the errors beside it, for callers that judge them one by one."""
        body, secrets = encode(operation.document, values)
        ask = partial(self._ask, body, what)
        reply = self._retrying(ask) if operation.is_safe_twice else ask()
        envelope = reply.envelope
        if envelope is None:
            raise _unreadable(reply.status, what)
        faults = [fault(error.message, error.path, secrets) for error in envelope.errors or ()]
        if envelope.data is None and not (faults and httpx.codes.is_success(reply.status)):
            raise _without_data(reply.status, faults, what)
        return envelope.data or {}, faults

    def each(
        self, aliased: Aliased, items: Sequence[Mapping[str, object]], what: str, naming: str
    ) -> None:
        """Run *aliased* for each item; an error names the item by its variable *naming*."""
        for batch in batches(aliased, items):
            data, faults = self.answer(batch.operation, batch.values, what=what)
            if faults:
                index = batch.index_of(faults[0].path)
                at = "" if index is None else f" (at {items[index][naming]})"
                raise error_of(faults, aliased.rules, f"{what}{at}")
            bad = [text for text in data.values() if isinstance(text, str) and text != "success"]
            if bad:
                raise LagoonError(f"Lagoon answered {what} with something other than success.")

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _ask(self, body: bytes, what: str) -> _Reply:
        """Post, once more with another token after a 401; raise while the service is away."""
        token = self._tokens.token()
        reply = self._post(body, token, what)
        if reply.status == HTTPStatus.UNAUTHORIZED:
            other = self._tokens.renew(token)
            if other is not None:
                reply = self._post(body, other, what)
        if reply.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise LagoonAuthError(
                f"Lagoon refuses our token (HTTP {reply.status}) for {what}. "
                "Check LAGOON_TOKEN, or the SSH key that fetches it."
            )
        _raise_if_away(reply, what)
        return reply

    def _post(self, body: bytes, token: str, what: str) -> _Reply:
        self._pace()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            return self._read(body, headers)
        except httpx.TimeoutException as error:
            raise LagoonUnavailableError(
                f"Lagoon did not answer {what} in time ({type(error).__name__}, "
                f"at most {self._timeout_s:g} s); it may have been carried out."
            ) from None
        except httpx.RequestError as error:
            raise LagoonUnavailableError(
                f"Lagoon cannot be reached for {what} ({type(error).__name__}). "
                "Check LAGOON_API_URL and the network."
            ) from None

    def _read(self, body: bytes, headers: dict[str, str]) -> _Reply:
        return _Reply(
            *answer_to(
                self._http,
                "POST",
                self._url,
                content=body,
                headers=headers,
                timeout_s=self._timeout_s,
                connect_timeout_s=self._connect_timeout_s,
            )
        )


def _raise_if_away(reply: _Reply, what: str) -> None:
    """Raise for a status that says the service, not the request, is at fault."""
    if httpx.codes.is_success(reply.status) or reply.status in {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    }:
        return
    # A GraphQL syntax error is a 500 too, and no outage: a parser in front of Lagoon's own fails.
    if reply.status == HTTPStatus.INTERNAL_SERVER_ERROR and _is_syntax_error(reply):
        return
    hint = " Check LAGOON_API_URL." if reply.status < HTTPStatus.INTERNAL_SERVER_ERROR else ""
    raise LagoonUnavailableError(f"Lagoon answered {what} with HTTP {reply.status}.{hint}")


def _is_syntax_error(reply: _Reply) -> bool:
    errors = (reply.envelope.errors if reply.envelope else None) or []
    return any(error.message.startswith("Syntax Error") for error in errors)


def _unreadable(status: int, what: str) -> LagoonError:
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return LagoonRefusedError(f"Lagoon refused {what}: more than it takes in one request.")
    return LagoonUnavailableError(
        f"HTTP {status} without a GraphQL answer to {what}: something else answers at "
        "LAGOON_API_URL (a proxy, a login page)."
    )


def _without_data(status: int, faults: list[Fault], what: str) -> LagoonError:
    text = faults[0].message if faults else "no data and no error"
    if httpx.codes.is_success(status):
        return LagoonUnavailableError(f"Lagoon answered {what} with {text}.")
    return LagoonRefusedError(
        f"Lagoon does not understand {what} (HTTP {status}): {text}. "
        "This Polydock and this Lagoon do not fit together."
    )
