"""A message holds what the mail does, as any reader finds it."""

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest

from polydock_pipelines.ports.mail import Mail, compose

MAIL = Mail(
    message_id="<midtrial.1.abc@polydock.example>",
    date=datetime(2026, 11, 25, 12, tzinfo=UTC),
    sender="trials@polydock.example",
    recipient="grace@example.com",
    subject="Half of your CMS trial is over [cms-trial-1]",
    text="Hello Grace,\n\n.a dot, and From here\nthe end\n",
    html="<p style='color:red'>Hello Grace</p>\n",
    sender_name="Polydock",
    unsubscribe_url="https://trials.example.com/unsubscribe/1-" + "a" * 140,
)
UNUSUAL = {
    "plain": MAIL,
    "letters beyond ASCII": replace(
        MAIL, subject="Voilà 漢字 \N{GRINNING FACE}", text="é漢\n", sender_name="Pölydock, Ltd."
    ),
    "long lines and blanks at their ends": replace(MAIL, text="word " * 90, html="<p>" * 400),
    "all kinds of line ends": replace(MAIL, text="a\rb\r\nc\n\n\n", html="\n"),
    "nothing in it": replace(MAIL, text="", html="", subject=""),
    "copies": replace(MAIL, cc=("one@example.com", f"{'x' * 60}@example.org", "two@example.com")),
    "without a way to decline": replace(MAIL, unsubscribe_url=None),
}


def parsed(mail: Mail, *, utf8: bool = False) -> EmailMessage:
    found = message_from_bytes(compose(mail, utf8=utf8), policy=default)
    assert isinstance(found, EmailMessage)
    return found


def words(text: str) -> str:
    """Return *text* with one kind of line end, and none at its own."""
    return "\n".join(text.splitlines()).rstrip("\n")


@pytest.mark.parametrize("mail", UNUSUAL.values(), ids=list(UNUSUAL))
def test_a_message_says_what_the_mail_holds(mail: Mail) -> None:
    message = parsed(mail)
    plain, html = message.iter_parts()
    assert words(plain.get_content()) == words(mail.text)
    assert words(html.get_content()) == words(mail.html)
    assert (message["Subject"], message["Message-ID"]) == (mail.subject, mail.message_id)
    assert message["From"].addresses[0].display_name == mail.sender_name
    assert message["From"].addresses[0].addr_spec == mail.sender
    assert message["To"].addresses[0].addr_spec == mail.recipient
    copies = message["Cc"].addresses if message["Cc"] else ()
    assert tuple(one.addr_spec for one in copies) == mail.cc
    assert message["Date"].datetime == mail.date
    assert message.defects == []


@pytest.mark.parametrize("mail", UNUSUAL.values(), ids=list(UNUSUAL))
def test_every_line_is_short_ascii_and_ends_in_both_signs(mail: Mail) -> None:
    content = compose(mail)
    assert content.isascii()
    assert content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r")
    body = content.partition(b"\r\n\r\n")[2].split(b"\r\n")
    assert max(map(len, body)) <= 76


def test_what_machines_read_stays_on_one_line() -> None:
    lines = compose(MAIL).decode().split("\r\n")
    assert f"List-Unsubscribe: <{MAIL.unsubscribe_url}>" in lines
    assert f"Message-ID: {MAIL.message_id}" in lines


def test_addresses_with_letters_beyond_ascii_are_written_as_they_are() -> None:
    mail = replace(MAIL, recipient="grâce@bücher.example")
    assert "To: grâce@bücher.example".encode() in compose(mail, utf8=True)
    assert parsed(mail, utf8=True)["To"] == mail.recipient


def test_the_same_mail_is_the_same_bytes() -> None:
    assert compose(MAIL) == compose(replace(MAIL))
