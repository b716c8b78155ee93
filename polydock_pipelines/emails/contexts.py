"""What each mail's templates are given: one frozen class a kind, whose `repr` shows no secret.

Times are aware UTC. Text may be anything that a person typed: `render` makes it one line. A link
that does not exist is None, and the mail then does without.
"""

from dataclasses import dataclass, field
from datetime import datetime

from polydock_pipelines.lifecycle.secret import Secret


@dataclass(frozen=True)
class Credentials:
    """The administrator's account, as the app was told it."""

    username: Secret
    password: Secret


@dataclass(frozen=True, kw_only=True)
class MailContext:
    """What all mails hold."""

    now: datetime
    """When it is written: tells whether a link still works, and how much time is left."""
    first_name: str = field(repr=False)
    """Empty: the mail greets without a name."""
    app_name: str
    instance_name: str
    """Empty, when a trial failed before it had one: the subject then names none."""
    support_email: str | None = None
    subject: str | None = None
    """The app's own; None: the kind's."""
    body: str = field(default="", repr=False)
    """The app's own words, in Markdown."""


@dataclass(frozen=True, kw_only=True)
class LoginContext(MailContext):
    """A mail with a way in; the link is as good as a password, so `repr` does not show it."""

    login_url: str | None = field(default=None, repr=False)
    login_expires_at: datetime | None = None
    """None: it does not."""
    is_without_password: bool = True
    """Whether the link logs in by itself; else it leads to the app's own login."""

    @property
    def is_login_open(self) -> bool:
        """Whether there is a link, and it works."""
        if self.login_url is None:
            return False
        return self.login_expires_at is None or self.now < self.login_expires_at


@dataclass(frozen=True, kw_only=True)
class ReadyContext(LoginContext):
    """The instance is there."""

    credentials: Credentials | None = None
    """None: the app has none, or hides them."""
    trial_ends_at: datetime | None = None
    """None: it is no trial."""


@dataclass(frozen=True, kw_only=True)
class ReminderContext(LoginContext):
    """A mail that comes before the end, and that a person may decline."""

    trial_ends_at: datetime
    unsubscribe_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class MidtrialContext(ReminderContext):
    """Half of the trial is over."""


@dataclass(frozen=True, kw_only=True)
class OneDayLeftContext(ReminderContext):
    """The trial ends tomorrow, or in hours when it was a short one."""

    extend_url: str | None = field(default=None, repr=False)
    """None: it cannot be extended, or not again."""


@dataclass(frozen=True, kw_only=True)
class TrialCompleteContext(MailContext):
    """The trial is over."""

    trial_ended_at: datetime


@dataclass(frozen=True, kw_only=True)
class TrialFailedContext(MailContext):
    """There will be no instance."""
