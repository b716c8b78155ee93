"""Draws docs/app-types.md from the registry, so that the page cannot lie. `make docs` runs it."""

import sys
from collections.abc import Iterator, Sequence
from inspect import getdoc

from polydock_pipelines.apps.app_type import AppType, Step, always, never
from polydock_pipelines.apps.generic import GENERIC
from polydock_pipelines.apps.registry import APP_TYPES
from polydock_pipelines.lifecycle.fields import Field
from polydock_pipelines.lifecycle.holding import AI_KINDS
from polydock_pipelines.lifecycle.table import STAGES
from polydock_pipelines.steps import credentials, giving_back

HEAD = """\
# App types, and the life of their AI credentials

Drawn by `make docs` from `polydock_pipelines/apps/`; a test checks that it is fresh. Do not edit it
by hand.

## The life of a credential

What an instance has made at amazee.ai stands in a ledger (`polydock instances show`, *Outside*). An
entry is written before the call that makes the thing, so that a death in between loses nothing, and
closed when the thing is known to be gone.

```mermaid
stateDiagram-v2
    [*] --> meant : written down, then asked for
    meant --> stands : made, or found after a lost answer
    meant --> [*] : amazee.ai said no
    stands --> given_back : removal
    meant --> given_back : removal finds nothing, or what no answer told of
    stands --> owed : {tries} tries of the removal failed
    meant --> owed : the same
    owed --> given_back : lagoon_drift tries each hour
    given_back --> [*]
```

- The user is the instance's own: `<project>{domain}`. It is deleted with the instance, but only
  when Polydock made it. A person's own user (amazee-claw, mode `user`) never enters the ledger and
  is never deleted; the key that was made for it is.
- A key is called `<project>-proj-creds`, so two instances of one person never share one. When a
  creation got no answer, the owner's keys are listed, at once and again after {wait} minutes,
  before another is made. A name that the key service has locked gets a number.
- Given back in this order: {order}. What is gone already is done.
- The check `ai_credentials_returned` of the asset `lagoon_drift` is red while something is owed,
  and names it with its reason.
"""


def page() -> str:
    """Return the whole page."""
    head = HEAD.format(
        tries=giving_back.TRIES,
        domain=credentials.OWN_DOMAIN,
        wait=int(credentials.ANSWER_LOST.total_seconds() // 60),
        order=", ".join(f"`{kind}`" for kind in AI_KINDS),
    )
    parts = [head, "## The types", "", *_types(), ""]
    for app in APP_TYPES.values():
        parts += [f"## `{app.key}`: {app.label}", "", *_about(app), ""]
    return "\n".join(parts).rstrip() + "\n"


def _types() -> Iterator[str]:
    yield "| Type | Needs an amazee.ai region | Fields in the catalogue | Fields of a request |"
    yield "|---|---|---|---|"
    for app in APP_TYPES.values():
        store, request = _names(app.store_fields), _names(app.instance_fields)
        yield f"| `{app.key}` | {_needs(app)} | {store} | {request} |"


def _needs(app: AppType) -> str:
    if app.needs_ai in (always, never):
        return "yes" if app.needs_ai({}) else "no"
    return "as its fields say"


def _names(fields: Sequence[Field]) -> str:
    return ", ".join(f"`{field.name}`" for field in fields)


def _about(app: AppType) -> Iterator[str]:
    own = {stage: step for stage, step in app.steps.items() if step is not GENERIC.steps[stage]}
    if app is GENERIC:
        own = dict(app.steps)
    yield "| Stage | What happens |"
    yield "|---|---|"
    for stage in STAGES:
        if stage in own:
            yield f"| `{stage}` | {_first_sentence(own[stage])} |"
    if app is not GENERIC:
        yield ""
        yield f"In all other stages it is a `{GENERIC.key}`."
    fields = {field.name: field for field in (*app.store_fields, *app.instance_fields)}
    if fields:
        yield ""
        yield "| Field | What it is | Set by |"
        yield "|---|---|---|"
        for field in fields.values():
            yield f"| `{field.name}` | {_kind(field)} | {_who(app, field)} |"


def _first_sentence(step: Step) -> str:
    return " ".join((getdoc(step) or "").split("\n\n")[0].split())


def _kind(field: Field) -> str:
    words = [field.label]
    if field.options:
        words.append(f"one of {', '.join(f'`{option}`' for option in field.options)}")
    if field.hint:
        words.append(field.hint)
    if field.default:
        words.append(f"else `{field.default}`")
    if field.is_secret:
        words.append("sealed")
    return "; ".join(words)


def _who(app: AppType, field: Field) -> str:
    who = ["the catalogue"] if field in app.store_fields else []
    if field in app.instance_fields:
        who.append("a registration" if field.is_public else "an operator's registration")
    return ", ".join(who)


if __name__ == "__main__":
    sys.stdout.write(page())
