"""Which mails there are, and when one is written or left out. What varies by kind is a column here.

Their words are in `emails/`. Names are the catalogue's (`mails.ready` …).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class MailKind(StrEnum):
    """One kind of mail."""

    READY = "ready"
    MIDTRIAL = "midtrial"
    ONE_DAY_LEFT = "one_day_left"
    TRIAL_COMPLETE = "trial_complete"
    TRIAL_FAILED = "trial_failed"


@dataclass(frozen=True)
class MailPolicy:
    """When mails of a kind are written, and to whom."""

    is_usual: bool = False
    """Written for apps that say nothing of it, too; the others only where the app has words."""
    is_reminder: bool = False
    """A person may decline it, and it has no point once the trial is over."""
    is_of_one_end: bool = False
    """It speaks of the end of the trial, so it is another mail when that was moved."""
    outlives: bool = False
    """It goes out although the instance failed or is no more."""
    is_for_requester: bool = False
    """It goes to the person who signed up, not to the owners of the instance."""


POLICIES = {
    MailKind.READY: MailPolicy(is_usual=True),
    MailKind.MIDTRIAL: MailPolicy(is_reminder=True),
    MailKind.ONE_DAY_LEFT: MailPolicy(is_reminder=True, is_of_one_end=True),
    MailKind.TRIAL_COMPLETE: MailPolicy(is_of_one_end=True, outlives=True),
    MailKind.TRIAL_FAILED: MailPolicy(is_usual=True, outlives=True, is_for_requester=True),
}


def is_written(mails: Mapping[str, Any], kind: MailKind) -> bool:
    """Whether an app with these `mails` of the catalogue has this kind written."""
    entry = mails.get(kind.value)
    if entry is None:
        return POLICIES[kind].is_usual
    return bool(entry.get("enabled", True))


def occasion(kind: MailKind, life: int, ends_at: datetime | None) -> str:
    """Return what a mail of *kind* is about: with the same answer it is not written again."""
    if POLICIES[kind].is_of_one_end and ends_at is not None:
        return f"life {life}, end {ends_at:%Y-%m-%dT%H:%M:%S}"
    return f"life {life}"


TAKEN_ON = "it was taken on again"
"""Why a mail about a failure is not sent: somebody retried it first."""


@dataclass(frozen=True)
class Standing:
    """What of an instance decides whether a mail about it may go out, in this moment."""

    status: str
    is_failed: bool
    is_leaving: bool
    """Removed, on the way out, or asked to be."""
    is_claimed: bool
    is_trial: bool
    has_ended: bool
    life: int
    ends_at: datetime | None


def why_not(kind: MailKind, about: str, now: Standing) -> str:
    """Return why a mail that was written about *about* is not sent any more; empty: it is."""
    policy = POLICIES[kind]
    if not policy.outlives and (now.is_leaving or now.is_failed):
        return (
            f"the instance is {now.status}" if now.is_failed else "the instance is on its way out"
        )
    if policy.is_for_requester and (now.is_claimed or not (now.is_failed or now.is_leaving)):
        return TAKEN_ON
    if (policy.is_reminder or policy.is_of_one_end) and not now.is_trial:
        return "the instance is kept, so there is no trial any more"
    if policy.is_reminder and now.has_ended:
        return "the trial has ended"
    if not about.startswith(occasion(kind, now.life, now.ends_at)):
        return "the end of the trial was moved" if policy.is_of_one_end else "it was built anew"
    return ""
