"""The second half of `polydock demo --app`: trials are removed, what they held is given back."""

import getpass
import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table

from polydock_pipelines.actions.operate import remove_instance
from polydock_pipelines.actions.read_instances import Story, tell
from polydock_pipelines.cli.running import Running
from polydock_pipelines.db.database import Database
from polydock_pipelines.lifecycle.status import Resting
from polydock_pipelines.lifecycle.table import FAILED, LIFECYCLE, Kind, Stage

WAY_OUT = tuple(s for s in LIFECYCLE if s.kind is Kind.REMOVE)
AT_LEAST_S = 180.0


class DemoError(Exception):
    """The demo did not reach its end; the text says where to look."""


def progress(story: Story | None, way: Sequence[Stage]) -> Table:
    """Return the stages of *way*, and how far the instance of *story* has come."""
    table = Table(box=None, show_header=False, pad_edge=False)
    if story is None:
        return table
    times = {t.stage: t for t in story.stages}
    for stage in way:
        seen = times.get(stage.name)
        mark = "·" if seen is None else "✔" if seen.ended else "…"
        mark = "✘" if seen and seen.ended in FAILED else mark
        table.add_row(mark, stage.label, f"{seen.seconds:5.1f} s" if seen else "")
    return table


def play(run: Running, database: Database, names: Sequence[str]) -> None:
    """Ask for the removal of *names*, follow it, and tell what was given back. DemoError."""
    clock = run.settings.make_clock()
    sys.stdout.write(f"\nRemoving {len(names)} …\n")
    for name in names:
        remove_instance(database, name, clock.now(), by=getpass.getuser())
    give_up = time.monotonic() + AT_LEAST_S + len(names)
    with Live(console=Console(), refresh_per_second=4, transient=False) as live:
        while True:
            stories = [tell(database, name, clock.now()) for name in names]
            live.update(progress(stories[0], WAY_OUT))
            statuses = [story.line.status for story in stories]
            if all(status == Resting.REMOVED for status in statuses):
                break
            failed = next((s for s in stories if s.line.status in FAILED), None)
            if failed is not None:
                raise DemoError(
                    f"{failed.line.name} is {failed.line.status}: {failed.line.message}"
                )
            if time.monotonic() > give_up or run.stack.dead() is not None:
                raise DemoError(f"the removal takes too long; look into {run.stack.home / 'logs'}")
            time.sleep(0.5)
    _tell_end(stories)


def _tell_end(stories: Sequence[Story]) -> None:
    owed = [one for story in stories for one in story.holdings if one.returned_at is None]
    given = [one for story in stories for one in story.holdings if one.returned_at is not None]
    sys.stdout.write(f"\nRemoved {len(stories)}\n")
    for one in given[:10]:
        sys.stdout.write(f"  Given back   {one.kind} {one.name}\n")
    if owed:
        raise DemoError(f"{owed[0].kind} {owed[0].name} was not given back: {owed[0].problem}")
