"""Trials whose people follow the links of their mails, and those links."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from polydock_pipelines.actions.links import Links
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.mails import Email
from polydock_pipelines.lifecycle.mails import MailKind
from tests.fakes.clock import START
from tests.makers import VAULT, make_group, make_instance_row, make_store_app, make_user

CLAIMED = "running-healthy-claimed"
LINKS = Links(VAULT, "")
"""With no host: paths, as the client of a door wants them."""
BEGAN = START - timedelta(days=4)
END = START + timedelta(days=10, hours=5, minutes=5, microseconds=123456)
SHOWN_END = "Wed 11 March 2026, 14:05 UTC"
EXTENDED = END + timedelta(days=7)
SHOWN_EXTENDED = "Wed 18 March 2026, 14:05 UTC"
SUPPORT = "help@example.com"


@dataclass(frozen=True)
class Trial:
    """A trial that runs until END, and the links of its mails."""

    id: int
    uuid: str

    @property
    def login(self) -> str:
        return LINKS.login(self.uuid, END)

    @property
    def extension(self) -> str:
        return LINKS.extend(self.uuid, END)


def trial(
    db: Database, *, status: str = CLAIMED, app: dict[str, Any] | None = None, **changes: Any
) -> Trial:
    """Make one whose app lets people extend by a week at a time."""
    dates = {"claimed_at": BEGAN, "trial_started_at": BEGAN, "trial_ends_at": END}
    columns: dict[str, Any] = dates | changes
    offered = {"name": "Drupal CMS", "support_email": SUPPORT, "trial_extension_days": 7}
    with db.write() as session:
        row = make_instance_row(
            session,
            make_store_app(session, **(offered | (app or {}))),
            status=status,
            group=make_group(session, make_user(session)),
            **columns,
        )
        return Trial(row.id, row.uuid)


def mail(
    db: Database, of: Trial, recipient: str, kind: MailKind = MailKind.MIDTRIAL, **changes: Any
) -> int:
    """Write a mail that waits to be sent; return its id."""
    with db.write() as session:
        row = Email(
            instance_id=of.id,
            kind=kind.value,
            recipient=recipient,
            **{"occasion": "life 1", "state": "pending", "due_at": START} | changes,
            wanted_at=START,
            created_at=START,
        )
        session.add(row)
        session.flush()
        return row.id


def changed(link: str, **parts: str) -> str:
    """Return a link with other values in its query."""
    split = urlsplit(link)
    return f"{split.path}?{urlencode(dict(parse_qsl(split.query)) | parts)}"


def until(moment: datetime, of: Trial) -> str:
    """Return a login link that ends at *moment*."""
    return LINKS.login(of.uuid, moment)
