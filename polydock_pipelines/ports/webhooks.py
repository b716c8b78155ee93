"""What actions ask of those who want to be told: to take one message at their address.

Every HTTP status is an `Answer`, 3xx and 5xx too. Errors are those of `ports`, and two more:

    RefusedError                the delivery is not fit to be sent, see `check`
    UnsafeTargetError           its address is none that we go to; no byte was sent
    WebhookUnreachableError     no answer: `why`, and whether it `may_have_arrived`

No text of theirs holds more of an address than scheme, host and port, or anything of an answer.
"""

import base64
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol

from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import PortError, RefusedError

WHSEC = "whsec_"
"""How secrets begin, by Standard Webhooks; no part of the key."""

Why = Literal["dns", "connect", "tls", "timeout", "cut", "garbled"]
"""Where it ended: the name, the connection, its encryption, the time, in the middle, no HTTP."""

_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_EVENT = re.compile(r"[a-z0-9_-]{1,60}(\.[a-z0-9_-]{1,60}){0,5}")


class UnsafeTargetError(PortError):
    """The address leads to where we do not go: no https, a login in it, a private network."""


class WebhookUnreachableError(PortError):
    """Nobody answered.

    Repeat it with the same message id: receivers know by it what they had already.
    """

    def __init__(self, message: str, *, why: Why, may_have_arrived: bool = False) -> None:
        super().__init__(message)
        self.why: Why = why
        self.may_have_arrived = may_have_arrived
        """Whether any of the request went out; False: certainly nobody got it."""


@dataclass(frozen=True)
class Delivery:
    """One message on its way to one receiver, for the nth time."""

    message_id: str
    """`webhook-id`: the same at every attempt. Signed with dots between, so it holds none."""
    attempt: int
    """1 at first."""
    event: str
    """Such as `app_instance.created`."""
    url: str = field(repr=False)
    secrets: tuple[Secret, ...] = field(repr=False)
    """One, or two while they are changed, the newest first: each signs."""
    timestamp: datetime
    """Of this attempt, aware UTC: receivers refuse what is five minutes off."""
    body: bytes = field(repr=False)
    """JSON in UTF-8, sent as it is."""


@dataclass(frozen=True)
class Answer:
    """What a receiver said."""

    status: int
    seconds: float = 0.0
    """From the look-up of the name to the end of the answer."""
    retry_after: timedelta | None = None
    """How long it asks us to wait, at most a year: how much of it to grant is the asker's."""
    text: str = field(default="", repr=False)
    """How its body begins, on one line of at most 4096 printable signs, without our secrets."""

    @property
    def is_success(self) -> bool:
        """Whether it took the message."""
        return 200 <= self.status < 300


class WebhookSender(Protocol):
    """Delivers; tasks and threads may share it, and so may one event loop after the other."""

    async def send(self, delivery: Delivery) -> Answer:
        """Post it once. Redirects are an answer like another."""
        ...


def new_secret() -> Secret:
    """Draw a secret as its receiver gets it: `whsec_` and 32 bytes in Base64."""
    return Secret(WHSEC + base64.b64encode(secrets.token_bytes(32)).decode())


def is_secret(text: str) -> bool:
    """Tell whether *text* can sign: 24 to 64 bytes in Base64, after `whsec_` or without it.

    Without: the original engine's 40 random letters and digits are Base64, and stay good.
    """
    try:
        key = base64.b64decode(text.removeprefix(WHSEC), validate=True)
    except ValueError:
        return False
    return 24 <= len(key) <= 64


def check(delivery: Delivery) -> None:
    """Refuse what must reach no receiver, such as a line break in a header. RefusedError."""
    problem = next(_problems(delivery), None)
    if problem is not None:
        is_shown = _MESSAGE_ID.fullmatch(delivery.message_id)
        shown = delivery.message_id if is_shown else "without a proper id"
        raise RefusedError(f"The webhook message {shown} cannot be sent: {problem}.")


def _problems(delivery: Delivery) -> Iterator[str]:
    if not _MESSAGE_ID.fullmatch(delivery.message_id):
        yield "its id is not 1 to 100 letters, digits, - and _"
    if not _EVENT.fullmatch(delivery.event):
        yield "its event is no words in small letters with dots between"
    if delivery.attempt < 1:
        yield "its attempt is counted from 1"
    if delivery.timestamp.tzinfo is None:
        yield "its timestamp has no time zone"
    if not 1 <= len(delivery.secrets) <= 2:
        yield "it has neither one secret nor two"
    if not all(is_secret(secret.reveal()) for secret in delivery.secrets):
        yield "a secret of its is not whsec_ and 24 to 64 bytes in Base64"
    if not delivery.body or not _is_utf8(delivery.body):
        yield "its body is empty or not UTF-8"


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
