"""Where nothing is sent, whatever a name resolves to and whenever; and what is logged of it."""

import asyncio
import logging
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

import pytest

from polydock_pipelines.clients.webhooks.options import WebhookOptions
from polydock_pipelines.clients.webhooks.sender import HttpWebhookSender
from polydock_pipelines.ports import RefusedError
from polydock_pipelines.ports.webhooks import (
    Answer,
    PortError,
    UnsafeTargetError,
    WebhookUnreachableError,
)
from tests.integration.clients.webhook_receiver import (
    LOCAL,
    Names,
    Receiver,
    Routed,
    cut,
    local,
    reply,
    running,
    send,
)
from tests.unit.clients.test_fake_webhook_sender import DELIVERY, SECRET

STRICT = replace(LOCAL, is_private_allowed=False)
PUBLIC, OTHER, PUBLIC_V6 = "93.184.215.14", "1.1.1.1", "2606:4700::1111"
HOOK = replace(DELIVERY, url="http://hook.example/?token=canary")


def strict(
    receiver: Receiver, *lists: Sequence[str], away: Sequence[str] = ()
) -> tuple[HttpWebhookSender, Names, Routed]:
    """Return a sender, who tells it addresses of hook.example, and who connects it."""
    names, network = Names(hook_example=lists), Routed(receiver, away)
    return local(STRICT, resolve=names, network=network), names, network


@pytest.mark.parametrize("address", [PUBLIC, PUBLIC_V6, "64:ff9b::8.8.8.8"])
def test_what_was_judged_is_what_is_connected_to(address: str) -> None:
    with running(Receiver()) as receiver:
        sender, names, network = strict(receiver, [address], ["127.0.0.1"])
        assert send(sender, HOOK).status == 200
    # Between judging and connecting, nobody asks again: the second answer was never seen.
    assert (names.asked, network.asked) == ([("hook.example", 80)], [(address, 80)])
    assert receiver.received[0].headers["Host"] == "hook.example"


def test_a_name_that_turns_private_is_refused_at_the_next_attempt() -> None:
    with running(Receiver()) as receiver:
        sender, _, network = strict(receiver, [PUBLIC], ["10.0.0.1"])
        assert send(sender, HOOK).status == 200
        with pytest.raises(UnsafeTargetError, match="private"):
            send(sender, replace(HOOK, attempt=2))
    assert (network.asked, receiver.connections) == ([(PUBLIC, 80)], 1)


@pytest.mark.parametrize(
    "addresses",
    [
        *([PUBLIC, "127.0.0.1"], ["10.0.0.1", PUBLIC], [PUBLIC, PUBLIC_V6, "::1"], ["::"]),
        *(["169.254.169.254"], ["::ffff:8.8.8.8"], ["64:ff9b::a00:1"], ["2002:a00:1::"]),
        *(["fe80::1%eth0"], ["100.64.0.1"], ["no address"], [""]),
    ],
)
def test_one_unsafe_address_makes_a_name_unsafe(addresses: list[str]) -> None:
    with running(Receiver()) as receiver:
        sender, _, network = strict(receiver, addresses)
        with pytest.raises(UnsafeTargetError, match=r"Nothing is sent to http://hook\.example:"):
            send(sender, HOOK)
    assert (network.asked, receiver.connections) == ([], 0)


def test_a_further_address_is_tried_when_one_is_away() -> None:
    with running(Receiver()) as receiver:
        sender, _, network = strict(receiver, [PUBLIC_V6, PUBLIC, OTHER], away=[PUBLIC_V6])
        assert send(sender, HOOK).status == 200
    assert network.asked == [(PUBLIC_V6, 80), (PUBLIC, 80)]


def test_a_host_that_lets_nobody_in_is_nothing_sent() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as stack:
        port = full.getsockname()[1]
        for _ in range(4):  # those that wait to be let in leave no place
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(("127.0.0.1", port))
        options = replace(LOCAL, connect_s=0.2, total_s=5)
        with pytest.raises(WebhookUnreachableError, match="no connection in time") as raised:
            send(local(options), replace(HOOK, url=f"http://127.0.0.1:{port}/"))
    assert (raised.value.why, raised.value.may_have_arrived) == ("connect", False)


def test_a_name_with_very_many_addresses_is_tried_a_few_times() -> None:
    many = [f"93.184.215.{number}" for number in range(200)]
    with running(Receiver()) as receiver:
        sender, _, network = strict(receiver, many, away=many)
        with pytest.raises(WebhookUnreachableError):
            send(sender, HOOK)
    assert network.asked == [(address, 80) for address in many[:4]]


def test_a_name_whose_addresses_are_all_away_is_nothing_sent() -> None:
    with running(Receiver()) as receiver:
        sender, _, _ = strict(receiver, [PUBLIC, OTHER], away=[PUBLIC, OTHER])
        with pytest.raises(WebhookUnreachableError, match="the connection was lost") as raised:
            send(sender, HOOK)
    assert (raised.value.why, raised.value.may_have_arrived) == ("connect", False)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "2130706433", "0177.0.0.1", "0x7f.0.0.1", "127.1", "0"),
        "0.0.0.0",  # noqa: S104  # nothing is bound here
        *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[::127.0.0.1]"),
        *("localhost", "LOCALHOST.", "localhost.", "127.0.0.1.", "１２７.0.0.1", "①②⑦.0.0.1"),  # noqa: RUF001
        *("169.254.169.254", "[fd00:ec2::254]", "user@127.0.0.1", "u:canary@good.example"),
    ],
)
def test_no_way_to_write_loopback_leads_there(host: str) -> None:
    authority = f"{host}:{{}}"
    with running(Receiver()) as receiver:
        delivery = replace(HOOK, url=f"http://{authority.format(receiver.port)}/?canary")
        with pytest.raises(UnsafeTargetError) as refused:
            send(local(STRICT), delivery)
    assert receiver.connections == 0
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("host", ["localhost", "localhost.", "127.0.0.1"])
def test_loopback_is_reached_where_that_is_allowed(host: str) -> None:
    with running(Receiver()) as receiver:
        url = f"http://{host}:{receiver.port}/"
        assert send(local(), replace(HOOK, url=url)).status == 200


