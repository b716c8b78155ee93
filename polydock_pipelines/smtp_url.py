"""The one reader of SMTP_URL: settings check it with this, and the client goes by what it says."""

import contextlib
import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")

Tls = Literal["implicit", "starttls", "none"]
_TLS: dict[tuple[str, str], tuple[Tls, int]] = {
    ("smtps", ""): ("implicit", 465),
    ("smtp", "tls=starttls"): ("starttls", 587),
    ("smtp", "tls=none"): ("none", 25),
}
_HOST = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?|[0-9A-Fa-f:.]+")


@dataclass(frozen=True)
class SmtpServer:
    """Where mails go; printed as `host:port`."""

    host: str
    port: int
    tls: Tls
    login: tuple[str, str] = field(default=("", ""), repr=False)
    """User and password, or both empty."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_smtp_url(url: str) -> SmtpServer:
    """Read `smtp://HOST:PORT?tls=starttls|none` or `smtps://…`, maybe with USER:PASSWORD@.

    Without `tls`, STARTTLS is required, save on loopback. ValueError, which quotes nothing of it.
    """
    parts, port = urlsplit(""), None
    with contextlib.suppress(ValueError):
        parts, port = urlsplit(url), urlsplit(url).port
    host, query = parts.hostname or "", parts.query
    if parts.scheme == "smtp" and not query:
        query = "tls=none" if host in LOOPBACK else "tls=starttls"
    tls, usual_port = _TLS.get((parts.scheme, query), (None, 0))
    if tls is None or not _HOST.fullmatch(host) or parts.path.strip("/") or parts.fragment:
        raise ValueError(
            "expected smtp://HOST:PORT, smtp://HOST:PORT?tls=starttls or smtps://HOST:PORT, with "
            "USER:PASSWORD@ before the host if need be, their special signs percent-encoded"
        )
    if tls == "none" and host not in LOOPBACK:
        raise ValueError("expected tls=none for a server on this machine only")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password) or not (user + password).isprintable():
        raise ValueError("expected user and password, or neither, in printable characters")
    return SmtpServer(host, port or usual_port, tls, (user, password))
