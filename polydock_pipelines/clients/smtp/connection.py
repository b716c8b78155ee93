"""One conversation with a mail server: its start, its mails, its end.

Whether a lost mail may have been delivered is known here, which smtplib leaves open.
"""

import base64
import contextlib
import logging
import re
import smtplib
import ssl
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from polydock_pipelines.clients.smtp.errors import SmtpAuthError, SmtpUnavailableError
from polydock_pipelines.clients.smtp.wire import Reply, SmtpOptions, Wire
from polydock_pipelines.ports import PortError, RefusedError
from polydock_pipelines.ports.mail import InDoubtError, Mail, PutOffError, cleaned, compose, hint
from polydock_pipelines.smtp_url import SmtpServer

LOG = logging.getLogger(__name__)

T = TypeVar("T")

_CLOSING, _TOO_LARGE, _LOGGED_IN, _NEXT_LINE = 421, 552, 235, 334
_LOGIN_FIRST = frozenset({530, 534, 535, 538})


class Connection:
    """One connection, open and logged in. What smtplib raises goes no further than here."""

    def __init__(self, server: SmtpServer, tls: ssl.SSLContext, options: SmtpOptions) -> None:
        self._server = server
        self._options = options
        self._mails = 0
        self._used_at = time.monotonic()
        self._wire = self._ask("the start", lambda: Wire(server, tls, options))
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
        user, password = server.login
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
