"""The shapes of a trial and of its mails."""

from collections.abc import Sequence
from operator import not_
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from polydock_pipelines.catalog import texts
from polydock_pipelines.catalog.problems import Finding, FindingsError
from polydock_pipelines.catalog.strict import Shape

Days = Annotated[int, Field(ge=1, le=3650)]
TRIAL_MAILS = ("midtrial", "one_day_left", "trial_complete")
"""Mails that are due by the trial's end."""


class Trial(Shape):
    """How long a trial lasts, and how far a person may extend it."""

    days: Days
    extension_days: Days | None = None
    """By how much at a time; None: not at all."""
    max_days: Days | None = None
    """How long it may become so, from its beginning on; None: no limit."""

    @field_validator("max_days")
    @classmethod
    def _limits_something(cls, value: int | None, info: ValidationInfo) -> int | None:
        days = info.data.get("days")
        if value is not None and info.data.get("extension_days", 0) is None:
            raise ValueError("limits extensions, and there is no `extension_days`; expected both")
        if value is not None and days is not None and value < days:
            raise ValueError(f"is shorter than the trial itself; expected {days} or more")
        return value

    def beyond(self, longest: int, what: str) -> Sequence[Finding]:
        """Return what would make this trial longer than the *longest* that *what* allows."""
        reason = f"is too long for {what}; expected at most {longest}"
        given = {"days": self.days, "max_days": self.max_days}
        found = [Finding([name], reason) for name, days in given.items() if days and days > longest]
        if self.extension_days and self.max_days is None:
            reason = f"is missing, and extensions have no limit without it: for {what} expected at "
            found.append(Finding(["max_days"], f"{reason}most {longest}"))
        return found


class MailEntry(Shape):
    """One kind of mail: whether it is sent, and the app's own words for it."""

    subject: texts.Line | None = None
    """None: the kind's usual subject."""
    body: Annotated[texts.Text, Field(max_length=64 * 1024)] = ""
    """Markdown. `apply` refuses what a mail would not show as it was meant."""
    enabled: bool = True

    @field_validator("enabled")
    @classmethod
    def _has_words(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's signature
        if value and not info.data.get("body", "?").strip():
            reason = "is empty; expected the mail's text in Markdown"
            raise FindingsError([Finding(["..", "body"], reason)])
        return value


class Mails(Shape):
    """The mails of an app.

    Those of TRIAL_MAILS are sent only where the app has an entry for them that is enabled. `ready`
    and `trial_failed` are sent without an entry too, in our own words: only `enabled: false` stops
    them, since nobody else would tell a person how a signup ended.
    """

    ready: MailEntry | None = None
    midtrial: MailEntry | None = None
    one_day_left: MailEntry | None = None
    trial_complete: MailEntry | None = None
    trial_failed: MailEntry | None = None
    theme: Literal["dark", "light"] | None = None
    """None: EMAIL_DEFAULT_THEME."""
    hide_credentials: Annotated[bool, Field(exclude_if=not_)] = False
    """Whether `ready` keeps the administrator's account to itself. Stored only when true."""
