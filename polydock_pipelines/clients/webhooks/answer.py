"""What of a receiver's answer is kept. It comes from a stranger: nothing of it is believed."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports.webhooks import WHSEC

LONGEST_BODY = 4096
_LONGEST_WAIT = timedelta(days=365)
_SECONDS = re.compile(r"[0-9]{1,30}")
_SECRET = re.compile(WHSEC + r"[A-Za-z0-9+/=_-]*")

Header = tuple[bytes, bytes]


def retry_after(headers: Sequence[Header], now: datetime) -> timedelta | None:
    """Read `Retry-After`, in seconds or as a date, as RFC 9110 has it; None: nothing sensible.

    A date counts from the answer's own `Date`, so that no clock need be right; else from *now*.
    """
    value = _header(headers, b"retry-after")
    if _SECONDS.fullmatch(value):
        seconds = min(int(value), int(_LONGEST_WAIT.total_seconds()))
        return timedelta(seconds=seconds)
    at = _date(value)
    if at is None:
        return None
    wait = at - (_date(_header(headers, b"date")) or now)
    return min(max(wait, timedelta()), _LONGEST_WAIT)


def readable(body: bytes, secrets: Iterable[Secret]) -> str:
    """Return how a body begins, on one line, without control signs and without our secrets."""
    text = _SECRET.sub("***", body[:LONGEST_BODY].decode(errors="replace"))
    for secret in secrets:
        text = text.replace(secret.reveal().removeprefix(WHSEC), "***")
    return "".join(sign for sign in " ".join(text.split()) if sign.isprintable())[:LONGEST_BODY]


def _header(headers: Sequence[Header], name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in headers if key.lower() == name), "")


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
        return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, OverflowError, TypeError):
        return None
