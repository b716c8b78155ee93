"""What actions ask of a mail server: to take one mail after the other.

Errors are those of `ports`, and two more; what each means of the mail at hand:

    EndpointError    the server is away, slow, or does not let us in; not taken, no fault of it
    PutOffError      not taken for now: later
    RefusedError     not taken, and it never will be as it is
    InDoubtError     handed over whole, then the line was lost: it may be on its way

No text of theirs holds a whole address.
"""

import functools
import hashlib
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.policy import EmailPolicy
from email.quoprimime import body_encode
from email.utils import format_datetime
from typing import Protocol

from polydock_pipelines.mail_address import is_address
from polydock_pipelines.ports import PortError, RefusedError

SMTP = "smtp"
"""The endpoint's name for operators and circuits."""

AUTOMATIC = (("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All"))
"""Says that no person wrote it (RFC 3834), the second to Exchange: so no out-of-office answers."""

_OUR_HEADERS = frozenset(
    {
        *("bcc", "cc", "content-transfer-encoding", "content-type", "date", "from", "message-id"),
        *("list-unsubscribe", "list-unsubscribe-post", "mime-version", "received", "reply-to"),
        *("return-path", "sender", "subject", "to"),
    }
)
_IN_ANSWER = re.compile(r'("[^"]*"|[^\s<>()\[\],;:"@]+)@([^\s<>()\[\],;:"@]+)')
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_HALF_A_CHARACTER = re.compile(r"[\ud800-\udfff]")
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,70}")
_HEADER_VALUE = re.compile(r"[ -~]{1,900}")
_MESSAGE_ID = re.compile(r"<[!-;=?A-~]{1,120}@[!-;=?A-~]{1,120}>")
_POLICIES = {
    utf8: EmailPolicy(linesep="\r\n", cte_type="7bit", utf8=utf8) for utf8 in (False, True)
}
_LONGEST_LINE = 76
"""Of quoted-printable (RFC 2045 §6.7)."""
_URL = re.compile(r"https?://[!-;=?-~]{1,900}")


class PutOffError(PortError):
    """The server does not take this mail for now; nothing was delivered."""


class InDoubtError(PortError):
    """The mail was handed over and the answer was lost. It may have been delivered.

    Repeat it at most once, with the same Message-ID, so that a mailbox can tell.
    """


@dataclass(frozen=True)
class Mail:
    """One mail to one person. Printed, it shows its Message-ID: the rest is private."""

    message_id: str
    """In angle brackets, the same whenever the mail is repeated."""
    date: datetime
    sender: str = field(repr=False)
    recipient: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)
    sender_name: str = field(default="", repr=False)
    cc: tuple[str, ...] = field(default=(), repr=False)
    """Get it too, unless the server refuses them: that never holds it back from the recipient."""
    unsubscribe_url: str | None = field(default=None, repr=False)
    """Takes a POST without a question (RFC 8058)."""
    headers: tuple[tuple[str, str], ...] = field(default=AUTOMATIC, repr=False)


class MailSession(Protocol):
    """Sends mails one after the other; each thread has its own."""

    def send(self, mail: Mail) -> None:
        """Hand one mail over. After any error of `ports` the next one may be sent."""
        ...


class Mailer(Protocol):
    """A mail server; threads may share it."""

    def ping(self) -> None:
        """Connect, log in and leave. EndpointError when that cannot be done."""
        ...

    def send(self, mail: Mail) -> None:
        """Hand over a single mail; for more, open a session."""
        ...

    def session(self) -> AbstractContextManager[MailSession]:
        """Return what sends many mails over one connection, opened with the first of them."""
        ...


def hint(address: str) -> str:
    """Return what of an address may be logged: `a…@example.com`."""
    if not is_address(address):
        return "what is no address"
    local, _, domain = address.partition("@")
    return f"{local[0]}…@{domain}"


def cleaned(answer: bytes) -> str:
    """Return a server's words without control characters and whole addresses."""
    words = " ".join(answer[:300].decode(errors="replace").split())
    shown = "".join(sign for sign in words if sign.isprintable())
    return _IN_ANSWER.sub(lambda found: f"{found[1].strip(chr(34))[:1]}…@{found[2]}", shown)


def check(mail: Mail) -> None:
    """Refuse what must reach no server, such as a line break in a header. RefusedError."""
    problem = next(_problems(mail), None)
    if problem is not None:
        shown = mail.message_id if _MESSAGE_ID.fullmatch(mail.message_id) else "without a proper id"
        raise RefusedError(f"The mail {shown} cannot be sent: {problem}.")


