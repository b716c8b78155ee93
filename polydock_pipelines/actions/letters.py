"""A mail row's words: what its templates are given, and the message as a server takes it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from polydock_pipelines.actions.links import Links
from polydock_pipelines.db.posting import Letter
from polydock_pipelines.emails.contexts import (
    Credentials,
    MailContext,
)
from polydock_pipelines.emails.kinds import KINDS
from polydock_pipelines.emails.render import render
from polydock_pipelines.emails.themes import DEFAULT_THEME, THEMES, ThemeName
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.mail_address import is_address
from polydock_pipelines.ports.mail import Mail

WITHOUT_END = timedelta(days=30)
"""So long the link in a mail works where nothing ends the instance."""


@dataclass(frozen=True)
class Letterhead:
    """What all our mails have in common."""

    sender: str
    sender_name: str = ""
    cc: tuple[str, ...] = ()
    theme: ThemeName = DEFAULT_THEME
    """For apps that name none."""


def message_id(letter: Letter, sender: str) -> str:
    """Return the Message-ID of a row: the same whenever it is handed over."""
    return f"<{letter.kind.value}.{letter.id}.{letter.instance_uuid}@{_in_ascii(sender)}>"


def _in_ascii(sender: str) -> str:
    """Return the domain of an address as a Message-ID takes it."""
    with suppress(UnicodeError):
        return sender.rpartition("@")[2].encode("idna").decode()
    return "polydock.invalid"


def compose(letter: Letter, links: Links, head: Letterhead, now: datetime, today: datetime) -> Mail:
    """Return the message. EmailError when the app's words, or a value in them, do not render."""
    words = render(letter.kind.value, context_of(letter, links, now, today), _theme(letter, head))
    is_reminder = KINDS[letter.kind.value].has_unsubscribe
    return Mail(
        message_id=message_id(letter, head.sender),
        date=now,
        sender=head.sender,
        sender_name=head.sender_name,
        recipient=letter.recipient,
        subject=words.subject,
        text=words.text,
        html=words.html,
        cc=head.cc,
        reply_to=_reply_to(letter),
        unsubscribe_url=links.unsubscribe(letter.id) if is_reminder else None,
    )


def _reply_to(letter: Letter) -> str | None:
    """Return who answers: the app's support, unless not every server would take its address."""
    support = letter.support_email
    return support if support and support.isascii() and is_address(support) else None


def _theme(letter: Letter, head: Letterhead) -> ThemeName:
    chosen = letter.mails.get("theme")
    return chosen if chosen in THEMES else head.theme


def context_of(letter: Letter, links: Links, now: datetime, today: datetime) -> MailContext:
    """Return what the templates of a mail are given: of all values, those that its kind holds."""
    entry: Mapping[str, Any] = letter.mails.get(letter.kind.value) or {}
    values: dict[str, Any] = {
        "now": today,
        "first_name": letter.first_name,
        "app_name": letter.app_name,
        "instance_name": letter.instance_name,
        "support_email": letter.support_email,
        "subject": entry.get("subject"),
        "body": entry.get("body") or "",
        "credentials": _credentials(letter),
        "trial_ends_at": letter.trial_ends_at,
        "trial_ended_at": letter.trial_ends_at or today,
        "unsubscribe_url": links.unsubscribe(letter.id),
        "extend_url": _extension(letter, links),
        **_login(letter, links, now, today),
    }
    context = KINDS[letter.kind.value].context
    names = {field.name for field in fields(context)}
    return context(**{name: value for name, value in values.items() if name in names})


def _login(letter: Letter, links: Links, now: datetime, today: datetime) -> dict[str, Any]:
    """Return the way in: without a password as long as the one-time login works."""
    if not letter.has_way_in:
        return {}
    until = letter.trial_ends_at or today + WITHOUT_END
    one_time = letter.login_valid_until
    return {
        "login_url": links.login(letter.instance_uuid, until),
        "login_expires_at": until,
        "is_without_password": one_time is not None and now < one_time,
    }


def _credentials(letter: Letter) -> Credentials | None:
    if letter.mails.get("hide_credentials") or not letter.password.reveal():
        return None
    return Credentials(Secret(letter.username), letter.password)


def _extension(letter: Letter, links: Links) -> str | None:
    if not letter.is_extendable or letter.trial_ends_at is None:
        return None
    return links.extend(letter.instance_uuid, letter.trial_ends_at)
