"""`polydock instances …`: look at instances and operate them."""

import getpass
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from polydock_pipelines.actions.extend import End, extend_trial, keep_instance
from polydock_pipelines.actions.operate import (
    Asked,
    remove_instance,
    retry_instance,
    upgrade_instance,
)
from polydock_pipelines.actions.purge import (
    call_off_purge,
    confirm_purged,
    purge_instance,
    restore_instance,
)
from polydock_pipelines.actions.read_instances import HoldingLine, Story, list_instances, tell
from polydock_pipelines.actions.resend import resend
from polydock_pipelines.cli import mails
from polydock_pipelines.cli.failing import BAD_USAGE, fail, one_line
from polydock_pipelines.cli.output import opened, print_json, print_pairs, print_table
from polydock_pipelines.lifecycle.holding import AI_KINDS
from polydock_pipelines.lifecycle.mails import MailKind
from polydock_pipelines.lifecycle.table import STATUSES
from polydock_pipelines.settings import settings
from polydock_pipelines.wiring import open_book, open_lagoon

app = typer.Typer(no_args_is_help=True, help="Look at instances and operate them.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Which = Annotated[str, typer.Argument(help="Its uuid or project name.")]


@app.command("list")
def list_(
    status: Annotated[str, typer.Option(help="Only this status.")] = "",
    failed: Annotated[bool, typer.Option("--failed", help="Only failed ones.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = 100,
    as_json: Json = False,
) -> None:
    """List instances, the newest first."""
    if status and status not in STATUSES:
        fail(f"there is no status {status}; statuses are {', '.join(STATUSES)}", BAD_USAGE)
    with opened() as db:
        lines = list_instances(db, status=status or None, failed_only=failed, limit=limit)
    if as_json:
        print_json(lines)
        return
    rows = [(i.name, i.store, i.app, i.status, i.group, i.since, i.message) for i in lines]
    columns = ("project", "store", "app", "status", "group", "since", "message")
    is_all = not (status or failed)
    empty = "No instances. `polydock register` makes one." if is_all else "No instance like that."
    print_table(columns, rows, empty)


@app.command()
def show(which: Which, as_json: Json = False) -> None:
    """Tell the whole story of one instance: stages, seconds, attempts, runs, log."""
    with opened() as db:
        story = tell(db, which, settings().make_clock().now())
    if as_json:
        print_json(story)
        return
    _print(story)


def _print(story: Story) -> None:
    line = story.line
    sys.stdout.write(f"{line.name}  {line.status}\n{one_line(line.message)}\n\n")
    print_pairs(
        {"uuid": line.uuid, "app": f"{line.store}/{line.app}", "group": line.group}
        | {"url": line.app_url}
        | story.facts
    )
    sys.stdout.write("\nStages\n")
    rows = [
        (s.label, s.stage, s.began_at, f"{s.seconds:.1f}", s.attempts, s.ended or "…")
        for s in story.stages
    ]
    print_table(("what", "stage", "began", "seconds", "tries", "ended"), rows, "  none yet")
    if story.mails:
        sys.stdout.write("\nMails\n")
        print_table(mails.COLUMNS, [mails.row(mail) for mail in story.mails], "")
    if story.holdings:
        sys.stdout.write("\nOutside\n")
        things = [
            (h.kind, h.name, h.external_id, h.region_id, _usd(h.budget_usd), _standing(h))
            for h in story.holdings
        ]
        print_table(("kind", "name", "id", "region", "budget", "stands"), things, "")
    sys.stdout.write("\nRuns\n")
    base = settings().dagster_url.rstrip("/")
    for run in story.runs:
        sys.stdout.write(f"  {base}/runs/{run}\n")
    sys.stdout.write("\nLog\n")
    print_table(
        ("at", "level", "stage", "try", "message"),
        [(x.at, x.level, x.stage, x.attempt, x.message) for x in story.log],
        "  empty",
    )


def _usd(budget: float | None) -> str | None:
    return None if budget is None else f"{budget:g} USD a month"


def _standing(holding: HoldingLine) -> str:
    """Say whether it still stands."""
    if holding.returned_at is not None:
        return f"given back {holding.returned_at:%Y-%m-%d %H:%M:%S}"
    if holding.owed_since is not None:
        return f"owed since {holding.owed_since:%Y-%m-%d %H:%M:%S}: {holding.problem}"
    has_no_id = holding.kind not in AI_KINDS
    return "yes" if has_no_id or holding.external_id is not None else "maybe: its answer was lost"


@app.command()
def logs(
    which: Which,
    limit: Annotated[int, typer.Option(min=1, help="The last so many lines.")] = 200,
    as_json: Json = False,
) -> None:
    """Print the log of one instance."""
    with opened() as db:
        story = tell(db, which, settings().make_clock().now(), log_limit=limit)
    if as_json:
        print_json(story.log)
        return
    rows = [(x.at, x.level, x.stage, x.attempt, x.run_id, x.message) for x in story.log]
    print_table(("at", "level", "stage", "try", "run", "message"), rows, "The log is empty.")


@app.command()
def retry(which: Which, as_json: Json = False) -> None:
    """Take a failed instance on from where it stood."""
    with opened() as db:
        asked = retry_instance(db, which, settings().make_clock().now(), by=getpass.getuser())
    _say(asked, as_json)


@app.command()
def upgrade(
    which: Annotated[list[str], typer.Argument(help="Uuids or project names.")],
    reason: Annotated[str, typer.Option(help="Why; it is written to the log.")] = "",
    as_json: Json = False,
) -> None:
    """Build running instances again from their branch, with the app's upgrade scripts."""
    now, by = settings().make_clock().now(), getpass.getuser()
    asked: list[Asked] = []
    with opened() as db:
        for one in which:
            asked.append(upgrade_instance(db, one, now, by=by, reason=reason))
            if not as_json:
                _say(asked[-1], as_json=False)
    if as_json:
        print_json(asked)


@app.command()
def remove(which: Which, as_json: Json = False) -> None:
    """Remove an instance; while a step is at work on it, after that step."""
    with opened() as db:
        asked = remove_instance(db, which, settings().make_clock().now(), by=getpass.getuser())
    _say(asked, as_json)


Reason = Annotated[str, typer.Option(help="Why; it is written to the log.")]


@app.command()
def extend(
    which: Which,
    until: Annotated[
        str | None, typer.Option(help="The new end: 2026-12-24 or 2026-12-24T18:00, UTC.")
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, help="So many days after the end it has.")
    ] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Give a trial another end; what lies ahead is reckoned anew, nothing is sent twice."""
    if (until is None) == (days is None):
        fail("say either --until or --days", BAD_USAGE)
    end = End(at=_moment(until) if until is not None else None, days=days)
    with opened() as db:
        now = settings().make_clock().now()
        asked = extend_trial(open_book(db), which, end, now, by=getpass.getuser(), reason=reason)
    _say(asked, as_json)


def _moment(text: str) -> datetime:
    """Read a time; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        fail(f"{text!r} is no time; expected 2026-12-24 or 2026-12-24T18:00", BAD_USAGE)


@app.command()
def keep(which: Which, reason: Reason = "", as_json: Json = False) -> None:
    """Turn a trial into an instance that nothing ends."""
    with opened() as db:
        now = settings().make_clock().now()
        asked = keep_instance(open_book(db), which, now, by=getpass.getuser(), reason=reason)
    _say(asked, as_json)


@app.command()
def restore(which: Which, reason: Reason = "", as_json: Json = False) -> None:
    """Build a removed instance anew, within its grace: new credentials, none of its old data."""
    with opened() as db:
        now = settings().make_clock().now()
        asked = restore_instance(open_book(db), which, now, by=getpass.getuser(), reason=reason)
    _say(asked, as_json)


@app.command()
def purge(
    which: Which,
    confirm_gone: Annotated[
        bool,
        typer.Option(
            "--confirm-gone",
            help="You looked: its Lagoon project is gone. Lagoon's silence alone proves nothing.",
        ),
    ] = False,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Give its grace back, if the purge has not begun.")
    ] = False,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Delete an instance's Lagoon project without grace; one that lives is removed first."""
    if confirm_gone and cancel:
        fail("say either --confirm-gone or --cancel", BAD_USAGE)
    now, by = settings().make_clock().now(), getpass.getuser()
    with opened() as db:
        book = open_book(db)
        if confirm_gone:
            with open_lagoon() as lagoon:
                asked = confirm_purged(book, lagoon, which, now, by=by, reason=reason)
        else:
            act = call_off_purge if cancel else purge_instance
            asked = act(book, which, now, by=by, reason=reason)
    _say(asked, as_json)


@app.command("resend-email")
def resend_email(
    which: Which,
    kind: Annotated[str, typer.Argument(help="ready, midtrial, one_day_left or trial_complete.")],
    to: Annotated[
        str, typer.Option(help="Somebody else than its owners; they can log in with it.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Send a mail once more: to its owners, or to one address."""
    if kind.replace("-", "_") not in set(MailKind):
        fail(f"there is no mail {kind}; there are {', '.join(MailKind)}", BAD_USAGE)
    with opened() as db:
        now, wanted = settings().make_clock().now(), MailKind(kind.replace("-", "_"))
        book = open_book(db)
        written = resend(book, which, wanted, now, by=getpass.getuser(), to=to)
    _say(written, as_json)


def _say(asked: Asked, as_json: bool) -> None:
    if as_json:
        print_json(asked)
    else:
        sys.stdout.write(f"{asked.name} is {asked.status}: {asked.note}\n")
