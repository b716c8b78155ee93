"""The five mails as a table: what varies by kind is a column here, and nowhere else.

Names are the catalogue's (`mails.ready` …); subjects are the original's, and end in the
instance's name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from polydock_pipelines.emails import contexts


@dataclass(frozen=True)
class Kind:
    """One kind of mail."""

    name: str
    subject: str
    context: type[contexts.MailContext]
    has_credentials: bool = False
    """Once is enough: a password that is repeated lies in more places."""
    has_login: bool = False
    has_extension: bool = False
    has_unsubscribe: bool = False
    """It goes out with the headers List-Unsubscribe and List-Unsubscribe-Post."""
    is_sent_unasked: bool = False
    """Even of an app that has no entry for it: else nobody would tell how a signup ended."""


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "ready",
            "Your new instance is Ready",
            contexts.ReadyContext,
            has_credentials=True,
            has_login=True,
            is_sent_unasked=True,
        ),
        Kind(
            "midtrial",
            "Halfway Through Your Trial",
            contexts.MidtrialContext,
            has_login=True,
            has_unsubscribe=True,
        ),
        Kind(
            "one_day_left",
            "One Day Left in Your Trial",
            contexts.OneDayLeftContext,
            has_login=True,
            has_extension=True,
            has_unsubscribe=True,
        ),
        Kind("trial_complete", "Your Trial Has Ended", contexts.TrialCompleteContext),
        Kind(
            "trial_failed",
            "Your Trial Could Not Be Set Up",
            contexts.TrialFailedContext,
            is_sent_unasked=True,
        ),
    )
}


def is_sent(kind: str, mails: Mapping[str, Any]) -> bool:
    """Whether an app sends mails of *kind*; *mails* is what its catalogue's entry says of mails."""
    entry = mails.get(kind)
    return KINDS[kind].is_sent_unasked if entry is None else bool(entry["enabled"])
