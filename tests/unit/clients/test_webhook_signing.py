"""Signatures, checked as receivers do: by two libraries, and by hand as the original's."""

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
import svix.webhooks
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from polydock_pipelines.clients.webhooks.signing import signed_headers
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports.webhooks import Delivery, is_secret, new_secret

OLD, NEW = new_secret(), new_secret()
BODY = '{"id":1,"name":"Zoë","nested":{"a":[1.0,null]}}\n'.encode()


def delivery(*secrets: Secret) -> Delivery:
    return Delivery(
        message_id="msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
        attempt=3,
        event="app_instance.status_changed",
        url="https://h.example/",
        secrets=secrets or (NEW,),
        timestamp=datetime.now(UTC),
        body=BODY,
    )


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_two_libraries_believe_either_secret_while_it_is_changed(secret: Secret) -> None:
    headers = signed_headers(delivery(NEW, OLD))
    Webhook(secret.reveal()).verify(BODY, headers)
    svix.webhooks.Webhook(secret.reveal()).verify(BODY, headers)


@pytest.mark.parametrize("receiver", [Webhook, svix.webhooks.Webhook])
def test_no_library_believes_what_was_touched(
    receiver: type[Webhook | svix.webhooks.Webhook],
) -> None:
    headers = signed_headers(delivery())
    for body, changed in [
        (BODY + b" ", headers),
        (BODY, {**headers, "webhook-id": "msg_other"}),
        (BODY, {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1)}),
    ]:
        with pytest.raises(WebhookVerificationError):
            receiver(NEW.reveal()).verify(body, changed)
    with pytest.raises(WebhookVerificationError):
        receiver(OLD.reveal()).verify(BODY, headers)


def test_a_published_example_comes_out_to_the_letter() -> None:
    example = replace(
        delivery(Secret("whsec_plJ3nmyCDGBKInavdOK15jsl")),  # pragma: allowlist secret
        message_id="msg_loFOjxBNrRLzqYUf",
        timestamp=datetime.fromtimestamp(1731705121, UTC),
        body=b'{"event_type":"ping","data":{"success":true}}',
    )
    headers = signed_headers(example)
    assert headers["webhook-id"] == "msg_loFOjxBNrRLzqYUf"
    assert headers["webhook-timestamp"] == "1731705121"
    assert headers["webhook-signature"] == "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="


def test_two_secrets_give_two_signatures_the_newest_first() -> None:
    both = signed_headers(both_of := delivery(NEW, OLD))["webhook-signature"].split(" ")
    alone = [
        signed_headers(replace(both_of, secrets=(one,)))["webhook-signature"] for one in (NEW, OLD)
    ]
    assert both == alone


def test_a_time_is_the_same_in_every_zone() -> None:
    here = delivery()
    there = replace(here, timestamp=here.timestamp.astimezone(timezone(timedelta(hours=9))))
    assert signed_headers(there) == signed_headers(here)


def test_receivers_of_the_original_engine_need_no_change() -> None:
    headers = signed_headers(delivery(NEW, OLD))
    digest = hmac.new(NEW.reveal().encode(), BODY, hashlib.sha256).hexdigest()
    assert headers["X-Polydock-Signature"] == f"sha256={digest}"
    assert headers["User-Agent"] == "PolydockWebhook/1.0"
    assert headers["X-Polydock-Event"] == "app_instance.status_changed"
    assert headers["X-Polydock-Delivery"] == headers["webhook-id"]
    assert headers["X-Polydock-Attempt"] == "3"
    assert headers["Content-Type"] == "application/json"


def test_a_secret_of_the_original_engine_stays_good() -> None:
    forty = "aB3" * 13 + "x"
    assert is_secret(forty)
    Webhook(forty).verify(BODY, signed_headers(delivery(Secret(forty))))


def test_a_new_secret_is_as_standard_webhooks_has_it_and_never_the_same() -> None:
    secrets = {new_secret().reveal() for _ in range(50)}
    assert len(secrets) == 50
    for secret in secrets:
        assert is_secret(secret)
        assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32


@pytest.mark.parametrize(
    "text",
    [
        *("", "whsec_", "whsec_short", "whsec_" + "a" * 31, "WHSEC_" + "a" * 32),
        *("whsec_" + "a" * 88, "whsec_" + "ä" * 32, "whsec_" + "a" * 31 + "\n", "-" * 40),
    ],
)
def test_other_texts_are_no_secrets(text: str) -> None:
    assert not is_secret(text)
