"""`polydock pause` and `polydock resume`: the brake."""

import getpass
import sys
from typing import Annotated

import typer

from polydock_pipelines.actions.pause import Braked
from polydock_pipelines.actions.pause import pause as pause_work
from polydock_pipelines.actions.pause import resume as resume_work
from polydock_pipelines.cli.output import opened, print_json
from polydock_pipelines.lifecycle.work import ALL
from polydock_pipelines.settings import settings

Store = Annotated[str, typer.Option(help="Only in this store (its key in the catalogue).")]
Only = Annotated[
    str,
    typer.Option(
        "--only", help="Only provisioning, removal, purge, emails or webhooks; default: all."
    ),
]
Reason = Annotated[str, typer.Option(help="Why; `polydock doctor` and a check show it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def pause(store: Store = "", only: Only = ALL, reason: Reason = "", as_json: Json = False) -> None:
    """Pause work: nothing new is begun, what a step has in hand is finished, nothing is lost."""
    now, by = settings().make_clock().now(), getpass.getuser()
    with opened() as db:
        _say(pause_work(db, now, work=only, store=store, by=by, reason=reason), as_json)


def resume(store: Store = "", only: Only = ALL, reason: Reason = "", as_json: Json = False) -> None:
    """Let paused work go on; deadlines move by as long as it was paused."""
    now, by = settings().make_clock().now(), getpass.getuser()
    with opened() as db:
        _say(resume_work(db, now, work=only, store=store, by=by, reason=reason), as_json)


def _say(braked: Braked, as_json: bool) -> None:
    if as_json:
        print_json(braked)
        return
    where = f" in store {braked.store}" if braked.store else ""
    sys.stdout.write(f"{braked.work}{where}: {braked.note}\n")
