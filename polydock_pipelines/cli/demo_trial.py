"""`polydock demo --trial`: a whole trial by a fast calendar, each step told as it is seen.

It plays in a home of its own: a fast calendar would end every trial in another one.
"""

import os
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from polydock_pipelines.actions.offered import is_any_trial_open
from polydock_pipelines.actions.read_instances import Story, tell
from polydock_pipelines.cli.demo_removal import DemoError
from polydock_pipelines.cli.running import Running
from polydock_pipelines.db.database import NO_DATABASE, Database
from polydock_pipelines.lifecycle.mails import MailKind
from polydock_pipelines.lifecycle.status import Resting
from polydock_pipelines.lifecycle.table import FAILED
from polydock_pipelines.settings import load_settings
from polydock_pipelines.wiring import open_database

A_DAY_S = 72.0
"""So long a day lasts: the last one of a trial must hold a tick, which comes each minute."""
LONGEST_S = 470.0
WAIT_S = 0.5


@dataclass(frozen=True)
class Step:
    """What the demo waits for."""

    word: str
    is_seen: Callable[[Story], bool]


def _mail(kind: MailKind) -> Callable[[Story], bool]:
    return lambda story: any(m.kind == kind and m.state == "sent" for m in story.mails)


def _is_removed(story: Story) -> bool:
    return story.line.status == Resting.REMOVED


def _is_purged(story: Story) -> bool:
    return "purged" in story.facts


STEPS = (
    Step("ready", _mail(MailKind.READY)),
    Step("midtrial", _mail(MailKind.MIDTRIAL)),
    Step("one-day-left", _mail(MailKind.ONE_DAY_LEFT)),
    Step("trial-complete", _mail(MailKind.TRIAL_COMPLETE)),
    Step("removed", _is_removed),
    Step("purged", _is_purged),
)


def prepare() -> None:
    """Set what the stack of this demo runs with. DemoError where it would end others' trials."""
    if os.environ.get("POLYDOCK_DATABASE_URL"):
        _refuse_others()
    else:
        home = Path(os.environ.get("POLYDOCK_HOME", ".polydock"))
        os.environ["POLYDOCK_HOME"] = str(home / "trial-demo")
    rate = 24 * 3600 / A_DAY_S
    os.environ |= {"POLYDOCK_CLOCK": f"rate:{rate:g}", "POLYDOCK_PROJECT_GRACE_DAYS": "0"}


def _refuse_others() -> None:
    database = open_database(load_settings())
    try:
        is_open = is_any_trial_open(database)
    except NO_DATABASE:
        return  # not there yet, or without tables: `prepare` of the stack says what is wrong
    finally:
        database.close()
    if is_open:
        raise DemoError(
            "POLYDOCK_DATABASE_URL holds trials, which the fast calendar of this demo would end; "
            "unset it, or name an empty database"
        )


def play(run: Running, database: Database, name: str) -> None:
    """Follow *name* from its claim to the end of its project. DemoError when that does not come."""
    clock, began = run.settings.make_clock(), time.monotonic()
    sys.stdout.write(f"\n{name}: a day of its trial lasts {A_DAY_S:.0f} s\n\n")
    story = tell(database, name, clock.now())
    for step in STEPS:
        with _waiting(step.word):
            story = _wait(run, database, name, step, began)
        today = clock.calendar(clock.now())
        claimed = min(mail.wanted_at for mail in story.mails)
        day = (today - claimed).total_seconds() / 86400
        line = f"  {step.word:<16}{today:%a %d %b %H:%M} UTC   day {day:3.1f}"
        sys.stdout.write(f"{line}   after {time.monotonic() - began:.0f} s\n")
        sys.stdout.flush()
    _tell_end(run, story)


def _waiting(word: str) -> Any:
    console = Console()
    return console.status(f"waiting for {word} …") if console.is_terminal else nullcontext()


def _wait(run: Running, database: Database, name: str, step: Step, began: float) -> Story:
    while True:
        story = tell(database, name, run.settings.make_clock().now())
        if step.is_seen(story):
            return story
        if story.line.status in FAILED:
            raise DemoError(f"{name} is {story.line.status}: {story.line.message}")
        if time.monotonic() - began > LONGEST_S or run.stack.dead() is not None:
            logs = run.stack.home / "logs"
            raise DemoError(f"{step.word} does not come; look into {logs} and {run.webserver}")
        time.sleep(WAIT_S)


def _tell_end(run: Running, story: Story) -> None:
    """Show the mails as they lie in the sink, each once."""
    state = httpx.get(f"{run.simulator}/_sim/state", timeout=10).json()
    mine = [mail for mail in state["mails"] if story.line.name in mail["subject"]]
    sys.stdout.write(f"\nIn the mail sink ({run.simulator})\n")
    for mail in mine:
        sys.stdout.write(f"  {mail['subject']}\n")
    sys.stdout.write(f"  Schedules    {run.webserver}/automation\n")
    sys.stdout.write(f"  Mails        {run.webserver}/assets/trial_emails/one_day_left\n")
    sent = sum(mail.state == "sent" for mail in story.mails)
    if len(mine) != sent:
        raise DemoError(f"{sent} mails were sent, and {len(mine)} lie in the sink")
