"""The pages that links in mails lead to. One route, one action.

Mail scanners follow every link, so that opening a page changes nothing: it takes a button.
"""

from datetime import datetime

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response

from polydock_pipelines.actions.follow_link import (
    Answer,
    Found,
    press_extension,
    read_extension,
    read_way_in,
)
from polydock_pipelines.actions.unsubscribe import read_choice, unsubscribe
from polydock_pipelines.db.leases import Book
from polydock_pipelines.intake.doorman import read_form
from polydock_pipelines.intake.pages import GUARDED, page
from polydock_pipelines.ports import Clock

PAGES = {
    Found.FOREIGN: (403, "foreign"),
    Found.LINK_ENDED: (410, "link_ended"),
    Found.TRIAL_ENDED: (410, "trial_ended"),
    Found.NO_URL: (404, "no_url"),
    Found.OFFER: (200, "offer"),
    Found.REFUSAL: (200, "refusal"),
    Found.EXTENDED: (200, "extended"),
    Found.UNSEEN: (400, "unseen"),
}
"""The HTTP status and the template of each answer that leads nowhere else."""
LOOKS = ["GET", "HEAD"]
EXTENSION = "/trials/{uuid}/extend"
CHOICE = "/unsubscribe/{token}"


def add_trial_pages(app: FastAPI, book: Book, clock: Clock) -> None:
    """Add the routes."""
    _add_way_in(app, book, clock)
    _add_extension(app, book, clock)
    _add_choice(app, book, clock)


def _shown(answer: Answer) -> Response:
    status, template = PAGES[answer.found]
    return page(status, template, about=answer.about, extended_end=answer.extended_end)


def _add_way_in(app: FastAPI, book: Book, clock: Clock) -> None:
    # No HEAD: whoever only checks links shall not be told the way, and use up a one-time login.
    @app.get("/app-instances/{uuid}", include_in_schema=False)
    def way_in(uuid: str, expires: str = "", signature: str = "") -> Response:  # pyright: ignore[reportUnusedFunction] - the route
        """Lead a person to their instance."""
        answer = read_way_in(book, uuid, expires, signature, clock.now())
        if answer.target is None:
            return _shown(answer)
        return RedirectResponse(answer.target.reveal(), 302, GUARDED)


def _add_extension(app: FastAPI, book: Book, clock: Clock) -> None:
    @app.api_route(EXTENSION, methods=LOOKS, include_in_schema=False)
    def offer(uuid: str, expires: str = "", signature: str = "") -> Response:  # pyright: ignore[reportUnusedFunction]
        """Show what a person may have. Changes nothing."""
        return _shown(read_extension(book, uuid, expires, signature, clock.now()))

    @app.post(EXTENSION, include_in_schema=False)
    async def extend(  # pyright: ignore[reportUnusedFunction]
        request: Request, uuid: str, expires: str = "", signature: str = ""
    ) -> Response:
        """Extend the trial, and show its new end; a page that is loaded again extends nothing."""
        seen_end = _moment((await read_form(request)).get("seen_end", ""))
        answer = await run_in_threadpool(
            press_extension, book, uuid, expires, signature, clock.now(), seen_end=seen_end
        )
        return _shown(answer)


def _moment(text: str) -> datetime | None:
    """Return the time that our own page wrote into its form; None for anything else."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.utcoffset() is not None else None


def _add_choice(app: FastAPI, book: Book, clock: Clock) -> None:
    @app.api_route(CHOICE, methods=LOOKS, include_in_schema=False)
    def ask(token: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        """Ask whether a person wants no reminders any more. Changes nothing."""
        has_declined = read_choice(book, token)
        if has_declined is None:
            return page(404, "unknown_mail")
        return page(200, "unsubscribed" if has_declined else "unsubscribe")

    @app.post(CHOICE, include_in_schema=False)
    def decline(token: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        """Send no reminders any more, as RFC 8058 asks: the body does not matter, nor a login."""
        if not unsubscribe(book, token, clock.now()):
            return page(404, "unknown_mail")
        return page(200, "unsubscribed")
