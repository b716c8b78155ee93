"""The fake plays what senders of mail must survive, and a mail is checked before it goes out."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from itertools import repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polydock_pipelines.mail_address import parse_addresses, parse_sender
from polydock_pipelines.ports import EndpointError, RefusedError
from polydock_pipelines.ports.mail import (
    SMTP,
    InDoubtError,
    Mail,
    Mailer,
    PutOffError,
    check,
    cleaned,
    compose,
    hint,
)
from tests.fakes.mailer import ANYBODY, FakeMailer

AWAY = EndpointError("The mail server is away.", endpoint=SMTP)
LATER = PutOffError("Later.")
NO = RefusedError("No.")
LOST = InDoubtError("Lost.")
MAIL = Mail(
    message_id="<1.ready@polydock.example>",
    date=datetime(2026, 3, 1, 9, 0, tzinfo=UTC),
    sender="trials@polydock.example",
    sender_name="Polydock Trials",
    recipient="jo@example.com",
    subject="Your trial is ready",
    text="Hello Jö",
    html="<p>Hello Jö</p>",
)


def mail_to(recipient: str) -> Mail:
    return replace(MAIL, recipient=recipient)


def read_back(mail: Mail) -> EmailMessage:
    return message_from_bytes(compose(mail), _class=EmailMessage, policy=default)


def test_the_fake_is_a_port_and_keeps_what_it_was_given() -> None:
    fake = FakeMailer()
    mailer: Mailer = fake
    mailer.ping()
    with mailer.session() as session:
        session.send(MAIL)
    mailer.send(replace(MAIL, cc=("all@example.com",)))
    assert [mail.recipient for mail in fake.sent] == ["jo@example.com"] * 2
    assert (fake.sessions, fake.pings) == (2, 1)
    assert len(fake.sent_to("all@example.com")) == 1


def test_mails_fail_in_order_whoever_gets_them() -> None:
    fake = FakeMailer(failing={ANYBODY: [AWAY, None, LATER]})
    for expected in (EndpointError, None, PutOffError, None):
        if expected is None:
            fake.send(MAIL)
            continue
        with pytest.raises(expected):
            fake.send(MAIL)
    assert (len(fake.tried), len(fake.sent)) == (4, 2)


def test_one_recipient_fails_for_ever_and_the_others_get_their_mail() -> None:
    fake = FakeMailer(failing={"bad@example.com": repeat(NO)})
    with fake.session() as session:
        for recipient in ("bad@example.com", "jo@example.com", "bad@example.com"):
            try:
                session.send(mail_to(recipient))
            except RefusedError:
                assert recipient == "bad@example.com"
    assert [mail.recipient for mail in fake.sent] == ["jo@example.com"]


def test_a_mail_in_doubt_was_delivered() -> None:
    fake = FakeMailer(failing_after={"jo@example.com": [LOST]})
    with pytest.raises(InDoubtError):
        fake.send(MAIL)
    fake.send(MAIL)
    assert fake.message_ids == [MAIL.message_id] * 2


def test_a_ping_fails_as_told() -> None:
    fake = FakeMailer(failing_ping=[AWAY])
    with pytest.raises(EndpointError) as caught:
        fake.ping()
    fake.ping()
    assert (caught.value.endpoint, fake.pings) == ("smtp", 2)


def test_threads_may_share_the_fake() -> None:
    fake = FakeMailer(failing={ANYBODY: [LATER] * 20})

    def send(_number: int) -> bool:
        try:
            fake.send(MAIL)
        except PutOffError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(send, range(100)))
    assert (outcomes.count(True), len(fake.sent)) == (80, 80)


def test_a_printed_mail_shows_its_id_alone() -> None:
    mail = replace(MAIL, cc=("all@example.com",), unsubscribe_url="https://x.example/u/token")
    assert repr(mail).startswith("Mail(message_id='<1.ready@polydock.example>', date=")
    for private in ("jo@", "all@", "trials@", "Jö", "ready'", "token"):
        assert private not in repr(mail)


@pytest.mark.parametrize("sign", ["\r", "\n", "\r\nBcc: x@y.example", "\0", "\x85", "\u2028"])
@pytest.mark.parametrize(
    "field", ["recipient", "sender", "sender_name", "subject", "message_id", "unsubscribe_url"]
)
def test_no_control_character_gets_into_a_header(field: str, sign: str) -> None:
    value = {"unsubscribe_url": "https://x.example/u"}.get(field) or getattr(MAIL, field)
    with pytest.raises(RefusedError, match=r"cannot be sent: .+\.$") as refused:
        FakeMailer().send(replace(MAIL, **{field: value + sign}))
    assert sign not in str(refused.value)
    assert "jo@" not in str(refused.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"cc": ("all@example.com\nBcc: x@y.example",)},
        {"headers": (("X-Kind", "ready\r\nBcc: x@y.example"),)},
        {"headers": (("X-Kind:", "ready"),)},
        {"headers": (("BCC", "x@y.example"),)},
        {"text": "half \ud83d"},
        {"html": "half \ude00"},
        {"date": datetime(2026, 3, 1)},  # noqa: DTZ001 - the point
        {"message_id": "1"},
        {"unsubscribe_url": "javascript:alert(1)"},
        {"unsubscribe_url": "https://x.example/" + "u" * 1000},
    ],
)
def test_a_mail_that_no_server_should_see_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(RefusedError, match=r"cannot be sent: .+\.$"):
        check(replace(MAIL, **changes))  # pyright: ignore[reportArgumentType] - any field


@pytest.mark.parametrize(
    "address",
    [
        *("", "jo", "@example.com", "jo@", "a@b@c.example", "jo@x> SIZE=1", "jo doe@x.example"),
        *(
            "<jo@x.example>",
            '"jo"@x.example',
            "jo@x.example,li@x.example",
            "j" * 250 + "@x.example",
        ),
        *("jo\u202e@x.example", "jo@x\u200b.example"),
    ],
)
def test_what_is_no_address_is_refused_and_never_shown(address: str) -> None:
    with pytest.raises(RefusedError) as refused:
        check(mail_to(address))
    assert "recipient is no address" in str(refused.value)
    assert hint(address) == "what is no address"


def test_a_hint_shows_the_first_letter_and_the_domain() -> None:
    assert hint("jo.doe+x@example.com") == "j…@example.com"


def test_the_words_of_a_server_are_shown_without_addresses() -> None:
    answer = (
        b'5.1.1 <jo@example.com>:\r\n\x1b[31m no such user "jo doe"@example.com, see x.example/1'
    )
    assert cleaned(answer) == (
        "5.1.1 <j…@example.com>: [31m no such user j…@example.com, see x.example/1"
    )


def test_a_mail_says_that_it_is_automatic_and_how_to_unsubscribe() -> None:
    url = f"https://polydock.example/unsubscribe/{'t' * 400}"
    lines = compose(replace(MAIL, unsubscribe_url=url)).decode("ascii").split("\r\n")
    for line in (
        "Date: Sun, 01 Mar 2026 09:00:00 +0000",
        "From: Polydock Trials <trials@polydock.example>",
        "To: jo@example.com",
        "Message-ID: <1.ready@polydock.example>",
        "Auto-Submitted: auto-generated",
        "X-Auto-Response-Suppress: All",
        f"List-Unsubscribe: <{url}>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
    ):
        assert lines.count(line) == 1


def test_a_mail_that_nobody_asked_to_end_has_no_way_to_unsubscribe() -> None:
    assert b"List-Unsubscribe" not in compose(MAIL)


@pytest.mark.parametrize("name", ["", "Polydock", 'Zoë "Z", Inc.', "Trials (Europe); all", "試用"])
def test_whoever_mail_from_names_is_the_sender(name: str) -> None:
    address, told = parse_sender(f"{name} <trials@example.com>" if name else "trials@example.com")
    mail = replace(MAIL, sender=address, sender_name=told)
    check(mail)
    (sender,) = read_back(mail)["From"].addresses
    assert (sender.addr_spec, sender.display_name) == ("trials@example.com", name)


def test_who_gets_a_copy_is_told() -> None:
    copied = replace(MAIL, cc=parse_addresses("all@example.com, boss@example.com"))
    shown = [one.addr_spec for one in read_back(copied)["Cc"].addresses]
    assert shown == ["all@example.com", "boss@example.com"]
    assert read_back(MAIL)["Cc"] is None


def test_the_same_mail_has_the_same_bytes() -> None:
    assert compose(MAIL) == compose(replace(MAIL))


def test_both_parts_come_back_as_they_were_whatever_the_length_of_a_line() -> None:
    text, html = (
        f"{'ü' * 3000}\n.\n..dot\nFrom me\n\ttab \n{'x' * 3000}\n",
        f"<p>{'😀 ' * 900}</p>\n",
    )
    mail = replace(MAIL, text=text, html=html)
    message = read_back(mail)
    parts = [part.get_content().replace("\r\n", "\n") for part in message.iter_parts()]
    assert message.get_content_type() == "multipart/alternative"
    assert parts == [text, html]
    assert max(map(len, compose(mail).split(b"\r\n"))) <= 78


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
HEADERS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=200)


@settings(deadline=None)
@given(subject=HEADERS, name=HEADERS, text=TEXTS, html=TEXTS)
def test_any_mail_that_passes_is_plain_lines_of_a_fit_length(
    subject: str, name: str, text: str, html: str
) -> None:
    mail = replace(MAIL, subject=subject, sender_name=name, text=text, html=html)
    check(mail)
    content = compose(mail)
    assert content.isascii()
    assert b"\0" not in content
    assert content.count(b"\r") == content.count(b"\n") == content.count(b"\r\n")
    assert max(map(len, content.split(b"\r\n"))) <= 998
    head, _, _ = content.partition(b"\r\n\r\n")
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if line[:1] not in b" \t"]
    assert len(names) == len(set(names)) == 9


@settings(deadline=None)
@given(local=st.from_regex(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}", fullmatch=True))
def test_any_address_that_passes_comes_back_from_its_header(local: str) -> None:
    address = f"{local}@example.com"
    check(mail_to(address))
    head = compose(mail_to(address)).decode().partition("\r\nSubject")[0]
    to = head.partition("\r\nTo:")[2].replace("\r\n", "").strip()
    assert to.replace('"', "") == address
