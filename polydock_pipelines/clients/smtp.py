"""Mails over SMTP, as RFC 5321 has it: `ports.mail.Mailer` on a server of ours or a provider's.

On smtplib, save for two things: an answer has an end in time, however slowly it trickles, and
whether a lost mail may have been delivered is known.

    RefusedError                5xx: this recipient, or what the mail holds
    PutOffError                 4xx; and 5xx for our sender, which is no fault of the mail
    InDoubtError                no answer after the end of the mail
    EndpointError
    '- SmtpUnavailableError     away, slow, no TLS that we trust, 421
       '- SmtpAuthError         our login is refused, or another one is asked for

No text holds a secret or a whole address: servers like to quote them, so their words are cleaned.
"""

import base64
import contextlib
import logging
import re
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar
from urllib.parse import unquote, urlsplit

from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import EndpointError, PortError, RefusedError
from polydock_pipelines.ports.mail import (
    SMTP,
    InDoubtError,
    Mail,
    PutOffError,
    check,
    cleaned,
    compose,
    hint,
)
from polydock_pipelines.settings import LOOPBACK

LOG = logging.getLogger(__name__)

T = TypeVar("T")
Reply = tuple[int, bytes]
Tls = Literal["implicit", "starttls", "none"]
_TLS: dict[tuple[str, str], tuple[Tls, int]] = {
    ("smtps", ""): ("implicit", 465),
    ("smtp", "tls=starttls"): ("starttls", 587),
    ("smtp", "tls=none"): ("none", 25),
}
_HOST = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?|[0-9A-Fa-f:.]+")

_CLOSING, _TOO_LARGE, _LOGGED_IN, _NEXT_LINE = 421, 552, 235, 334
_LOGIN_FIRST = frozenset({530, 534, 535, 538})
_LONGEST_ANSWER = 64 * 1024


class SmtpUnavailableError(EndpointError):
    """It is away, or sends us away. The mail at hand was not taken."""

    def __init__(self, message: str) -> None:
        super().__init__(message, endpoint=SMTP)


class SmtpAuthError(SmtpUnavailableError):
    """It does not accept our login; an operator must act."""


