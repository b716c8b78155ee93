import pytest

from polydock_pipelines.emails.body import LONGEST, check_body, is_web_address, to_html
from polydock_pipelines.emails.errors import EmailError
from polydock_pipelines.emails.examples import BODY
from polydock_pipelines.emails.themes import THEMES, ThemeName
from tests.unit.emails.mails import CONTEXTS

WRITTEN = [context.body for context in CONTEXTS.values()]
REFUSED_LINKS = [
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](&#106;avascript:alert(1))",
    "[a](data:text/html,x)",
    "[a](vbscript:x)",
    "[a](file:///etc/passwd)",
    "[a](ftp://example.com/x)",
    "[a](/relative)",
    "[a](#here)",
    "[a](//example.com)",
    "[a](https://)",
    "[a](mailto:)",
    f"[a](https://x.example/{'y' * 2048})",
    "<javascript:alert(1)>",
    "[a][b]\n\n[b]: javascript:alert(1)",
    "![a](javascript:alert(1))",
    "![a](data:image/png;base64,AAAA)",
]
HTML = [
    "<script>alert(1)</script>",
    "a <b>bold</b> word",
    "<img src=x onerror=alert(1)>",
    "<!-- -->",
]


@pytest.mark.parametrize("markdown", ["", *WRITTEN, "a < b", "`<b>`", "\\<b>", "{{ 7*7 }}"])
def test_what_can_be_shown_passes(markdown: str) -> None:
    check_body(markdown)


@pytest.mark.parametrize("link", REFUSED_LINKS)
def test_a_link_that_leads_nowhere_is_refused_by_the_check(link: str) -> None:
    with pytest.raises(EmailError, match=r"^line \d of the body's Markdown has a link") as caught:
        check_body(f"Some words.\n\n{link}")
    assert "alert" not in str(caught.value)


@pytest.mark.parametrize("link", REFUSED_LINKS)
def test_and_is_no_link_when_it_got_in_all_the_same(link: str) -> None:
    html = to_html(link, "light")
    assert "href" not in html
    assert "src" not in html


@pytest.mark.parametrize("markdown", HTML)
def test_html_is_refused_by_the_check_with_its_line(markdown: str) -> None:
    with pytest.raises(EmailError, match=r"^line 3 of the body's Markdown holds HTML") as caught:
        check_body(f"One.\n\n{markdown}")
    assert "alert" not in str(caught.value)


@pytest.mark.parametrize("markdown", HTML)
def test_and_is_text_when_it_got_in_all_the_same(markdown: str) -> None:
    html = to_html(markdown, "light")
    assert "&lt;" in html
    assert not [tag for tag in ("<script", "<b>", "<img", "<!--") if tag in html]


def test_html_cannot_leave_code_or_an_attribute() -> None:
    html = to_html(
        '```"><script>\n</code><b>\n```\n\n[a](https://x.example/"><b> "t\\"><b>")', "dark"
    )
    assert "<b>" not in html
    assert "<script>" not in html


@pytest.mark.parametrize("sign", ["\x00", "\x07", "\x1b", "\x7f", "\u202e", "\ud800"])
def test_what_is_no_text_is_refused_by_check_and_rendering(sign: str) -> None:
    for refuse in (check_body, lambda text: to_html(text, "dark")):
        with pytest.raises(EmailError, match="control character"):
            refuse(f"our words{sign}")


def test_a_body_that_is_too_long_is_refused() -> None:
    check_body("a" * LONGEST)
    with pytest.raises(EmailError, match="too long"):
        check_body("a" * (LONGEST + 1))


def test_headings_stand_below_the_mails_own() -> None:
    html = to_html("# One\n\n###### Six", "light")
    assert "<h2 " in html
    assert "</h2>" in html
    assert "<h6 " in html
    assert "<h1" not in html


@pytest.mark.parametrize("theme", THEMES)
def test_links_and_code_bear_the_themes_colours(theme: ThemeName) -> None:
    html = to_html("[a](https://x.example) `b`\n\n    c", theme)
    assert f"color:{THEMES[theme].link}" in html
    assert html.count(f"background-color:{THEMES[theme].box}") == 2


def test_a_columns_alignment_is_kept() -> None:
    assert 'vertical-align:top;text-align:right">7</td>' in to_html("|a|\n|-:|\n|7|", "dark")


def test_an_image_keeps_its_words() -> None:
    assert 'alt="The dashboard"' in to_html(BODY, "light")


@pytest.mark.parametrize("depth", [50, 5000])
def test_deep_nesting_does_no_harm(depth: int) -> None:
    assert to_html("> - " * depth, "light")


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("https://example.com", True),
        ("HTTP://example.com/ä?a=b&c=d#e", True),
        ("https:///x", False),
        ("https://a b", False),
        ("https://a\x00", False),
        ("mailto:a@example.com", False),
        ("", False),
    ],
)
def test_web_addresses_are_told_from_others(url: str, fine: bool) -> None:  # noqa: FBT001
    assert is_web_address(url) == fine
