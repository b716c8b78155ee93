import pytest

from polydock_pipelines.emails.errors import EmailError
from polydock_pipelines.emails.reading import to_text


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("", ""),
        ("a *b* **c** `d`\ne", "a b c d e"),
        ("a  \nb", "a\nb"),
        ("# Title\n\nText", "Title\n-----\n\nText"),
        ("- a\n- b\n  - c", "- a\n- b\n  - c"),
        ("3. a\n4. b", "3. a\n4. b"),
        ("> a\n>\n> b", "> a\n> \n> b"),
        ("```\na  b\n```", "    a  b"),
        ("- a\n\n  ```\n  b\n  ```", "- a\n      b"),
        ("a\n\n---\n\nb", "a\n\n------------------------\n\nb"),
        ("![alt](https://x.example/y.png)", "[picture: alt]"),
        ("![](https://x.example/y.png)", ""),
        ("a &amp; \\* <b>", "a & * <b>"),
        ("[a](javascript:x)", "[a](javascript:x)"),
        ("|a|b|\n|-|-|\n|c|d|", "a | b\nc | d"),
    ],
)
def test_markdown_is_read_as_text(markdown: str, text: str) -> None:
    assert to_text(markdown) == text


def test_links_are_numbered_and_stand_on_lines_of_their_own() -> None:
    text = to_text(
        "See [one](https://a.example) and <https://b.example>.\n\n- [c](https://c.example)"
    )
    assert text == (
        "See one [1] and [2].\n[1] https://a.example\n[2] https://b.example\n\n"
        "- c [3]\n  [3] https://c.example"
    )


@pytest.mark.parametrize("markdown", ["<a@b.example>", "<mailto:a@b.example>"])
def test_a_mail_address_stays_in_its_sentence(markdown: str) -> None:
    assert to_text(f"Write to {markdown}.") == "Write to a@b.example."


def test_a_named_mail_address_is_told() -> None:
    assert to_text("[Us](mailto:a@b.example)") == "Us [1]\n[1] a@b.example"


def test_everything_is_wrapped_to_its_indentation() -> None:
    text = to_text(f"> - {'word ' * 40}")
    assert max(map(len, text.splitlines())) <= 72
    assert all(line.startswith((">   word", "> - word")) for line in text.splitlines())


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(EmailError):
        to_text("a\x00")
