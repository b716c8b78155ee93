"""How long a webhook may take, how many at once, and what an installation allows beside."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WebhookOptions:
    """Bounds of a sender. The switches are off where strangers name the addresses."""

    total_s: float = 15.0
    """From the name's look-up to the end of the answer, however slowly it trickles."""
    dns_s: float = 5.0
    connect_s: float = 5.0
    """Of each address of the host."""
    body_s: float = 3.0
    """Of the answer's body, whose status is known then: it is for people to read."""
    connections: int = 32
    """Open at once, of one event loop; others wait, and their time does not run yet."""
    is_http_allowed: bool = False
    is_private_allowed: bool = False
    """Loopback and private networks; never link-local. For tests and the demo."""
