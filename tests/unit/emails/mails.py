"""The mails that the tests of this folder render: one context a kind, all fields filled."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
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

NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
END = NOW + timedelta(days=14)
LOGIN = "https://polydock.example.com/app-instances/6f1c3f0e-5d0b-4f5e-9a56-2f3f3d1c8b11?expires=1797170400&signature=2b1d5c0f"
UNSUBSCRIBE = "https://polydock.example.com/unsubscribe/b2Zm"
EXTEND = (
    "https://polydock.example.com/trials/6f1c3f0e-5d0b-4f5e-9a56-2f3f3d1c8b11/extend?signature=77aa"
)
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
SHORT = "Thank you for trying it. Read [how to go on](https://docs.example.com/go-on)."

_person: dict[str, Any] = {
    "first_name": "Zoë",
    "app_name": "CMS with demo content",
    "instance_name": "cms-trial-brave-otter-6f1c",
    "support_email": "support@example.com",
}

CONTEXTS: dict[str, MailContext] = {
    "ready": ReadyContext(
        **_person,
        now=NOW,
        subject="Your CMS is ready",
        body=BODY,
        login_url=LOGIN,
        login_expires_at=NOW + timedelta(days=3),
        credentials=Credentials(Secret("amber-otter"), Secret("horse battery <staple>")),
        trial_ends_at=END,
    ),
    "midtrial": MidtrialContext(
        **_person,
        now=END - timedelta(days=7),
        body=SHORT,
        login_url=LOGIN,
        login_expires_at=END,
        trial_ends_at=END,
        unsubscribe_url=UNSUBSCRIBE,
    ),
    "one_day_left": OneDayLeftContext(
        **_person,
        now=END - timedelta(days=1),
        body=SHORT,
        login_url=LOGIN,
        login_expires_at=END,
        trial_ends_at=END,
        unsubscribe_url=UNSUBSCRIBE,
        extend_url=EXTEND,
    ),
    "trial_complete": TrialCompleteContext(**_person, now=END, body=SHORT, trial_ended_at=END),
    "trial_failed": TrialFailedContext(**_person, now=NOW, body=SHORT),
}


def changed(kind: str, **fields: Any) -> MailContext:
    """Return the context of *kind* with other *fields*."""
    return replace(CONTEXTS[kind], **fields)