def _problems(mail: Mail) -> Iterator[str]:
    for name, address in (("recipient", mail.recipient), ("sender", mail.sender)):
        if not is_address(address):
            yield f"its {name} is no address that a mail server takes"
    if not all(map(is_address, mail.cc)):
        yield "one who gets a copy has no address that a mail server takes"
    for name, text in (("subject", mail.subject), ("sender's name", mail.sender_name)):
        if _CONTROL.search(text):
            yield f"its {name} holds a line break or another control character"
    if _HALF_A_CHARACTER.search(mail.text + mail.html):
        yield "its text or HTML holds half a character (a lone surrogate)"
    if mail.date.tzinfo is None:
        yield "its date has no time zone"
    yield from _header_problems(mail)


def _header_problems(mail: Mail) -> Iterator[str]:
    if not _MESSAGE_ID.fullmatch(mail.message_id):
        yield "its Message-ID is not of the form <left@right>"
    if mail.unsubscribe_url is not None and not _URL.fullmatch(mail.unsubscribe_url):
        yield "the address to unsubscribe is no URL of at most 900 plain characters"
    for name, value in mail.headers:
        if name.lower() in _OUR_HEADERS or not _HEADER_NAME.fullmatch(name):
            yield "one of its further headers has a name that is ours, or none"
        elif not _HEADER_VALUE.fullmatch(value):
            yield f"its header {name} is no plain text of at most 900 characters"


def compose(mail: Mail, *, utf8: bool = False) -> bytes:
    """Write the message: the same bytes for the same mail, in ASCII unless addresses need *utf8*.

    Its parts are quoted-printable, so that no server need take eight bits or long lines. Put
    together by hand: `EmailMessage` takes three times as long, and headers that machines read,
    such as a long URL, must stay on one line, which its folding would encode.
    """
    # "=_" stands in no quoted-printable text.
    boundary = "=_" + hashlib.sha256(mail.message_id.encode()).hexdigest()[:32]
    form = f'multipart/alternative;\r\n boundary="{boundary}"'
    mark = f"--{boundary}".encode()
    plain, html = _part(mail.text, "plain"), _part(mail.html, "html", "MIME-Version: 1.0\r\n")
    return b"".join(
        (
            *_headers(mail, utf8=utf8),
            f"MIME-Version: 1.0\r\nContent-Type: {form}\r\n\r\n".encode(),
            *(mark, b"\r\n", plain, b"\r\n", mark, b"\r\n", html, b"\r\n", mark, b"--\r\n"),
        )
    )


def _headers(mail: Mail, *, utf8: bool) -> Iterator[bytes]:
    yield _unfolded("Date", format_datetime(mail.date))
    yield _common("From", ((mail.sender, mail.sender_name),), utf8=utf8)
    yield _folded("To", ((mail.recipient, ""),), utf8=utf8)
    if mail.cc:
        yield _common("Cc", tuple((cc, "") for cc in mail.cc), utf8=utf8)
    yield _folded("Subject", mail.subject, utf8=utf8)
    yield _unfolded("Message-ID", mail.message_id)
    for name, value in mail.headers:
        yield _common(name, value, utf8=utf8)
    if mail.unsubscribe_url is not None:
        yield _unfolded("List-Unsubscribe", f"<{mail.unsubscribe_url}>")
        yield _unfolded("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")


def _unfolded(name: str, value: str) -> bytes:
    return f"{name}: {value}\r\n".encode("ascii")


def _folded(name: str, value: str | tuple[tuple[str, str], ...], *, utf8: bool) -> bytes:
    """Return a header of text, or of addresses with their names."""
    policy = _POLICIES[utf8]
    shown = value if isinstance(value, str) else [_address(*one) for one in value]
    return policy.fold_binary(*policy.header_store_parse(name, shown))


_common = functools.lru_cache(maxsize=64)(_folded)
"""Of headers that all our mails share: what is only one person's is not kept in memory."""


def _part(text: str, subtype: str, more: str = "") -> bytes:
    lines = text.encode().splitlines()
    encoded = body_encode((b"\n".join(lines) + b"\n").decode("latin-1"), _LONGEST_LINE, "\r\n")
    head = f'Content-Type: text/{subtype}; charset="utf-8"\r\n'
    how = "Content-Transfer-Encoding: quoted-printable\r\n"
    return f"{head}{how}{more}\r\n{encoded}".encode("ascii")


def _address(address: str, name: str) -> Address:
    local, _, domain = address.partition("@")
    return Address(name, local, domain)
