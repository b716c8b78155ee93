"""What answers that failed mean, told apart by status and text; contract amazee-ai, head and §1-6.

Texts are recognised, not passed on: a 422 echoes passwords, a 500 quotes LiteLLM with its URLs.
"""

import re
from collections.abc import Iterable

from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError

from polydock_pipelines.clients.amazee_ai.errors import (
    AmazeeAiAuthError,
    AmazeeAiError,
    AmazeeAiNotFoundError,
    AmazeeAiRefusedError,
    AmazeeAiUnavailableError,
)
from polydock_pipelines.clients.amazee_ai.request import Request, Rule

MOST_FIELDS = 5
LONGEST_TEXT = 2000
"""Beyond that a text is not searched."""
SERVER_ERRORS = range(500, 600)
FAILURES = range(300, 600)

_MORE = "raise that limit at amazee.ai, or delete there what nobody needs"
_RULES = (
    Rule([402], r"(?i)vector|database", AmazeeAiRefusedError, f"too many databases; {_MORE}"),
    Rule([402], r"(?i)keys?\b", AmazeeAiRefusedError, f"too many AI keys; {_MORE}"),
    Rule([402], r"(?i)users?\b", AmazeeAiRefusedError, f"too many users in the team; {_MORE}"),
    Rule([402], "", AmazeeAiRefusedError, f"a limit is reached; {_MORE}"),
    # The key service behind it passes on statuses of its own, which say nothing about us.
    Rule(SERVER_ERRORS, r"(?i)vector.?d", AmazeeAiUnavailableError, "its vector database failed"),
    Rule(FAILURES, r"(?i)litellm", AmazeeAiUnavailableError, "its key service LiteLLM failed"),
    Rule(
        [401],
        "",
        AmazeeAiAuthError,
        "it does not take our token; check AMAZEE_AI_TOKEN or AMAZEE_AI_TOKEN_FILE",
    ),
    Rule(
        [403],
        "",
        AmazeeAiAuthError,
        "our token's user must be an active administrator (is_admin) who is in no team",
    ),
    # FastAPI's own words, which a thing that is missing never has: this must not pass for "gone".
    Rule(
        [404, 405],
        r"^(Not Found|Method Not Allowed)$",
        AmazeeAiUnavailableError,
        "there is no such path; check AMAZEE_AI_BASE_URL",
    ),
    Rule([404], "", AmazeeAiNotFoundError),
    Rule([408, 429, *SERVER_ERRORS], "", AmazeeAiUnavailableError, "it is away or overloaded"),
    Rule(range(400, 500), "", AmazeeAiRefusedError),
    Rule(range(1000), "", AmazeeAiUnavailableError, "not its own answer; check AMAZEE_AI_BASE_URL"),
)

_FASTAPI = range(400, 500)
"""Where a body without `detail` shows that something else answers."""
_PLAIN = re.compile(r"[A-Za-z]{1,20}(?:[ ,.']{1,2}[A-Za-z]{1,20}){0,20}\.?")
"""Words of a sentence; nothing that could be a token, a URL, an address or most passwords."""
_FIELD = re.compile(r"[a-z_]{1,40}")


class _Failure(BaseModel):
    detail: JsonValue


class _Invalid(BaseModel):
    # `msg`, `input` and `ctx` may hold what was sent.
    loc: list[str | int]
    type: str


_INVALID = TypeAdapter(list[_Invalid])


def error_of(status: int, body: bytes, request: Request) -> AmazeeAiError:
    """Return the error for an answer that is no success."""
    failure = _read(body)
    if failure is None and status in _FASTAPI and status not in {401, 408, 429}:
        return unreadable(status, request)
    detail = failure.detail if failure else None
    text = detail[:LONGEST_TEXT] if isinstance(detail, str) else ""
    rule = next(
        rule
        for rule in (*request.rules, *_RULES)
        if status in rule.statuses and re.search(rule.text, text)
    )
    reason = rule.reason or _reason(detail, request)
    return _error(rule.error, f"{request.what} (HTTP {status}): {reason}", request)


def unreadable(status: int, request: Request, problems: str = "") -> AmazeeAiError:
    """Return the error for an answer that cannot be understood."""
    reason = problems or (
        "something else answers at AMAZEE_AI_BASE_URL (a proxy, a login page, another service)"
    )
    return _error(AmazeeAiUnavailableError, f"{request.what} (HTTP {status}): {reason}", request)


def problems_of(error: ValidationError) -> str:
    """Return which fields of an answer are not as we know them; empty when it is no JSON at all."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if any(item["type"] == "json_invalid" for item in found):
        return ""
    return (
        f"its answer is not as we know it: {_fields((item['loc'], item['type']) for item in found)}"
    )


def _error(kind: type[AmazeeAiError], text: str, request: Request) -> AmazeeAiError:
    if not issubclass(kind, AmazeeAiUnavailableError):
        return kind(f"amazee.ai refused {text}.")
    return kind(f"amazee.ai failed {text}.{request.doubt}")


def _read(body: bytes) -> _Failure | None:
    try:
        return _Failure.model_validate_json(body)
    except ValidationError:
        return None


def _reason(detail: JsonValue, request: Request) -> str:
    """Return what a refusal says of itself, as far as that is harmless."""
    if isinstance(detail, str):
        return _quoted(detail, request) or "for a reason that may hold secrets; see its own log"
    try:
        found = _INVALID.validate_python(detail)
    except ValidationError:
        return "without a reason"
    return f"it does not take {_fields((item.loc, item.type) for item in found)}"


def _quoted(text: str, request: Request) -> str:
    if not _PLAIN.fullmatch(text) or any(sent.lower() in text.lower() for sent in request.texts()):
        return ""
    return text.rstrip(".")


def _fields(items: Iterable[tuple[Iterable[str | int], str]]) -> str:
    """Return `body.email (value_error), …`; whatever does not look like our names is a `?`."""
    shown = [f"{'.'.join(map(_name, loc)) or 'it'} ({_name(kind)})" for loc, kind in items]
    more = len(shown) - MOST_FIELDS
    return ", ".join(shown[:MOST_FIELDS]) + (f" and {more} more" if more > 0 else "")


def _name(part: str | int) -> str:
    return str(part) if isinstance(part, int) or _FIELD.fullmatch(part) else "?"
