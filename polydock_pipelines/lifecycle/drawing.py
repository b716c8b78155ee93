"""Draws docs/lifecycle.md from the table, so that the page cannot lie. `make docs` runs it."""

import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta

from polydock_pipelines.lifecycle.status import Resting
from polydock_pipelines.lifecycle.table import (
    LIFECYCLE,
    STATUSES,
    WISHES,
    Crossroads,
    Kind,
    Stage,
    Wish,
)
from polydock_pipelines.lifecycle.transitions import BACK_OFF

HEAD = """\
# The lifecycle of an instance

Drawn by `make docs` from `polydock_pipelines/lifecycle/table.py`; a test checks that it is fresh.
Do not edit it by hand.

Each stage has the phases *pending*, *running*, *completed* and *failed*; with the resting statuses
that makes the {count} words that the API and webhooks carry. An arrow is what follows when the
stage is done. Each stage may fail; an operator's retry then enters where the table says.
"""

ASKED = """\
## What may be asked of an instance

An operator's or the clock's wish is obeyed at once when no step is at work on the instance, else
right after that step, whatever it came to.
"""


def page() -> str:
    """Return the whole page."""
    parts = [
        HEAD.format(count=len(STATUSES)),
        "```mermaid",
        "stateDiagram-v2",
        *(f"    {line}" for line in _edges()),
        "```",
        "",
        "## Stages",
        "",
        *_stages(),
        "",
        _back_off(),
        "",
        ASKED,
        *_wishes(),
        "",
        "## All statuses",
        "",
        *_statuses(),
    ]
    return "\n".join(parts) + "\n"


def _edges() -> Iterator[str]:
    yield f"[*] --> {_id(Resting.NEW)}"
    yield f"{_id(Resting.NEW)} --> {_id(LIFECYCLE[0].name)}"
    for stage in LIFECYCLE:
        for then, why in _followers(stage):
            label = f" : {why}" if why else ""
            yield f"{_id(stage.name)} --> {_id(then)}{label}"
    for wish, goal in WISHES.items():
        start = {Wish.PURGE: Resting.REMOVED}.get(wish, Resting.HEALTHY_CLAIMED)
        yield f"{_id(start)} --> {_id(goal)} : {wish}"
    yield f"{_id(Resting.REMOVED)} --> [*]"


def _id(name: str) -> str:
    return name.replace("-", "_")


def _followers(stage: Stage) -> list[tuple[str, str]]:
    """Return what may follow, and when."""
    if isinstance(stage.then, str):
        return [(str(stage.then), "")]
    cases = {
        "somebody waits for it": Crossroads(has_owner=True, running_before=None),
        "nobody does": Crossroads(has_owner=False, running_before=None),
    }
    found = {why: str(stage.then(facts)) for why, facts in cases.items()}
    if len(set(found.values())) == 1:
        return [(next(iter(found.values())), "to the running status it left")]
    return [(then, why) for why, then in found.items()]


def _stages() -> Iterator[str]:
    yield "| Stage | What happens | Job and leg | Watched by | Limit | Attempts | A retry enters |"
    yield "|---|---|---|---|---|---|---|"
    for s in LIFECYCLE:
        watched = f"`{s.polled_by[1]}`" if s.polled_by else ""
        minutes = int(s.limit.total_seconds() // 60)
        yield (
            f"| `{s.name}` | {s.label} | {s.kind}: `{s.leg}` | {watched} | {minutes} min "
            f"| {s.attempts} | `{s.retry_at or s.name}` |"
        )


def _back_off() -> str:
    own = "".join(f" `{s.name}`: {_pauses(s.back_off)}." for s in LIFECYCLE if s.back_off)
    return f"Pauses between attempts: {_pauses(BACK_OFF)}; the last one holds from there on.{own}"


def _pauses(back_off: Sequence[timedelta]) -> str:
    return ", ".join(f"{int(p.total_seconds())} s" for p in back_off)


def _wishes() -> Iterator[str]:
    yield "| Wish | Leads to |"
    yield "|---|---|"
    for wish, goal in WISHES.items():
        yield f"| {wish} | `{goal}` |"
    yield "| retry | the stage that failed, or the one its row names |"


def _statuses() -> Iterator[str]:
    resting = ", ".join(f"`{status}`" for status in Resting)
    yield f"- at rest: {resting}"
    for kind in Kind:
        stages = {s.name for s in LIFECYCLE if s.kind is kind}
        words = [
            text
            for text, status in STATUSES.items()
            if not isinstance(status, Resting) and status.stage in stages
        ]
        yield f"- {kind}: " + ", ".join(f"`{word}`" for word in words)


if __name__ == "__main__":
    sys.stdout.write(page())
