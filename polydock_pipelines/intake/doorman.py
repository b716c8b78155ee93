"""Reads bodies within bounds: at most 64 KiB, a JSON object or a form, or says why not."""

import json
from typing import Any
from urllib.parse import parse_qs

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

LARGEST_BODY = 64 * 1024
MOST_FORM_FIELDS = 100


class RefusedBodyError(Exception):
    """The body is not taken."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _TwiceError(Exception):
    """An object names a field twice."""


async def read_object(request: Request) -> dict[str, Any]:
    """Return the JSON object of the body. RefusedBodyError: too large, no JSON, no object."""
    if not _says_json(request):
        raise RefusedBodyError(415, "The request must be application/json")
    raw = await _read(request)
    try:
        body = json.loads(raw.decode(), object_pairs_hook=_once)
    except _TwiceError:
        # Readers disagree on which of the two counts, so neither does.
        raise RefusedBodyError(400, "The request names a field twice") from None
    except (ValueError, RecursionError):
        raise RefusedBodyError(400, "The request is not valid JSON") from None
    if not isinstance(body, dict):
        raise RefusedBodyError(400, "The request is not a JSON object")
    return body  # pyright: ignore[reportUnknownVariableType] - what it holds is checked by a schema


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form in the body. RefusedBodyError: too large, no form."""
    raw = await _read(request)
    try:
        found = parse_qs(raw.decode(), keep_blank_values=True, max_num_fields=MOST_FORM_FIELDS)
    except ValueError:
        raise RefusedBodyError(400, "The request is not a form") from None
    return {name: values[-1] for name, values in found.items()}


def _says_json(request: Request) -> bool:
    """Whether the body is said to be JSON; nothing said is fine."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in ("", "application/json") or kind.endswith("+json")


async def _read(request: Request) -> bytes:
    raw = bytearray()
    try:
        async for piece in request.stream():
            raw += piece
            if len(raw) > LARGEST_BODY:
                raise RefusedBodyError(413, "The request is larger than 64 KiB")
    except ClientDisconnect:
        raise RefusedBodyError(400, "The request is not complete") from None
    return bytes(raw)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _TwiceError
    return found


def failed(status: int, message: str) -> JSONResponse:
    """Return a refusal in the original engine's shape."""
    return JSONResponse({"status": "failed", "message": message}, status)
