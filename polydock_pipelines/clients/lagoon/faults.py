"""Entries of a GraphQL answer's `errors`: made harmless to print, and told apart.

Lagoon strips error codes outside development, so text and path are all there is to go by.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from polydock_pipelines.clients.lagoon.errors import (
    LagoonDeniedError,
    LagoonError,
    LagoonRefusedError,
)

HIDDEN = r"^Unauthorized$"
"""What Lagoon answers for many things that do not exist, and for those it hides."""
PERMISSION = r"^Unauthorized: You don't have permission"
MISSING_ROW = r"^Cannot read properties? .*of (undefined|null)"
"""An unguarded look-up in Lagoon: nearly always an id or name that does not exist."""

_SQL = re.compile(r"\(conn:\s*-?\d+|SQLState|\bsql:\s", re.IGNORECASE)
_SQL_CODE = re.compile(r"\bno: (\d+)")
_ECHO = re.compile(
    r"(got invalid value|cannot represent [^:]*:).*?(?=( at \"| at '|; |$))", re.DOTALL
)
_LONGEST = 300
_SHORT_SECRET = 4


@dataclass(frozen=True)
class Fault:
    """One error of an answer; make it with `fault`."""

    message: str
    """Free of SQL and of the secrets that were sent."""
    path: tuple[str, ...]
    text: str = field(repr=False)
    """As Lagoon wrote it, to be told apart by; never to be shown."""


@dataclass(frozen=True)
class Rule:
    """What a message means: the error to raise, and what somebody must change."""

    text: str
    """A regular expression, searched in the message."""
    error: type[LagoonError]
    advice: str = ""


GENERAL_RULES = (
    Rule(
        PERMISSION,
        LagoonDeniedError,
        "Give the user of our Lagoon token that permission (owner or admin of the organization; "
        "Maintainer or Owner of the project).",
    ),
    Rule(
        HIDDEN,
        LagoonDeniedError,
        "It does not exist, or the user of our Lagoon token may not see it.",
    ),
    Rule(r"error 1406\b", LagoonRefusedError, "A value is too long for its column."),
)


def fault(text: str, path: Iterable[str | int] = (), secrets: Iterable[str] = ()) -> Fault:
    """Return an error of an answer to a request that carried *secrets*."""
    message = redact(text, secrets)
    # SQL holds values, which must not be mistaken for Lagoon's own words.
    return Fault(message, tuple(map(str, path)), message if _SQL.search(text) else text)


def error_of(faults: Sequence[Fault], rules: Iterable[Rule], what: str) -> LagoonError:
    """Return the error for an operation that answered *faults*; the first of them decides."""
    first, more = faults[0], len(faults) - 1
    sentence = f"Lagoon failed {what}: {first.message.rstrip('.!')}."
    if more:
        sentence += f" ({more} more of the kind.)"
    for rule in (*rules, *GENERAL_RULES):
        if re.search(rule.text, first.text):
            return rule.error(f"{sentence} {rule.advice}".rstrip())
    return LagoonError(sentence)


def redact(message: str, secrets: Iterable[str]) -> str:
    """Return *message* without SQL, echoed input and *secrets*, in one short line."""
    if _SQL.search(message):
        code = _SQL_CODE.search(message)
        return f"database error {code[1]} in Lagoon" if code else "database error in Lagoon"
    clean = message
    for spelling in sorted(_spellings(secrets), key=len, reverse=True):
        clean = _blank(clean, spelling)
    clean = " ".join(_ECHO.sub(r"\1 ***", clean).split())
    return clean if len(clean) <= _LONGEST else clean[:_LONGEST] + "…"


def _spellings(secrets: Iterable[str]) -> set[str]:
    """Return how a message may spell a secret: as it is, escaped, or one line of it."""
    found: set[str] = set()
    for secret in secrets:
        found |= {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
        found |= {
            line.strip() for line in secret.splitlines() if len(line.strip()) >= _SHORT_SECRET
        }
    return found - {""}


def _blank(message: str, secret: str) -> str:
    # A short one is hidden only where it stands alone: "1" must not blank every digit.
    if len(secret) >= _SHORT_SECRET:
        return message.replace(secret, "***")
    return re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", message)
