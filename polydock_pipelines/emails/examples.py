"""Example mails, for previews and tests: every field is filled, and nothing is real."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from polydock_pipelines.emails.contexts import (
    Credentials,
    MailContext,
    MidtrialContext,
    OneDayLeftContext,
    ReadyContext,
    TrialCompleteContext,
    TrialFailedContext,
)
from polydock_pipelines.lifecycle.secret import Secret

TRIAL = timedelta(days=14)
BODY = """\
Your CMS is waiting for you, with demo content to try everything on.

## Where to begin

- Edit the front page: *Content*, then *Edit* beside "Home".
- Read the [editor's guide](https://docs.example.com/editors), or **ask us** at
  <mailto:help@example.com>.

1. Log in with `drush uli`
2. Then:

```
drush --uri="$LAGOON_ROUTE" user:login --name="$POLYDOCK_USER_EMAIL" --no-browser --quiet
```

> Nothing can break that matters: the site is yours alone.

| Role | May |
| --- | --- |
| Editor | write & publish |

![The dashboard](https://docs.example.com/dashboard.png)
"""
"""All that Markdown can do in a mail."""
_HERE = "https://polydock.example.com"
_UUID = "6f1c3f0e-5d0b-4f5e-9a56-2f3f3d1c8b11"
_PERSON: dict[str, Any] = {
    "first_name": "Zoë",
    "app_name": "CMS with demo content",
    "instance_name": "cms-trial-brave-otter-6f1c",
    "support_email": "support@example.com",
}
_LOGIN = f"{_HERE}/app-instances/{_UUID}?expires=1797170400&signature=2b1d5c0f"


def example(kind: str, now: datetime) -> MailContext:
    """Return the context of a mail of *kind* that is written *now*: a trial of 14 days."""
    return _EXAMPLES[kind](now)


def _reminder(now: datetime, left: timedelta, body: str) -> dict[str, Any]:
    return {
        **_PERSON,
        "now": now,
        "body": body,
        "login_url": _LOGIN,
        "login_expires_at": now + left,
        "is_without_password": False,  # that was for the first day
        "trial_ends_at": now + left,
        "unsubscribe_url": f"{_HERE}/unsubscribe/b2Zm",
    }


def _ready(now: datetime) -> MailContext:
    return ReadyContext(
        **_PERSON,
        now=now,
        subject="Your CMS is ready",
        body=BODY,
        login_url=_LOGIN,
        login_expires_at=now + TRIAL,
        credentials=Credentials(Secret("amber-otter"), Secret("horse battery <staple>")),
        trial_ends_at=now + TRIAL,
    )


def _midtrial(now: datetime) -> MailContext:
    body = "Not sure where to go on? Read the [editor's guide](https://docs.example.com/editors)."
    return MidtrialContext(**_reminder(now, TRIAL / 2, body))


def _one_day_left(now: datetime) -> MailContext:
    body = "Read [how to export your pages](https://docs.example.com/export)."
    extend_url = f"{_HERE}/trials/{_UUID}/extend?signature=77aa"
    return OneDayLeftContext(**_reminder(now, timedelta(days=1), body), extend_url=extend_url)


def _trial_complete(now: datetime) -> MailContext:
    body = "For a site of your own, read [how to go on](https://docs.example.com/go-on)."
    return TrialCompleteContext(**_PERSON, now=now, body=body, trial_ended_at=now)


def _trial_failed(now: datetime) -> MailContext:
    body = "Our [status page](https://status.example.com/) says what is being mended."
    return TrialFailedContext(**_PERSON, now=now, body=body)


_EXAMPLES: dict[str, Callable[[datetime], MailContext]] = {
    "ready": _ready,
    "midtrial": _midtrial,
    "one_day_left": _one_day_left,
    "trial_complete": _trial_complete,
    "trial_failed": _trial_failed,
}
