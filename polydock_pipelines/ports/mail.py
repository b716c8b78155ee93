"""What actions ask of a mail server: to take one mail after the other.

Errors are those of `ports`, and two more; what each means of the mail at hand:

    EndpointError    the server is away, slow, or does not let us in; not taken, no fault of it
    PutOffError      not taken for now: later
    RefusedError     not taken, and it never will be as it is
    InDoubtError     handed over whole, then the line was lost: it may be on its way

No text of theirs holds a whole address.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
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
_UNFOLDED = ("Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post")
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
    reply_to: str | None = field(default=None, repr=False)
    """Who gets the answers; None: the sender."""
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
    addresses = {"recipient": mail.recipient, "sender": mail.sender, "Reply-To": mail.reply_to}
    for name, address in addresses.items():
        if address is not None and not is_address(address):
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


class _Policy(EmailPolicy):
    """Keeps on one line what machines read: the standard folding would encode a long URL."""

    def fold_binary(self, name: str, value: str) -> bytes:
        """See `email.policy.Policy.fold_binary`."""
        if name in _UNFOLDED:
            return f"{name}: {value}\r\n".encode("ascii")
        return super().fold_binary(name, value)


def compose(mail: Mail, *, utf8: bool = False) -> bytes:
    """Write the message: the same bytes for the same mail, in ASCII unless addresses need *utf8*.

    Its parts are quoted-printable, so that no server need take eight bits or long lines.
    """
    message = EmailMessage(_Policy(linesep="\r\n", cte_type="7bit", utf8=utf8, max_line_length=76))
    message["Date"] = mail.date
    message["From"] = _address(mail.sender, mail.sender_name)
    message["To"] = _address(mail.recipient)
    if mail.cc:
        message["Cc"] = [_address(cc) for cc in mail.cc]
    if mail.reply_to is not None:
        message["Reply-To"] = _address(mail.reply_to)
    message["Subject"] = mail.subject
    message["Message-ID"] = mail.message_id
    for name, value in mail.headers:
        message[name] = value
    if mail.unsubscribe_url is not None:
        message["List-Unsubscribe"] = f"<{mail.unsubscribe_url}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    # "=_" stands in no quoted-printable text.
    message.set_boundary("=_" + hashlib.sha256(mail.message_id.encode()).hexdigest()[:32])
    return message.as_bytes()


def _address(address: str, name: str = "") -> Address:
    local, _, domain = address.partition("@")
    return Address(name, local, domain)
