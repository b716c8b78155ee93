"""An app's own words: Markdown (CommonMark and tables) to HTML, and whether it is fit to send.

HTML in it stays text, and links lead to the web or to a mailbox only. See `reading` for the text
part.
"""

import functools
import re
from collections.abc import Iterator
from html import escape

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.token import Token

from polydock_pipelines.emails.errors import EmailError
from polydock_pipelines.emails.themes import THEMES, Theme, ThemeName
from polydock_pipelines.lifecycle.signs import is_control

LONGEST = 64 * 1024
LONGEST_LINK = 2048
"""A link that is named once may be used a thousand times, and would fill the memory."""
WEB = re.compile(r"https?://[^\s/]\S*", re.IGNORECASE)
MAILBOX = re.compile(r"mailto:[^\s@]+@[^\s@]+", re.IGNORECASE)


def is_web_address(url: str) -> bool:
    """Whether *url* is http or https, with a host, and no more than an address."""
    return len(url) <= LONGEST_LINK and url.isprintable() and WEB.fullmatch(url) is not None


def _is_safe(url: str) -> bool:
    is_mailbox = len(url) <= LONGEST_LINK and MAILBOX.fullmatch(url) is not None
    return is_mailbox or is_web_address(url)


def _any(url: str) -> bool:  # noqa: ARG001 - as validateLink is called
    return True


def _without_scheme(link: str) -> str:
    return link.removeprefix("mailto:")


def parser(*, html: bool = False) -> MarkdownIt:
    """Return a parser of what bodies are written in."""
    made = MarkdownIt("commonmark", {"html": html}).enable("table")
    made.validateLink = _is_safe
    made.normalizeLinkText = _without_scheme
    return made


def refuse_unprintable(markdown: str) -> None:
    """Raise EmailError for a body that cannot be sent at all."""
    if len(markdown) > LONGEST:
        raise EmailError(f"the body is too long; expected at most {LONGEST} characters")
    for sign in markdown:
        if is_control(sign) and sign not in "\n\r\t":
            raise EmailError(
                "the body holds a control character or one that turns the direction of writing; "
                "expected plain text"
            )


def check_body(markdown: str) -> None:
    """Raise EmailError for a body that would not be shown as it was meant.

    That is more than `render` refuses: it shows HTML and links of other kinds as bare text.
    """
    refuse_unprintable(markdown)
    lenient = parser(html=True)
    lenient.validateLink = _any
    for line, token in _in_lines(lenient.parse(markdown)):
        if token.type in ("html_block", "html_inline"):
            raise EmailError(
                f"line {line} of the body's Markdown holds HTML, which would be shown as text; "
                "expected Markdown (for a bare < write \\<)"
            )
        target = token.attrs.get("href", token.attrs.get("src"))
        if isinstance(target, str) and not _is_safe(target):
            raise EmailError(
                f"line {line} of the body's Markdown has a link that leads nowhere from a mail; "
                "expected one that begins with https://, http:// or mailto:"
            )


def _in_lines(tokens: list[Token]) -> Iterator[tuple[int, Token]]:
    """Yield all tokens, each with the line its paragraph begins on."""
    line = 1
    for token in tokens:
        line = token.map[0] + 1 if token.map else line
        yield line, token
        for child in token.children or ():
            yield line, child


@functools.lru_cache(maxsize=128)
def to_html(markdown: str, theme: ThemeName) -> str:
    """Return *markdown* as HTML, with its styles beside each tag, since mail readers drop others.

    Cached: an app's words are the same in all its mails.
    """
    refuse_unprintable(markdown)
    made = _styled_parser(theme)
    tokens = made.parse(markdown)
    styles = _styles(THEMES[theme])
    for _, token in _in_lines(tokens):
        if token.type.startswith("heading"):
            token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"  # the mail's own title is the h1
        if token.nesting >= 0 and token.tag in styles:
            own = token.attrs.get("style")  # a column's alignment, which comes last and wins
            token.attrSet("style", ";".join([styles[token.tag], *([str(own)] if own else [])]))
    return made.renderer.render(tokens, made.options, {})


@functools.cache
def _styled_parser(theme: ThemeName) -> MarkdownIt:
    made = parser()
    style = _styles(THEMES[theme])["pre"]

    def code_block(_: RendererProtocol, tokens: list[Token], at: int, *_more: object) -> str:
        words = escape(tokens[at].content.rstrip())
        return f'<pre style="{style}"><code>{words}</code></pre>\n'

    made.add_render_rule("fence", code_block)
    made.add_render_rule("code_block", code_block)
    return made


@functools.cache
def _styles(theme: Theme) -> dict[str, str]:
    mono = f"font-family:Consolas,Menlo,monospace;font-size:14px;background-color:{theme.box}"
    cell = f"border:1px solid {theme.line};padding:6px 8px;text-align:left;vertical-align:top"
    title = "margin:20px 0 8px;line-height:1.3;font-weight:bold"
    return {
        "p": "margin:0 0 16px",
        "h2": f"{title};font-size:20px",
        "h3": f"{title};font-size:18px",
        **dict.fromkeys(("h4", "h5", "h6"), f"{title};font-size:16px"),
        "ul": "margin:0 0 16px;padding:0 0 0 24px",
        "ol": "margin:0 0 16px;padding:0 0 0 24px",
        "li": "margin:0 0 6px",
        "a": f"color:{theme.link};text-decoration:underline",
        "code": f"{mono};padding:1px 4px;border-radius:3px",
        "pre": f"{mono};margin:0 0 16px;padding:12px;border-radius:6px;line-height:20px;"
        "white-space:pre-wrap;word-break:break-word",
        "blockquote": f"margin:0 0 16px;padding:0 0 0 12px;border-left:4px solid {theme.line};"
        f"color:{theme.faint}",
        "hr": f"border:0;border-top:1px solid {theme.line};margin:20px 0",
        "img": "max-width:100%;height:auto;border:0",
        "table": "border-collapse:collapse;margin:0 0 16px;max-width:100%",
        "th": f"{cell};font-weight:bold",
        "td": cell,
    }