@dataclass(frozen=True)
class SmtpServer:
    """Where mails go; printed as `host:port`."""

    host: str
    port: int
    tls: Tls
    login: tuple[Secret, Secret]
    """User and password, or both empty."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class SmtpOptions:
    """How long an answer may take, how long a connection is used, and how we greet."""

    connect_s: float = 10.0
    """Of each address of the host, and of the TLS handshake."""
    answer_s: float = 30.0
    verdict_s: float = 120.0
    """After the end of a mail: servers scan it then, and giving up leaves it in doubt."""
    mails_per_connection: int = 100
    idle_s: float = 30.0
    hello_name: str | None = None
    """A host name; None: our IP address, which tells less of this machine than its name."""


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
            "SMTP_URL must be smtp://HOST:PORT, smtp://HOST:PORT?tls=starttls or smtps://HOST:PORT "
            "with USER:PASSWORD@ before the host if need be, their special signs percent-encoded."
        )
    if tls == "none" and host not in LOOPBACK:
        raise ValueError("SMTP_URL may say tls=none only for a server on this machine.")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password) or not (user + password).isprintable():
        raise ValueError("SMTP_URL needs user and password, or neither, in printable characters.")
    return SmtpServer(host, port or usual_port, tls, (Secret(user), Secret(password)))


class SmtpMailer:
    """`ports.mail.Mailer`; threads may share it, each with a session of its own.

    `tls` says whom to trust; None: whom the system trusts.
    """

    def __init__(
        self, url: str, *, tls: ssl.SSLContext | None = None, options: SmtpOptions | None = None
    ) -> None:
        server = parse_smtp_url(url)
        if tls is None:
            # One that trusts nobody, where none is needed: the system's takes time to load.
            nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            tls = nobody if server.tls == "none" else ssl.create_default_context()
        self._connect = partial(_Connection, server, tls, options or SmtpOptions())

    def ping(self) -> None:
        """See `ports.mail.Mailer.ping`."""
        self._connect().leave()

    def send(self, mail: Mail) -> None:
        """See `ports.mail.Mailer.send`."""
        with self.session() as session:
            session.send(mail)

    @contextlib.contextmanager
    def session(self) -> Generator["SmtpSession"]:
        """See `ports.mail.Mailer.session`."""
        with contextlib.closing(SmtpSession(self._connect)) as session:
            yield session


class SmtpSession:
    """Mails over one connection, which is renewed when it is old, idle or gone."""

    def __init__(self, connect: Callable[[], "_Connection"]) -> None:
        self._connect = connect
        self._connection: _Connection | None = None

    def send(self, mail: Mail) -> None:
        """See `ports.mail.MailSession.send`."""
        check(mail)
        connection = self._connection = self._ready()
        try:
            connection.deliver(mail)
        except (RefusedError, PutOffError):
            raise
        except BaseException:
            # Be it Ctrl-C: nobody knows what that connection waits for now.
            self._connection = None
            connection.close()
            raise

    def close(self) -> None:
        """Say goodbye, if there is a connection."""
        if self._connection is not None:
            self._connection.leave()
        self._connection = None

    def _ready(self) -> "_Connection":
        if self._connection is not None and self._connection.is_ready():
            return self._connection
        self.close()
        return self._connect()


class _Wire(smtplib.SMTP):
    """smtplib's commands; its answers here have an end. What it raises is an OSError."""

    def __init__(self, server: SmtpServer, tls: ssl.SSLContext, options: SmtpOptions) -> None:
        sock = socket.create_connection((server.host, server.port), options.connect_s)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if server.tls == "implicit":
            sock = tls.wrap_socket(sock, server_hostname=server.host)
        # Without a name smtplib would ask the resolver for ours.
        super().__init__(local_hostname=options.hello_name or _own_address(sock))
        self.sock = self._sock = sock
        self.answer_s = options.answer_s
        self._unread = bytearray()
        sock.settimeout(self.answer_s)

    def getreply(self) -> Reply:
        """Return code and text, -1 for what is no answer at all."""
        end = time.monotonic() + self.answer_s
        lines = [self._line(end)]
        while lines[-1][3:4] == b"-" and len(lines) < 100:
            lines.append(self._line(end))
        self._sock.settimeout(self.answer_s)
        code = lines[-1][:3]
        return int(code) if code.isdigit() else -1, b"\n".join(line[4:] for line in lines)

    def secure(self, context: ssl.SSLContext, host: str, timeout_s: float) -> None:
        """Go on encrypted, unless somebody slipped us more than the answer before."""
        if self._unread:
            raise smtplib.SMTPServerDisconnected
        self._sock.settimeout(timeout_s)
        self.sock = self._sock = context.wrap_socket(self._sock, server_hostname=host)

    def _line(self, end: float) -> bytes:
        while b"\n" not in self._unread:
            left_s = end - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            self._sock.settimeout(left_s)
            received = self._sock.recv(4096)
            if not received or len(self._unread) > _LONGEST_ANSWER:
                raise smtplib.SMTPServerDisconnected
            self._unread += received
        line, _, rest = bytes(self._unread).partition(b"\n")
        self._unread = bytearray(rest)
        return line.rstrip()


