"""The fake's own ways, and what no sender sends."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from itertools import repeat

import pytest

from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import RefusedError
from polydock_pipelines.ports.webhooks import (
    Answer,
    Delivery,
    UnsafeTargetError,
    WebhookUnreachableError,
    check,
)
from tests.fakes.webhook_sender import ANYBODY, FakeWebhookSender

SECRET = Secret("whsec_" + "canary00" * 5)
DELIVERY = Delivery(
    message_id="msg_1",
    attempt=1,
    event="app_instance.created",
    url="https://store.example/hook?token=canary",
    secrets=(SECRET,),
    timestamp=datetime(2026, 11, 6, tzinfo=UTC),
    body=b'{"name":"canary"}',
)
CUT = WebhookUnreachableError("Cut.", why="cut", may_have_arrived=True)
AWAY = WebhookUnreachableError("Away.", why="connect")


def send(fake: FakeWebhookSender, delivery: Delivery = DELIVERY) -> Answer:
    return asyncio.run(fake.send(delivery))


def test_everybody_takes_everything() -> None:
    fake = FakeWebhookSender()
    assert send(fake).is_success
    assert (fake.message_ids, fake.arrived_at(DELIVERY.url)) == (["msg_1"], [DELIVERY])


def test_replies_come_in_order_and_those_of_an_address_first() -> None:
    fake = FakeWebhookSender(replies={DELIVERY.url: [Answer(410)], ANYBODY: repeat(Answer(500))})
    assert [send(fake).status for _ in range(3)] == [410, 500, 500]
    assert not Answer(302).is_success


def test_an_error_says_whether_the_message_arrived() -> None:
    fake = FakeWebhookSender(replies={ANYBODY: [CUT, AWAY]})
    for error in (CUT, AWAY):
        with pytest.raises(WebhookUnreachableError) as raised:
            send(fake)
        assert raised.value is error
    assert (len(fake.tried), len(fake.arrived)) == (2, 1)


@pytest.mark.parametrize(
    "url",
    ["http://store.example/", "https://localhost/", "https://10.0.0.1/", "https://in.example"],
)
def test_an_unsafe_address_gets_nothing_unless_it_is_allowed(url: str) -> None:
    delivery, hosts = replace(DELIVERY, url=url), {"in.example": "192.168.0.1"}
    fake = FakeWebhookSender(hosts=hosts)
    with pytest.raises(UnsafeTargetError):
        send(fake, delivery)
    assert fake.arrived == []
    open_one = FakeWebhookSender(hosts=hosts, is_http_allowed=True, is_private_allowed=True)
    assert send(open_one, delivery).status == 200


@pytest.mark.parametrize(
    ("delivery", "problem"),
    [
        (replace(DELIVERY, message_id="a.b"), "its id"),
        (replace(DELIVERY, message_id=""), "its id"),
        (replace(DELIVERY, message_id="a\r\nX-Evil: 1"), "its id"),
        (replace(DELIVERY, event="a\r\nX-Evil: 1"), "its event"),
        (replace(DELIVERY, event="app_instance.created\n"), "its event"),
        (replace(DELIVERY, event="ä"), "its event"),
        (replace(DELIVERY, attempt=0), "its attempt"),
        (replace(DELIVERY, timestamp=datetime(2026, 11, 6)), "no time zone"),  # noqa: DTZ001
        (replace(DELIVERY, secrets=()), "neither one secret nor two"),
        (replace(DELIVERY, secrets=(SECRET,) * 3), "neither one secret nor two"),
        (replace(DELIVERY, secrets=(SECRET, Secret("canary"))), "whsec_"),
        (replace(DELIVERY, body=b""), "its body"),
        (replace(DELIVERY, body=b"\xff"), "its body"),
    ],
)
def test_what_is_not_fit_to_be_sent_is_refused(delivery: Delivery, problem: str) -> None:
    with pytest.raises(RefusedError, match=problem) as refused:
        check(delivery)
    assert "canary" not in str(refused.value)
    assert "Evil" not in str(refused.value)


def test_neither_a_delivery_nor_an_answer_prints_what_is_private() -> None:
    assert "canary" not in repr(DELIVERY)
    assert "msg_1" in repr(DELIVERY)
    assert "canary" not in repr(Answer(200, text="canary"))
