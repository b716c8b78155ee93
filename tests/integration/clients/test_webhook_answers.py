"""What receivers say, and what becomes of it: however they say it, sending has an end."""

import gzip
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook

from polydock_pipelines.ports.webhooks import (
    Answer,
    Delivery,
    WebhookUnreachableError,
    new_secret,
)
from tests.integration.clients.webhook_receiver import (
    LOCAL,
    OK,
    Act,
    Receiver,
    cut,
    hang,
    local,
    reply,
    running,
    send,
    then_hang,
    trickle,
)
from tests.unit.clients.test_fake_webhook_sender import DELIVERY

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
LONG = HEAD + b"Content-Length: 999999999999\r\n\r\n"


def to(receiver: Receiver, **changed: object) -> Delivery:
    return replace(
        DELIVERY,
        url=receiver.url,
        timestamp=datetime.now(UTC),
        **changed,  # pyright: ignore[reportArgumentType]
    )


def answer_to(act: Act, delivery: Callable[[Receiver], Delivery] = to) -> Answer:
    with running(Receiver(act)) as receiver:
        answer = send(local(), delivery(receiver))
        assert receiver.connections == len(receiver.received) == 1
    return answer


def error_of(receiver: Receiver) -> WebhookUnreachableError:
    with running(receiver), pytest.raises(WebhookUnreachableError) as raised:
        send(local(), to(receiver))
    assert "canary" not in str(raised.value)
    assert raised.value.__cause__ is raised.value.__context__ is None
    return raised.value


def test_what_is_signed_is_what_arrives() -> None:
    secret, body = new_secret(), '{"name": "Zoë"}\n'.encode()
    with running(Receiver()) as receiver:
        send(local(), to(receiver, secrets=(secret,), body=body))
    (received,) = receiver.received
    assert received.line == "POST /hook?token=canary HTTP/1.1"
    assert received.body == body
    assert received.headers["Host"] == f"127.0.0.1:{receiver.port}"
    assert received.headers["Content-Type"] == "application/json"
    assert received.headers["Accept-Encoding"] == "identity"
    Webhook(secret.reveal()).verify(received.body, received.headers)


def test_a_payload_of_a_mebibyte_arrives_whole() -> None:
    body = b'"' + b"x" * 1024 * 1024 + b'"'
    with running(Receiver()) as receiver:
        assert send(local(), to(receiver, body=body)).status == 200
    assert receiver.received[0].body == body


@pytest.mark.parametrize("status", [200, 201, 204, 300, 304, 400, 404, 410, 413, 429, 500, 599])
def test_every_status_is_an_answer(status: int) -> None:
    body = b"" if status in {204, 304} else b"words"
    answer = answer_to(reply(status, body=body))
    assert (answer.status, answer.text) == (status, body.decode())
    assert answer.is_success == (status < 300)
    assert 0 < answer.seconds < 1


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", timedelta(minutes=2)),
        ("31536000", timedelta(days=365)),
        ("99999999999", timedelta(days=365)),
        ("Fri, 06 Nov 2026 08:00:30 GMT", timedelta(seconds=30)),
        *((nonsense, None) for nonsense in ("-5", "soon", "", "1e9", "\xff")),
    ],
)
def test_a_wish_to_wait_is_told(value: str, wait: timedelta | None) -> None:
    date = "Date: Fri, 06 Nov 2026 08:00:00 GMT\r\n"
    assert answer_to(reply(429, f"{date}Retry-After: {value}\r\n")).retry_after == wait


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with running(Receiver()) as inside:
        answer = answer_to(reply(status, f"Location: {inside.url}\r\n"))
    assert (answer.status, inside.connections) == (status, 0)


def test_a_cookie_is_forgotten() -> None:
    with running(Receiver(reply(200, "Set-Cookie: a=b; Path=/\r\n"))) as receiver:
        sender = local()
        for _ in range(2):
            send(sender, to(receiver))
    assert "Cookie" not in receiver.received[1].headers


