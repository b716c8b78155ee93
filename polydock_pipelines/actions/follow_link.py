"""What a person finds who follows a signed link of a mail: the way in, or more time for a trial.

An answer says what was found; which page and which HTTP status that is, the intake knows.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from sqlalchemy import select
from sqlalchemy.orm import Session

from polydock_pipelines.actions.extend import extend_by_person, read_offer
from polydock_pipelines.actions.links import EXTEND, LOGIN, Links, LinkState, Signed
from polydock_pipelines.actions.operate import UnknownInstanceError
from polydock_pipelines.db.leases import Book
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.offers import StoreApp
from polydock_pipelines.db.places import login_url
from polydock_pipelines.db.posting import standing
from polydock_pipelines.db.vault import Vault, VaultError
from polydock_pipelines.emails.body import is_web_address
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.lifecycle.trials import TrialError

LOG = logging.getLogger(__name__)


class Found(Enum):
    """What stands behind a link."""

    FOREIGN = auto()
    """Nothing: it is no link of ours, or one for something else."""
    LINK_ENDED = auto()
    TRIAL_ENDED = auto()
    NO_URL = auto()
    """The instance has no address yet."""
    WAY_IN = auto()
    OFFER = auto()
    """The trial may be extended."""
    REFUSAL = auto()
    """It may not, or not again."""
    EXTENDED = auto()
    UNSEEN = auto()
    """Somebody pressed, but not on a page of ours that showed an end."""


@dataclass(frozen=True)
class About:
    """Which trial it is, and whom to ask."""

    app_name: str
    instance_name: str
    support_email: str | None
    ends_at: datetime | None
    """By the calendar; None: nothing ends it."""


@dataclass(frozen=True)
class Answer:
    """What a person is shown, or where they are led."""

    found: Found
    about: About | None = None
    """None for a link of others, and for an instance that is no more."""
    target: Secret | None = None
    """Of a way in; as good as a password."""
    extended_end: datetime | None = None
    """Of an offer."""


def read_way_in(book: Book, uuid: str, expires: str, signature: str, now: datetime) -> Answer:
    """Return where a login link leads: to the one-time login while that is valid, else to the app.

    One-time logins keep real time; links and trials go by the calendar.
    """
    seen = _look(book, Signed(LOGIN, uuid, expires, signature), now)
    if isinstance(seen, Answer):
        return seen
    target = _one_time_login(seen.row, book.db.vault, now) or seen.row.app_url or ""
    if not is_web_address(target):
        return Answer(Found.NO_URL, seen.about)
    return Answer(Found.WAY_IN, seen.about, Secret(target))


def _one_time_login(row: AppInstance, vault: Vault, now: datetime) -> str | None:
    """Return it while it is valid; None, too, for one that nobody can open any more."""
    until = row.login_valid_until
    if row.login_url is None or until is None or until <= now:
        return None
    try:
        found = vault.open(login_url(row), row.login_url).reveal()
    except VaultError as error:
        LOG.error("the one-time login cannot be used: %s", error)  # noqa: TRY400 - the place says it all
        return None
    return found if is_web_address(found) else None


def read_extension(book: Book, uuid: str, expires: str, signature: str, now: datetime) -> Answer:
    """Return what the page of an extension offers. Changes nothing: mail scanners follow links."""
    seen = _look(book, Signed(EXTEND, uuid, expires, signature), now)
    if isinstance(seen, Answer):
        return seen
    offer = read_offer(book, uuid, now)
    if offer is None or offer.extended_end is None:
        return Answer(Found.REFUSAL, seen.about)
    return Answer(Found.OFFER, seen.about, extended_end=offer.extended_end)


def press_extension(
    book: Book,
    uuid: str,
    expires: str,
    signature: str,
    now: datetime,
    *,
    seen_end: datetime | None,
) -> Answer:
    """Extend a trial by the button of the page that showed *seen_end*; pressed twice, once."""
    before = read_extension(book, uuid, expires, signature, now)
    if before.found not in (Found.OFFER, Found.REFUSAL):
        return before
    if seen_end is None:
        return Answer(Found.UNSEEN, before.about)
    try:
        extend_by_person(book, uuid, seen_end, now)
    except (TrialError, UnknownInstanceError):
        # Its words are for operators. What the page offered is no more: look again.
        return read_extension(book, uuid, expires, signature, now)
    after = read_extension(book, uuid, expires, signature, now)
    return Answer(Found.EXTENDED, after.about)


@dataclass(frozen=True)
class _Subject:
    """An instance whose trial is not over."""

    row: AppInstance
    about: About


def _look(book: Book, link: Signed, now: datetime) -> Answer | _Subject:
    """Return what a good link is about, or the answer to one that leads no further."""
    today = book.calendar(now)
    state = Links(book.db.vault, book.public_url).state(link, today)
    if state is LinkState.FOREIGN:
        return Answer(Found.FOREIGN)
    with book.db.read() as session:
        row = session.scalar(select(AppInstance).where(AppInstance.uuid == link.uuid))
        if row is None:
            return Answer(Found.TRIAL_ENDED)
        about = _about(session, row)
    if _is_over(row, today):
        return Answer(Found.TRIAL_ENDED, about)
    return _Subject(row, about) if state is LinkState.GOOD else Answer(Found.LINK_ENDED, about)


def _is_over(row: AppInstance, today: datetime) -> bool:
    now = standing(row, today)
    return now.is_leaving or (now.is_trial and now.has_ended)


def _about(session: Session, row: AppInstance) -> About:
    app = session.get_one(StoreApp, row.store_app_id)
    ends_at = row.trial_ends_at if row.is_trial else None
    return About(app.name, row.name, app.support_email, ends_at)
