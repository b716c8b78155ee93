"""Reads bodies within bounds: at most 64 KiB of JSON, an object, or an answer that says why not."""

import json
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

LARGEST_BODY = 64 * 1024


class RefusedBodyError(Exception):
    """The body is not taken."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def read_object(request: Request) -> dict[str, Any]:
    """Return the JSON object of the body. RefusedBodyError: too large, no JSON, no object."""
    raw = bytearray()
    async for piece in request.stream():
        raw += piece
        if len(raw) > LARGEST_BODY:
            raise RefusedBodyError(413, "The request is larger than 64 KiB")
    try:
        body = json.loads(bytes(raw).decode())
    except (ValueError, RecursionError):
        raise RefusedBodyError(400, "The request is not valid JSON") from None
    if not isinstance(body, dict):
        raise RefusedBodyError(400, "The request is not a JSON object")
    return body  # pyright: ignore[reportUnknownVariableType] - what it holds is checked by a schema


def failed(status: int, message: str) -> JSONResponse:
    """Return a refusal in the original engine's shape."""
    return JSONResponse({"status": "failed", "message": message}, status)
