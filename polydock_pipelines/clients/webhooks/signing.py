"""The headers of a delivery: Standard Webhooks 1.0.0, and beside them the original engine's.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC
from types import MappingProxyType

from standardwebhooks.webhooks import Webhook

from polydock_pipelines.ports.webhooks import Delivery

USER_AGENT = "PolydockWebhook/1.0"

_PLAIN: Mapping[str, str] = MappingProxyType(
    {
        "User-Agent": USER_AGENT,
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
    }
)


def signed_headers(delivery: Delivery) -> dict[str, str]:
    """Return what goes with the body; the delivery has passed `ports.webhooks.check`."""
    # The library takes any time for UTC, whatever its zone.
    timestamp = delivery.timestamp.astimezone(UTC)
    body = delivery.body.decode()
    signatures = [
        Webhook(secret.reveal()).sign(delivery.message_id, timestamp, body)
        for secret in delivery.secrets
    ]
    return {
        **_PLAIN,
        "webhook-id": delivery.message_id,
        "webhook-timestamp": str(int(timestamp.timestamp())),
        "webhook-signature": " ".join(signatures),
        "X-Polydock-Event": delivery.event,
        "X-Polydock-Delivery": delivery.message_id,
        "X-Polydock-Attempt": str(delivery.attempt),
        "X-Polydock-Signature": f"sha256={_original(delivery)}",
    }


def _original(delivery: Delivery) -> str:
    """Return the original engine's signature: its key is the secret as it is shown, prefix too."""
    key = delivery.secrets[0].reveal().encode()
    return hmac.new(key, delivery.body, hashlib.sha256).hexdigest()
