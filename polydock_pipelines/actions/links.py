"""Links in mails: signed with our keys, so that nobody can make one for somebody else's instance.

Signed is a purpose, whom it is for and when it ends. Mail scanners follow links, so a link alone
changes nothing: pages show a button first.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from urllib.parse import urlencode

from polydock_pipelines.db.vault import Vault

LOGIN, EXTEND, UNSUBSCRIBE = "login", "extend", "unsubscribe"
LAST_SECOND = 253_402_300_799
"""Of the year 9999; beyond it there is no date."""


class LinkState(Enum):
    """What a signed link is worth."""

    FOREIGN = auto()
    """We did not make it, or not for this."""
    ENDED = auto()
    GOOD = auto()


@dataclass(frozen=True)
class Signed:
    """What a link brings back."""

    purpose: str
    uuid: str
    expires: str
    """Unix seconds."""
    signature: str


@dataclass(frozen=True)
class Links:
    """Makes links, and tells its own from others."""

    vault: Vault
    public_url: str

    def login(self, uuid: str, until: datetime) -> str:
        """Return the link that leads to an instance."""
        return self._signed("app-instances/{}", LOGIN, uuid, until)

    def extend(self, uuid: str, until: datetime) -> str:
        """Return the link to the page on which a trial is extended."""
        return self._signed("trials/{}/extend", EXTEND, uuid, until)

    def unsubscribe(self, email_id: int) -> str:
        """Return the link by which the recipient of a mail declines reminders."""
        token = self.vault.token(_place(UNSUBSCRIBE, str(email_id), ""))
        return f"{self._base}/unsubscribe/{email_id}-{token}"

    def state(self, link: Signed, today: datetime) -> LinkState:
        """Tell our own link from others, and whether it has ended by the calendar."""
        place = _place(link.purpose, link.uuid, link.expires)
        if not self.vault.is_token(place, link.signature):
            return LinkState.FOREIGN
        until = datetime.fromtimestamp(min(int(link.expires), LAST_SECOND), UTC)
        return LinkState.GOOD if today < until else LinkState.ENDED

    def unsubscriber(self, token: str) -> int | None:
        """Return the id of the mail that a token to unsubscribe came with; None: not ours."""
        email_id, _, signature = token.partition("-")
        if not email_id.isdecimal() or len(email_id) > 18:
            return None
        is_ours = self.vault.is_token(_place(UNSUBSCRIBE, email_id, ""), signature)
        return int(email_id) if is_ours else None

    @property
    def _base(self) -> str:
        return self.public_url.rstrip("/")

    def _signed(self, path: str, purpose: str, uuid: str, until: datetime) -> str:
        expires = str(int(until.timestamp()))
        signature = self.vault.token(_place(purpose, uuid, expires))
        query = urlencode({"expires": expires, "signature": signature})
        return f"{self._base}/{path.format(uuid)}?{query}"


def _place(purpose: str, subject: str, expires: str) -> str:
    return f"link:{purpose}:{subject}:{expires}"
