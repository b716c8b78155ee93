"""The same cases on the fake and on the client with a receiver on loopback."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest
import svix.webhooks

from polydock_pipelines.clients.webhooks.signing import signed_headers
from polydock_pipelines.ports import RefusedError
from polydock_pipelines.ports.webhooks import (
    Answer,
    Delivery,
    UnsafeTargetError,
    WebhookSender,
    WebhookUnreachableError,
    new_secret,
)
from tests.fakes.webhook_sender import ANYBODY, FakeWebhookSender
from tests.integration.clients.webhook_receiver import (
    LOCAL,
    Act,
    Receiver,
    cut,
    local,
    reply,
    running,
    send,
)
from tests.unit.clients.test_fake_webhook_sender import CUT, DELIVERY

SECRET = new_secret()
BUSY = Answer(503, retry_after=timedelta(seconds=7), text="too much")
SAID: dict[str, tuple[Answer | WebhookUnreachableError, Act]] = {
    "gone": (Answer(410), reply(410)),
    "moved": (Answer(307), reply(307, "Location: http://127.0.0.1:9/\r\n")),
    "busy": (BUSY, reply(503, "Retry-After: 7\r\n", b"too\nmuch")),
    "cut": (CUT, cut),
}
Arrived = list[tuple[bytes, dict[str, str]]]


class World(Protocol):
    """One receiver, and what arrived there: bodies and headers."""

    url: str

    def sender(self, *said: str, is_open: bool = True) -> WebhookSender: ...

    def arrived(self) -> Arrived: ...


class FakeWorld:
    url = "http://127.0.0.1:8080/hook?token=canary"

    def sender(self, *said: str, is_open: bool = True) -> WebhookSender:
        self._fake = FakeWebhookSender(
            replies={ANYBODY: [SAID[word][0] for word in said]},
            is_http_allowed=True,
            is_private_allowed=is_open,
        )
        return self._fake

    def arrived(self) -> Arrived:
        return [(delivery.body, signed_headers(delivery)) for delivery in self._fake.arrived]


class RealWorld:
    def __init__(self, receiver: Receiver) -> None:
        self.url = receiver.url
        self._receiver = receiver

    def sender(self, *said: str, is_open: bool = True) -> WebhookSender:
        self._receiver.acts = iter([SAID[word][1] for word in said])
        return local(replace(LOCAL, is_private_allowed=is_open, total_s=5))

    def arrived(self) -> Arrived:
        return [(received.body, received.headers) for received in self._receiver.received]


@pytest.fixture(params=["fake", "client"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        yield FakeWorld()
        return
    with running(Receiver()) as receiver:
        yield RealWorld(receiver)


def to(world: World, attempt: int = 1) -> Delivery:
    return replace(
        DELIVERY,
        url=world.url,
        attempt=attempt,
        secrets=(SECRET,),
        timestamp=datetime.now(UTC),
    )


def test_what_arrives_is_what_was_signed(world: World) -> None:
    delivery = to(world, attempt=2)
    assert send(world.sender(), delivery).is_success
    ((body, headers),) = world.arrived()
    svix.webhooks.Webhook(SECRET.reveal()).verify(body, headers)
    expected = signed_headers(delivery)
    assert body == delivery.body
    assert {name: headers[name] for name in expected} == expected


@pytest.mark.parametrize("said", ["gone", "moved", "busy"])
def test_what_a_receiver_says_is_an_answer_and_the_next_one_another(
    world: World, said: str
) -> None:
    sender = world.sender(said)
    expected = SAID[said][0]
    assert replace(send(sender, to(world)), seconds=0.0) == expected
    assert send(sender, to(world, attempt=2)).status == 200
    assert [headers["X-Polydock-Attempt"] for _, headers in world.arrived()] == ["1", "2"]


def test_a_message_in_doubt_may_be_there_twice_with_one_id(world: World) -> None:
    sender = world.sender("cut")
    with pytest.raises(WebhookUnreachableError) as raised:
        send(sender, to(world))
    assert (raised.value.why, raised.value.may_have_arrived) == ("cut", True)
    send(sender, to(world, attempt=2))
    assert [headers["webhook-id"] for _, headers in world.arrived()] == [DELIVERY.message_id] * 2


@pytest.mark.parametrize("url", ["ftp://store.example", "http://u:p@store.example/", "", None])
def test_an_unsafe_address_gets_nothing(world: World, url: str | None) -> None:
    sender = world.sender(is_open=False)
    with pytest.raises(UnsafeTargetError) as refused:
        send(sender, replace(to(world), url=world.url if url is None else url))
    assert "canary" not in str(refused.value)
    assert world.arrived() == []


@pytest.mark.parametrize(
    "changed", [{"event": "a\r\nb"}, {"message_id": "a.b"}, {"secrets": ()}, {"body": b"\xff"}]
)
def test_what_is_not_fit_to_be_sent_reaches_nobody(
    world: World, changed: dict[str, object]
) -> None:
    sender = world.sender()
    delivery = replace(to(world), **changed)  # pyright: ignore[reportArgumentType]
    with pytest.raises(RefusedError):
        send(sender, delivery)
    assert world.arrived() == []
