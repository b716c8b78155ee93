"""What is kept of a stranger's answer."""

from datetime import UTC, datetime, timedelta

import pytest

from polydock_pipelines.clients.webhooks.answer import readable, retry_after
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports.webhooks import new_secret

NOW = datetime(2026, 11, 6, 8, 49, 37, tzinfo=UTC)
YEAR = timedelta(days=365)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", timedelta(seconds=120)),
        ("0", timedelta()),
        ("31536000", YEAR),
        ("9" * 30, YEAR),
        ("Fri, 06 Nov 2026 08:50:37 GMT", timedelta(minutes=1)),
        ("Friday, 06-Nov-26 08:50:37 GMT", timedelta(minutes=1)),
        ("Fri Nov  6 08:50:37 2026", timedelta(minutes=1)),
        ("Fri, 06 Nov 2026 09:50:37 +0100", timedelta(minutes=1)),
        ("Fri, 06 Nov 2026 08:48:37 GMT", timedelta()),
        ("Fri, 06 Nov 2099 08:48:37 GMT", YEAR),
        *((text, None) for text in ("", "-1", "+5", "1.5", "soon", "9" * 31, "٣", "\x00", "1 2")),
        *(
            (text, None)
            for text in ("Fri, 99 Nov 2026 08:48:37 GMT", "Fri, 31 Dec 9999 23:59:59 -2359")
        ),
    ],
)
def test_a_wish_to_wait_is_read_when_it_makes_sense(value: str, wait: timedelta | None) -> None:
    assert retry_after([(b"Retry-After", value.encode("latin-1", "replace"))], NOW) == wait


def test_without_the_header_nobody_asked_to_wait() -> None:
    assert retry_after([(b"Date", b"Fri, 06 Nov 2026 08:50:37 GMT")], NOW) is None


def test_a_date_counts_by_the_clock_of_who_wrote_it() -> None:
    headers = [
        (b"date", b"Fri, 06 Nov 2020 08:00:00 GMT"),
        (b"RETRY-AFTER", b"Fri, 06 Nov 2020 08:00:30 GMT"),
    ]
    assert retry_after(headers, NOW) == timedelta(seconds=30)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", ""),
        (b"fine\r\n\tand well ", "fine and well"),
        (b"\x1b[31mred\x00\x07\x7f", "[31mred"),
        ("a\u202eb\u2028c\u200bd".encode(), "ab cd"),
        (b"\xff\xfe{", "\ufffd\ufffd{"),
        (b"x" * 5000, "x" * 4096),
    ],
)
def test_a_body_is_kept_on_one_line_that_is_safe_to_show(body: bytes, text: str) -> None:
    assert readable(body, ()) == text


def test_a_secret_that_a_receiver_prints_is_not_kept() -> None:
    secret, other = new_secret(), Secret("aB3" * 13 + "x")
    key = secret.reveal().removeprefix("whsec_")
    body = f"expected {secret.reveal()}, key {key}, {other.reveal()}; whsec_c3RyYW5nZXI".encode()
    assert readable(body, (secret, other)) == "expected ***, key ***, ***; ***"
    assert key[:9] not in readable(b"." * 4080 + secret.reveal().encode(), (secret,))
