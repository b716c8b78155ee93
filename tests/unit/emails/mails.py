"""The mails that the tests of this folder render: one context a kind, all fields filled."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from polydock_pipelines.emails.contexts import MailContext
from polydock_pipelines.emails.examples import TRIAL, example
from polydock_pipelines.emails.kinds import KINDS

NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
END = NOW + TRIAL
LOGIN = "https://polydock.example.com/app-instances/6f1c3f0e-5d0b-4f5e-9a56-2f3f3d1c8b11?expires=1797170400&signature=2b1d5c0f"
UNSUBSCRIBE = "https://polydock.example.com/unsubscribe/b2Zm"
EXTEND = (
    "https://polydock.example.com/trials/6f1c3f0e-5d0b-4f5e-9a56-2f3f3d1c8b11/extend?signature=77aa"
)
WRITTEN = {
    "midtrial": END - TRIAL / 2,
    "one_day_left": END - timedelta(days=1),
    "trial_complete": END,
}
"""When, unless it is NOW."""

CONTEXTS: dict[str, MailContext] = {kind: example(kind, WRITTEN.get(kind, NOW)) for kind in KINDS}


def changed(kind: str, **fields: Any) -> MailContext:
    """Return the context of *kind* with other *fields*."""
    return replace(CONTEXTS[kind], **fields)
