"""The five mails as a table: what varies by kind is a column here, and nowhere else.

Names are the catalogue's (`mails.ready` …); subjects are the original's, and end in the
instance's name.
"""

from dataclasses import dataclass

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


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "ready",
            "Your new instance is Ready",
            contexts.ReadyContext,
            has_credentials=True,
            has_login=True,
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
        ),
    )
}
