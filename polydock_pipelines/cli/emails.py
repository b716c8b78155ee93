"""`polydock emails …`: the mails that people get."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from polydock_pipelines.actions.preview_mails import Preview, built_in, of_app
from polydock_pipelines.actions.read_mails import STATES, Which, list_mails
from polydock_pipelines.actions.unsubscribe import list_opt_outs, opt_in
from polydock_pipelines.cli.browser import BrowserError, find_browser, photograph
from polydock_pipelines.cli.failing import BAD_USAGE, fail
from polydock_pipelines.cli.mails import COLUMNS, row
from polydock_pipelines.cli.output import opened, print_json, print_table, sentences
from polydock_pipelines.emails.kinds import KINDS
from polydock_pipelines.emails.render import Rendered, render
from polydock_pipelines.emails.themes import ThemeName
from polydock_pipelines.settings import settings

app = typer.Typer(no_args_is_help=True, help="Look at mails.")


@app.callback()
def emails() -> None:
    """Look at mails."""


@app.command("list")
def list_(
    instance: Annotated[str, typer.Option(help="Only of this uuid or project name.")] = "",
    state: Annotated[str, typer.Option(help=f"Only {', '.join(STATES)}.")] = "",
    kind: Annotated[str, typer.Option(help=f"Only {', '.join(KINDS)}.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List mails, the newest first: what waits, what was sent, what failed and why."""
    for word, known in ((state, STATES), (kind, tuple(KINDS))):
        if word and word not in known:
            fail(f"{word!r} is none of {', '.join(known)}", BAD_USAGE)
    with opened() as db:
        mails = list_mails(db, Which(instance or None, state or None, kind or None), limit)
    if as_json:
        print_json(mails)
        return
    rows = [(mail.instance, *row(mail)) for mail in mails]
    print_table(("project", *COLUMNS), rows, "No mails.")


@app.command("opt-outs")
def opt_outs(
    remove: Annotated[str, typer.Option(help="Send this address reminders again.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List who wants no reminders, or take one back."""
    with opened() as db:
        if remove and not opt_in(db, remove):
            fail("that address had not declined; `polydock emails opt-outs` lists those that have")
        found = list_opt_outs(db)
    if as_json:
        print_json(found)
        return
    rows = [(one.recipient, one.since) for one in found]
    print_table(("address", "since"), rows, "Nobody has declined.")


@app.command()
def preview(
    which: Annotated[
        str,
        typer.Option("--app", help="Uuid or STORE/APP, for its own words; else built-in ones."),
    ] = "",
    kind: Annotated[str, typer.Option(help=f"Only one of {', '.join(KINDS)}.")] = "",
    theme: Annotated[
        ThemeName | None, typer.Option(help="Default: the app's, else EMAIL_DEFAULT_THEME.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder to write to.")] = Path("mails"),
    browser: Annotated[
        str, typer.Option(envvar="CHROME", help="The Chromium or Chrome that takes the pictures.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the files as JSON.")] = False,
) -> None:
    """Write example mails as KIND.html, KIND.txt and KIND.png."""
    if kind and kind not in KINDS:
        fail(f"there is no mail {kind}; mails are {', '.join(KINDS)}", BAD_USAGE)
    with sentences():
        mails = [
            (one, _rendered(one, theme)) for one in _previews(which, [kind] if kind else [*KINDS])
        ]
        written = [file for one, mail in mails for file in _write(out, one.kind, mail)]
    trouble = _add_pictures(written, browser)
    _tell(mails, written, as_json=as_json)
    if trouble:
        fail(trouble)


def _previews(which: str, kinds: Sequence[str]) -> list[Preview]:
    now = settings().make_clock().now()
    if not which:
        return built_in(kinds, now)
    with opened() as db:
        return of_app(db, which, kinds, now)


def _rendered(one: Preview, theme: ThemeName | None) -> Rendered:
    return render(one.kind, one.context, theme or one.theme or settings().email_default_theme)


def _write(folder: Path, kind: str, mail: Rendered) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    page, text = folder / f"{kind}.html", folder / f"{kind}.txt"
    page.write_text(mail.html, encoding="utf-8")
    text.write_text(f"Subject: {mail.subject}\n\n{mail.text}", encoding="utf-8")
    return [page, text]


def _add_pictures(written: list[Path], browser: str) -> str:
    """Take a picture of each page in *written*, add it there, and return what went wrong."""
    try:
        program = find_browser(browser)
        for page in [file for file in written if file.suffix == ".html"]:
            picture = page.with_suffix(".png")
            photograph(program, page, picture)
            written.append(picture)
    except BrowserError as error:
        return str(error)
    return ""


def _tell(
    mails: Sequence[tuple[Preview, Rendered]], written: Sequence[Path], *, as_json: bool
) -> None:
    if as_json:
        print_json(sorted(map(str, written)))
        return
    rows = [
        (one.kind, "yes" if one.is_sent else "no", mail.subject, _endings(one.kind, written))
        for one, mail in mails
    ]
    print_table(("mail", "is sent", "subject", "files"), rows, "")
    sys.stdout.write(f"\nin {written[0].parent}\n")


def _endings(kind: str, written: Sequence[Path]) -> str:
    return " ".join(file.name for file in written if file.stem == kind)
