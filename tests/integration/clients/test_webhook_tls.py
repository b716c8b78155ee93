"""https: the name of the URL is what a certificate must be for, whatever it resolves to."""

import ssl
from dataclasses import replace
from ipaddress import ip_address

import pytest
from cryptography import x509

from polydock_pipelines.clients.webhooks.sender import HttpWebhookSender
from polydock_pipelines.ports.webhooks import Delivery, WebhookUnreachableError
from tests.integration.clients.test_smtp_tls import Authority, signed
from tests.integration.clients.webhook_receiver import (
    LOCAL,
    Act,
    Names,
    Receiver,
    cut,
    hang,
    local,
    running,
    send,
)
from tests.unit.clients.test_fake_webhook_sender import DELIVERY

HTTPS_ONLY = replace(LOCAL, is_http_allowed=False, total_s=2.0)
NAMES = {"hook_example": [["127.0.0.1"]]}
NAMES["xn--bcher-kva_example"] = NAMES["hook_example"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("authority")
    names: list[x509.GeneralName] = [
        x509.DNSName("hook.example"),
        x509.DNSName("xn--bcher-kva.example"),
    ]
    ca = signed(folder, "ca", [], 10, None)
    signed(folder, "here", names, 10, "ca")
    signed(folder, "address", [x509.IPAddress(ip_address("127.0.0.1"))], 10, "ca")
    signed(folder, "expired", names, -1, "ca")
    signed(folder, "stranger", names, 10, None)
    trust = ssl.create_default_context()
    trust.load_verify_locations(ca)
    return Authority(folder, trust)


def sender(authority: Authority) -> HttpWebhookSender:
    return local(HTTPS_ONLY, authority.trust, Names(**NAMES))


def to(receiver: Receiver, host: str = "hook.example") -> Delivery:
    return replace(DELIVERY, url=f"https://{host}:{receiver.port}/hook?token=canary")


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("hook.example", "hook.example"),
        ("HOOK.example.", "hook.example"),
        ("bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_the_name_goes_with_the_connection(authority: Authority, host: str, name: str) -> None:
    with running(Receiver(tls=authority.context("here"))) as receiver:
        assert send(sender(authority), to(receiver, host)).text == "fine"
    assert receiver.names == [name]
    assert receiver.received[0].headers["Host"] == f"{name}:{receiver.port}"


def test_an_address_needs_a_certificate_for_itself(authority: Authority) -> None:
    with running(Receiver(tls=authority.context("address"))) as receiver:
        assert send(sender(authority), to(receiver, "127.0.0.1")).status == 200


@pytest.mark.parametrize(
    ("certificate", "why"),
    [
        ("address", "Hostname mismatch"),
        ("expired", "certificate has expired"),
        ("stranger", "self-signed certificate"),
    ],
)
def test_a_receiver_with_a_wrong_certificate_gets_nothing(
    authority: Authority, certificate: str, why: str
) -> None:
    with (
        running(Receiver(tls=authority.context(certificate))) as receiver,
        pytest.raises(WebhookUnreachableError, match=why) as raised,
    ):
        send(sender(authority), to(receiver))
    assert (raised.value.why, raised.value.may_have_arrived) == ("tls", False)
    assert receiver.received == []
    assert "canary" not in str(raised.value)


def test_without_an_authority_of_ours_the_systems_count(authority: Authority) -> None:
    with (
        running(Receiver(tls=authority.context("here"))) as receiver,
        pytest.raises(WebhookUnreachableError, match="unable to get local issuer"),
    ):
        send(HttpWebhookSender(HTTPS_ONLY, resolve=Names(**NAMES)), to(receiver))
    assert receiver.received == []


def test_old_encryption_is_refused(authority: Authority) -> None:
    context = authority.context("here")
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        running(Receiver(tls=context)) as receiver,
        pytest.raises(WebhookUnreachableError) as raised,
    ):
        send(sender(authority), to(receiver))
    assert raised.value.why == "tls"


@pytest.mark.parametrize(
    ("first", "why"),
    [(hang, "timeout"), (cut, "tls"), (b"HTTP/1.1 400 canary\r\n\r\n", "tls")],
)
def test_a_receiver_that_speaks_no_tls_gets_nothing(
    authority: Authority, first: Act, why: str
) -> None:
    with (
        running(Receiver(first=first)) as receiver,
        pytest.raises(WebhookUnreachableError) as raised,
    ):
        send(sender(authority), to(receiver))
    assert (raised.value.why, raised.value.may_have_arrived) == (why, False)
    assert "canary" not in str(raised.value)


def test_a_receiver_that_hangs_up_after_the_request_leaves_doubt(authority: Authority) -> None:
    with (
        running(Receiver(cut, tls=authority.context("here"))) as receiver,
        pytest.raises(WebhookUnreachableError) as raised,
    ):
        send(sender(authority), to(receiver))
    assert (raised.value.why, raised.value.may_have_arrived) == ("cut", True)
    assert len(receiver.received) == 1
