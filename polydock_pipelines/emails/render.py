"""A mail's subject, HTML and text, from its context. No clock, no network, nothing random.

A layout goes through MJML once for each kind and theme, with Jinja's placeholders still in it; a
mail then only fills them in. So layouts are read twice: by an environment whose marks are `[[ ]]`
and `[% %]` (our own parts and colours), and by one whose marks are `{{ }}` and `{% %}` (the values
of one mail, escaped).
"""

import functools
import re
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, TemplateError
from markupsafe import Markup
from mjml import mjml2html

from polydock_pipelines.emails.body import is_web_address, to_html
from polydock_pipelines.emails.contexts import Credentials, MailContext
from polydock_pipelines.emails.errors import EmailError
from polydock_pipelines.emails.kinds import KINDS
from polydock_pipelines.emails.plain import in_utc, one_line, time_left, wrapped
from polydock_pipelines.emails.reading import to_text
from polydock_pipelines.emails.themes import THEMES, ThemeName
from polydock_pipelines.lifecycle.secret import Secret

TEMPLATES = Path(__file__).parent / "templates"
BLANK_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True)
class Rendered:
    """A mail's words. They hold credentials, so `repr` shows none of them."""

    subject: str
    html: str
    text: str

    def __repr__(self) -> str:
        return "Rendered(***)"


def render(kind: str, context: MailContext, theme: ThemeName) -> Rendered:
    """Return the mail of *kind*; raise EmailError for what cannot be shown.

    TypeError and KeyError mean a caller's mistake: a context of another kind, or a kind or theme
    that does not exist.
    """
    if type(context) is not KINDS[kind].context:
        raise TypeError(f"the mail {kind} takes {KINDS[kind].context.__name__}")
    try:
        subject = _subject(kind, context)
        values = values_of(context) | {"subject": subject}
        html = _html_template(kind, theme).render(
            values,
            body=Markup(to_html(context.body, theme)),  # noqa: S704 - made by `to_html`
        )
        text = _text_template(kind).render(values, body=to_text(context.body))
    except EmailError as error:
        raise EmailError(error.reason, kind) from None
    except TemplateError as error:
        raise EmailError(f"its template: {error.message}", kind) from error
    return Rendered(subject, html, BLANK_LINES.sub("\n\n", text).strip() + "\n")


def _subject(kind: str, context: MailContext) -> str:
    subject = one_line(context.subject or "") or KINDS[kind].subject
    instance = one_line(context.instance_name)
    return f"{subject} [{instance}]" if instance else subject


def values_of(context: MailContext) -> dict[str, object]:
    """Return what templates may name, beside `subject` and `body`; raise EmailError."""
    values = {f.name: _shown(f.name, getattr(context, f.name)) for f in fields(context)}
    for name in ("is_login_open", "is_without_password", "trial_ends_at"):
        values[name] = getattr(context, name, None)
    ends_at = values["trial_ends_at"]
    values["time_left"] = time_left(context.now, ends_at) if isinstance(ends_at, datetime) else None
    return values


def _shown(name: str, value: object) -> object:
    match value:
        case str() if name.endswith("_url"):
            if not is_web_address(value):
                raise EmailError(f"{name} is no address of the web")
            return value
        case str():
            return one_line(value)
        case datetime() if value.utcoffset() is None:
            raise EmailError(f"{name} has no time zone")
        case Credentials(username=username, password=password):
            if not (username.reveal() + password.reveal()).isprintable():
                raise EmailError("the credentials hold a character that cannot be shown")
            return value
        case _:
            return value


@functools.cache
def _html_template(kind: str, theme: ThemeName) -> Template:
    return html_environment().from_string(filled_layout(kind, theme))


def filled_layout(kind: str, theme: ThemeName) -> str:
    """Return the layout of *kind* as HTML, with the placeholders of a mail's values in it."""
    mjml = _layouts().get_template(f"{kind}.mjml.j2").render(theme=THEMES[theme])
    return mjml2html(mjml, fonts={})  # else it makes mail readers fetch Roboto from elsewhere


@functools.cache
def _text_template(kind: str) -> Template:
    return text_environment().get_template(f"{kind}.txt.j2")


@functools.cache
def _layouts() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - holds our own words and colours, no value of a mail
        trim_blocks=True,
        lstrip_blocks=True,
        block_start_string="[%",
        block_end_string="%]",
        variable_start_string="[[",
        variable_end_string="]]",
        comment_start_string="[#",
        comment_end_string="#]",
    )


@functools.cache
def html_environment() -> Environment:
    """Return what fills in a compiled layout."""
    return _with_filters(Environment(undefined=StrictUndefined, autoescape=True))


@functools.cache
def text_environment() -> Environment:
    """Return what fills in a text part."""
    return _with_filters(
        Environment(
            loader=FileSystemLoader(TEMPLATES),
            undefined=StrictUndefined,
            autoescape=False,  # noqa: S701 - plain text
            trim_blocks=True,
            lstrip_blocks=True,
        )
    )


def _with_filters(environment: Environment) -> Environment:
    environment.filters |= {
        "utc": in_utc,
        "reveal": Secret.reveal,
        "mailto": _mailto,
        "wrapped": wrapped,
    }
    return environment


def _mailto(address: str) -> str:
    return f"mailto:{quote(address, safe='@')}"