@pytest.mark.parametrize("start", [LONG, CHUNKED, HEAD + b"\r\n"])
@pytest.mark.parametrize("every_s", [0.0, 0.02])
def test_a_body_without_an_end_is_left_after_its_beginning(start: bytes, every_s: float) -> None:
    again = b"5\r\nxxxxx\r\n" if start is CHUNKED else b"x" * 10
    answer = answer_to(trickle(start, again, every_s))
    assert answer.status == 200
    assert 5 <= len(answer.text) <= 4096
    assert set(answer.text) == {"x"}
    assert answer.seconds < 0.9


def test_a_body_that_never_comes_does_not_change_the_answer() -> None:
    answer = answer_to(then_hang(LONG))
    assert (answer.status, answer.text) == (200, "")
    assert answer.seconds < 0.9


@pytest.mark.parametrize("body", [LONG + b"half", CHUNKED + b"4\r\nhalf\r\nwhat is this"])
def test_a_body_that_is_cut_or_wrong_does_not_change_the_answer(body: bytes) -> None:
    assert answer_to(body).status == 200


def test_a_packed_body_is_not_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 1024 * 1024)
    answer = answer_to(reply(200, "Content-Encoding: gzip\r\n", bomb))
    assert answer.status == 200
    assert len(answer.text) <= 4096


def test_an_answer_after_a_word_in_between_counts() -> None:
    assert answer_to(b"HTTP/1.1 103 Early\r\nLink: <x>\r\n\r\n" + OK).status == 200


def test_an_answer_before_the_request_was_read_counts() -> None:
    with running(Receiver(first=then_hang(reply(413)))) as receiver:
        assert send(local(), to(receiver)).status == 413


@pytest.mark.parametrize(
    "act",
    [
        hang,
        trickle(b"H", b""),
        trickle(b"", b"HTTP/1.1 103 Early\r\n\r\n"),
        trickle(HEAD, b"x: y\r\n"),
    ],
)
def test_an_answer_that_does_not_come_in_time_leaves_doubt(act: Act) -> None:
    error = error_of(Receiver(act))
    assert (error.why, error.may_have_arrived) == ("timeout", True)
    assert "the answer took too long; it may have arrived" in str(error)


def test_the_time_is_for_the_whole_exchange() -> None:
    options = replace(LOCAL, total_s=0.5, body_s=9)
    with running(Receiver(trickle(LONG, b"x"))) as receiver:
        assert 0.4 < send(local(options), to(receiver)).seconds < 0.9


@pytest.mark.parametrize(
    "act",
    [
        b"SSH-2.0-OpenSSH_9.6 canary\r\n\r\n",
        b"HTTP/1.1 abc canary\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: canary\r\nConnection: upgrade\r\n\r\n",
        HEAD + b"Content-Length: canary\r\n\r\n",
        HEAD + b"canary without a colon\r\n\r\n",
        trickle(HEAD, b"x: " + b"canary" * 999 + b"\r\n", 0),
        trickle(b"", b"HTTP/1.1 103 Early\r\n\r\n" * 99, 0),
    ],
)
def test_what_is_no_http_leaves_doubt(act: Act) -> None:
    error = error_of(Receiver(act))
    assert (error.why, error.may_have_arrived) == ("garbled", True)


@pytest.mark.parametrize("act", [cut, HEAD[:9], HEAD + b"X: half"])
def test_a_connection_that_is_cut_after_the_request_leaves_doubt(act: Act) -> None:
    error = error_of(Receiver(act))
    assert (error.why, error.may_have_arrived) == ("cut", True)


def test_a_receiver_that_hangs_up_at_once_is_cut() -> None:
    assert error_of(Receiver(first=cut)).why == "cut"


def test_a_receiver_that_reads_nothing_is_left_in_time() -> None:
    with running(Receiver(first=hang)) as receiver:
        with pytest.raises(WebhookUnreachableError) as raised:
            send(local(), to(receiver, body=b'"' + b"x" * 30_000_000 + b'"'))
        assert raised.value.why == "timeout"


def test_nobody_who_listens_is_nothing_sent() -> None:
    with Receiver() as receiver:
        delivery = to(receiver)
    with pytest.raises(WebhookUnreachableError, match="connection refused") as raised:
        send(local(), delivery)
    assert (raised.value.why, raised.value.may_have_arrived) == ("connect", False)