class _Connection:
    """One connection, open and logged in. What smtplib raises goes no further than here."""

    def __init__(self, server: SmtpServer, tls: ssl.SSLContext, options: SmtpOptions) -> None:
        self._server = server
        self._options = options
        self._mails = 0
        self._used_at = time.monotonic()
        self._wire = self._ask("the start", lambda: _Wire(server, tls, options))
        try:
            self._introduce(tls)
        except BaseException:
            self.close()
            raise

    def deliver(self, mail: Mail) -> None:
        """Hand one mail over."""
        self._mails += 1
        copies = [cc for cc in dict.fromkeys(mail.cc) if cc != mail.recipient]
        is_utf8 = not "".join([mail.sender, mail.recipient, *copies]).isascii()
        if is_utf8 and not self._wire.has_extn("smtputf8"):
            raise RefusedError(
                f"{self._server} takes no address with letters beyond ASCII (it lacks SMTPUTF8), "
                f"and the mail to {hint(mail.recipient)} has one."
            )
        content = compose(mail, utf8=is_utf8)
        self._wire.command_encoding = "utf-8" if is_utf8 else "ascii"
        size = f" SIZE={len(content)}" if self._wire.has_extn("size") else ""
        self._command(mail, "MAIL", f"FROM:<{mail.sender}>{size}{' SMTPUTF8' * is_utf8}")
        self._command(mail, "RCPT", f"TO:<{mail.recipient}>")
        for copy in copies:
            self._copy_to(mail, copy)
        self._command(mail, "DATA")
        self._hand_over(mail, content)
        self._used_at = time.monotonic()

    def is_ready(self) -> bool:
        """Tell whether it takes one more mail; it forgets one that was refused half-way."""
        is_idle = time.monotonic() - self._used_at > self._options.idle_s
        try:
            if self._mails < self._options.mails_per_connection and not is_idle:
                return self._wire.rset()[0] == 250
        except OSError:
            self.close()
        return False

    def leave(self) -> None:
        """Say goodbye; it does not matter how that ends."""
        self._wire.answer_s = 2.0
        with contextlib.suppress(OSError):
            self._wire.docmd("QUIT")
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._wire.close()

    def _introduce(self, tls: ssl.SSLContext) -> None:
        wire, server = self._wire, self._server
        self._must("the greeting", wire.getreply)
        self._must("EHLO", wire.ehlo)
        if server.tls == "starttls":
            if not wire.has_extn("starttls"):
                raise SmtpUnavailableError(
                    f"{server} does not offer STARTTLS, and without it nothing is sent."
                )
            self._must("STARTTLS", lambda: wire.docmd("STARTTLS"))
            self._ask("TLS", lambda: wire.secure(tls, server.host, self._options.connect_s))
            self._must("EHLO", wire.ehlo)
        user, password = (secret.reveal() for secret in server.login)
        if user:
            self._log_in(user, password)

    def _log_in(self, user: str, password: str) -> None:
        """Say who we are. The text of an answer is never shown: who knows what it repeats."""
        offered = self._wire.esmtp_features.get("auth", "").upper().split()
        lines = ["AUTH LOGIN", _base64(user), _base64(password)]
        if "PLAIN" in offered:
            lines = [f"AUTH PLAIN {_base64(chr(0).join(['', user, password]))}"]
        elif "LOGIN" not in offered:
            raise SmtpAuthError(f"{self._server} offers no login by PLAIN or LOGIN. See SMTP_URL.")
        code = _NEXT_LINE
        while lines and code == _NEXT_LINE:
            code = self._ask("AUTH", partial(self._wire.docmd, lines.pop(0)))[0]
        if code != _LOGGED_IN:
            kind = SmtpUnavailableError if code // 100 == 4 else SmtpAuthError
            raise kind(f"{self._server} refuses our login ({code}). Check SMTP_URL.")

    def _command(self, mail: Mail, verb: str, arguments: str = "") -> None:
        code, text = self._ask(verb, lambda: self._wire.docmd(verb, arguments))
        if code // 100 != (3 if verb == "DATA" else 2):
            raise self._refusal(code, text, verb, mail)

    def _copy_to(self, mail: Mail, address: str) -> None:
        try:
            self._command(mail, "RCPT", f"TO:<{address}>")
        except (RefusedError, PutOffError):
            LOG.warning("The server takes no copy of %s for %s", mail.message_id, hint(address))

    def _hand_over(self, mail: Mail, content: bytes) -> None:
        dotted = re.sub(rb"(?m)^\.", b"..", content) + b".\r\n"
        # Where this fails, its last bytes, the end of the mail, did not go out: no doubt yet.
        self._ask("the mail", lambda: self._wire.send(dotted))
        self._wire.answer_s = self._options.verdict_s
        code, text = -1, b""
        with contextlib.suppress(OSError):
            code, text = self._wire.getreply()
        self._wire.answer_s = self._options.answer_s
        if code // 100 in (4, 5):
            raise self._refusal(code, text, "the end of the mail", mail)
        if code // 100 != 2:
            raise InDoubtError(
                f"{self._server} had the whole mail to {hint(mail.recipient)} and did not say what "
                "became of it: it may have been delivered."
            )

    def _must(self, step: str, ask: Callable[[], Reply]) -> None:
        code, text = self._ask(step, ask)
        if code // 100 != 2:
            raise SmtpUnavailableError(f"{self._server} ends at {step}: {code} {cleaned(text)}")

    def _ask(self, step: str, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except OSError as error:
            why = _why(error)
        raise SmtpUnavailableError(f"The mail server {self._server} is away at {step}: {why}.")

    def _refusal(self, code: int, text: bytes, step: str, mail: Mail) -> PortError:
        said = f"at {step}: {code} {cleaned(text)}"
        if code in _LOGIN_FIRST:
            return SmtpAuthError(f"{self._server} wants another login, see SMTP_URL; {said}")
        if code == _CLOSING or not 400 <= code < 600:
            return SmtpUnavailableError(f"{self._server} takes no mail now; {said}")
        if step == "MAIL" and code >= 500 and code != _TOO_LARGE:
            # It means a setting of ours; to believe "for good" would lose every mail by it.
            return PutOffError(
                f"{self._server} takes nothing from {hint(mail.sender)}, see MAIL_FROM; {said}"
            )
        kind, verb = (RefusedError, "refuses") if code >= 500 else (PutOffError, "puts off")
        return kind(f"{self._server} {verb} the mail to {hint(mail.recipient)} {said}")


def _own_address(sock: socket.socket) -> str:
    address = str(sock.getsockname()[0]).partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _why(error: OSError) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not to be trusted ({error.verify_message})"
        case TimeoutError():
            return "no answer in time"
        case smtplib.SMTPServerDisconnected():
            return "the connection was lost"
        case _:
            return type(error).__name__
