"""Pages for people: HTML without script, cookie or anything from elsewhere. No routes."""

import functools
from pathlib import Path
from urllib.parse import quote

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from polydock_pipelines.emails.plain import in_utc, one_line
from polydock_pipelines.emails.themes import THEMES

TEMPLATES = Path(__file__).parent / "templates"
GUARDED = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}
"""Headers of every page: its address is a capability, which no cache or other site shall learn."""


def page(status: int, template: str, **values: object) -> HTMLResponse:
    """Return a page; every value in it is escaped."""
    html = _environment().get_template(f"{template}.html.j2").render(values, themes=THEMES)
    return HTMLResponse(html, status, GUARDED)


@functools.cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    ours = {"utc": in_utc, "line": one_line, "mailto": _mailto}
    made.filters |= ours  # pyright: ignore[reportUnknownMemberType] - Jinja says no more than dict
    return made


def _mailto(address: str) -> str:
    return f"mailto:{quote(address, safe='@')}"
