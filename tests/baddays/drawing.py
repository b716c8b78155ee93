"""Draws docs/bad-days.md from the tables, so that the page cannot lie. `make docs` runs it."""

import sys
from collections.abc import Iterator

from polydock_pipelines.lifecycle.table import FAILED
from tests.baddays.ai_days import AI
from tests.baddays.calls import CALLS, Way
from tests.baddays.day import ALWAYS, CLAIMED, REMOVED, BadDay
from tests.baddays.endings import ENDS, PURGES, RESTORES
from tests.baddays.offers import EACH_TYPE
from tests.baddays.played import PLAYED, Played
from tests.baddays.table import (
    BUILDS,
    CLAIMS,
    CREDENTIALS,
    OUTAGES,
    REMOVALS,
    SHELLS,
    STORES,
    UPGRADES,
)

HEAD = """\
# Bad days, and how they end

Drawn by `make docs` from the tables in `tests/baddays/`; a test checks that it is fresh, and each
line is played by the test suite. Do not edit it by hand.

After every day this holds: a signup has at most one instance and one Lagoon project, and one build
a generation; whatever is under way has an owner and a deadline; every accepted registration ends as
`success` with a URL or as `failed` with a reason; no secret is in an event, a message or a log.

What to do when it is more than a bad day: [operating.md](operating.md).
"""
ROWS = {
    "Builds": BUILDS,
    "Claims": CLAIMS,
    "Lagoon is away": OUTAGES,
    "Credentials and settings": CREDENTIALS,
    "Stores without a deploy key": STORES,
    "SSH": SHELLS,
    "Removals": REMOVALS,
    "Upgrades": UPGRADES,
    "Trials that end, failures that nobody retries": ENDS,
    "Purges": PURGES,
    "Restores": RESTORES,
    "amazee.ai": AI,
}
CALLS_HEAD = """\
## Any call fails, in any way

Each call below fails in each way that is marked, some times in a row, for every app type ({types});
then the day ends as a good one does. An error that is about Lagoon or its SSH server spends no
attempt; one that is about the instance is tried up to six times, with longer and longer pauses. The
line of the instance says what is tried again and why.
"""


def page() -> str:
    """Return the whole page."""
    parts = [HEAD, CALLS_HEAD.format(types=", ".join(f"`{key}`" for key in EACH_TYPE)), *_calls()]
    for title, days in ROWS.items():
        parts += ["", f"## {title}", "", *_rows(days)]
    for title, played in PLAYED.items():
        parts += ["", f"## {title}: days of their own", "", *_played(played)]
    return "\n".join(parts) + "\n"


def _calls() -> Iterator[str]:
    ways = list(dict.fromkeys(way for call in CALLS for way in call.ways))
    for way in ways:
        yield f"- `{way.kind}`{_of_ssh(way)}: {way.what}"
    yield ""
    yield "| Call | When | Fails with |"
    yield "|---|---|---|"
    for call in CALLS:
        kinds = ", ".join(f"`{way.kind}`" for way in call.ways)
        yield f"| `{call.match}` | {call.path.value} | {kinds} |"


def _of_ssh(way: Way) -> str:
    return " (over SSH)" if way.kind == "timeout" and "portal" in way.what else ""


def _rows(days: list[BadDay]) -> Iterator[str]:
    yield "| What goes wrong | It ends | Somebody reads | Then |"
    yield "|---|---|---|---|"
    for day in days:
        says = "; ".join(f"*{words}*" for words in day.says)
        yield f"| {day.name}{_for_ever(day)} | `{day.ends}` | {says} | {_then(day)} |"


def _for_ever(day: BadDay) -> str:
    is_lasting = any(fault.times == ALWAYS for fault in day.faults)
    return " (until mended)" if is_lasting and "for ever" not in day.name else ""


def _then(day: BadDay) -> str:
    if day.ends in {CLAIMED, REMOVED}:
        return ""
    if day.ends in FAILED:
        return f"mend the cause, retry: it is {'removed' if day.goal == REMOVED else 'claimed'}"
    return "it waits; mended, it goes on by itself"


def _played(days: tuple[Played, ...]) -> Iterator[str]:
    yield "| What goes wrong | How it ends | Played by |"
    yield "|---|---|---|"
    for one in days:
        file, _, name = one.test.partition("::")
        said = name.removeprefix("test_").replace("_", " ")
        yield f"| {one.day} | {one.ends} | `{file}`: {said} |"


if __name__ == "__main__":
    sys.stdout.write(page())