@pytest.mark.parametrize("host", ["169.254.169.254", "[::]", "[::ffff:127.0.0.1]", "224.0.0.1"])
def test_some_addresses_are_never_reached(host: str) -> None:
    with pytest.raises(UnsafeTargetError):
        send(local(), replace(HOOK, url=f"http://{host}/"))


def test_http_is_refused_unless_it_is_allowed() -> None:
    with running(Receiver()) as receiver:
        options = replace(LOCAL, is_http_allowed=False)
        with pytest.raises(UnsafeTargetError, match="expected https"):
            send(local(options), replace(HOOK, url=receiver.url))
    assert receiver.connections == 0


def test_a_name_that_nobody_knows_is_nothing_sent() -> None:
    for sender in (local(resolve=Names()), local(resolve=Names(hook_example=[[]]))):
        with pytest.raises(WebhookUnreachableError, match="known to nobody") as raised:
            send(sender, HOOK)
        assert (raised.value.why, raised.value.may_have_arrived) == ("dns", False)
        assert "canary" not in str(raised.value)


def test_the_system_knows_no_name_that_ends_in_invalid() -> None:
    with pytest.raises(WebhookUnreachableError, match=r"http://hook\.invalid:8080 ") as raised:
        send(local(STRICT), replace(HOOK, url="http://hook.invalid:8080/canary"))
    assert raised.value.why in {"dns", "timeout"}


def test_a_name_server_that_is_away_is_no_unknown_name() -> None:
    async def away(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "canary")

    with pytest.raises(WebhookUnreachableError, match="no name server answers") as raised:
        send(local(resolve=away), HOOK)
    assert raised.value.why == "dns"


def test_a_silent_name_server_is_left_in_time() -> None:
    async def silent(_host: str, _port: int) -> Sequence[str]:
        await asyncio.sleep(30)
        return []

    for options, why in (
        (replace(LOCAL, dns_s=0.1), "dns"),
        (replace(LOCAL, total_s=0.1), "timeout"),
    ):
        began = time.monotonic()
        with pytest.raises(WebhookUnreachableError) as raised:
            send(local(options, resolve=silent), HOOK)
        assert (raised.value.why, raised.value.may_have_arrived) == (why, False)
        assert time.monotonic() - began < 2


@pytest.mark.parametrize("changed", [{"event": "a\r\nX-Evil: 1"}, {"message_id": "a\r\nX: 1"}])
def test_a_line_break_in_a_header_reaches_nobody(changed: dict[str, str]) -> None:
    with (
        running(Receiver()) as receiver,
        pytest.raises(RefusedError),
    ):
        send(local(), replace(HOOK, url=receiver.url, **changed))  # pyright: ignore[reportArgumentType]
    assert receiver.connections == 0


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(Receiver()) as receiver, running(Receiver()) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert send(local(), replace(HOOK, url=receiver.url)).status == 200
    assert (proxy.connections, receiver.connections) == (0, 1)


def test_no_log_and_no_error_tells_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    told: list[Answer | PortError] = []
    with running(Receiver(reply(500, body=b"words"), cut, b"no HTTP\r\n\r\n")) as receiver:
        delivery = replace(HOOK, url=receiver.url)
        for _ in range(3):
            try:
                told.append(send(local(), delivery))
            except PortError as error:
                told.append(error)
    assert len(told) == 3
    signature = receiver.received[0].headers["webhook-signature"]
    for text in (caplog.text, *map(repr, told), *map(str, told)):
        assert not [word for word in ("canary", SECRET.reveal(), signature) if word in text]


def test_many_at_once_keep_to_the_bound() -> None:
    options = WebhookOptions(
        total_s=30, connections=8, is_http_allowed=True, is_private_allowed=True
    )
    sender = local(options)

    async def all_of(receiver: Receiver) -> list[Answer]:
        deliveries = [
            replace(HOOK, message_id=f"msg_{number}", url=receiver.url) for number in range(200)
        ]
        return await asyncio.gather(*map(sender.send, deliveries))

    with running(Receiver()) as receiver:
        answers = asyncio.run(all_of(receiver))
        again = asyncio.run(all_of(receiver))
    assert {answer.status for answer in answers + again} == {200}
    assert len({received.headers["webhook-id"] for received in receiver.received}) == 200
    # A receiver's thread may note the end of a connection after the next one has begun.
    assert (receiver.connections, receiver.most_open <= 16) == (400, True)


def test_threads_share_a_sender_each_with_its_own_loop() -> None:
    sender = local(replace(LOCAL, connections=2, total_s=10))

    async def some(receiver: Receiver) -> list[Answer]:
        delivery = replace(HOOK, url=receiver.url)
        return await asyncio.gather(*(sender.send(delivery) for _ in range(10)))

    with running(Receiver()) as receiver, ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: asyncio.run(some(receiver)), range(4)))
    assert [[answer.status for answer in ten] for ten in answers] == [[200] * 10] * 4


def test_whoever_gives_up_leaves_no_connection() -> None:
    async def give_up(receiver: Receiver) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await local().send(replace(HOOK, url=receiver.url))

    with running(Receiver(lambda _receiver, sock: ended.append(sock.recv(1)))) as receiver:
        ended: list[bytes] = []
        asyncio.run(give_up(receiver))
    assert ended == [b""]
