"""Receivers of webhooks in memory."""

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address

from polydock_pipelines.clients.webhooks.signing import signed_headers
from polydock_pipelines.ports import PortError
from polydock_pipelines.ports.webhooks import Answer, Delivery, UnsafeTargetError, check
from polydock_pipelines.webhook_url import literal, parse_webhook_url, why_unsafe

ANYBODY = "*"
"""Stands for every address that has no replies of its own left."""

Replies = Mapping[str, Iterable[Answer | PortError]]

PUBLIC = "93.184.215.14"


class FakeWebhookSender:
    """`ports.webhooks.WebhookSender`; everybody answers 200, unless told otherwise.

    `replies={"https://a.example/hook": [error, Answer(410)], ANYBODY: [Answer(500)]}` gives one a
    delivery, in order, errors being raised; `itertools.repeat(Answer(500))` never ends. An error
    that `may_have_arrived` comes after the message arrived, every other instead of that.
    `hosts={"inside.example": "10.0.0.7"}` says where names lead; others are public.
    """

    def __init__(
        self,
        *,
        replies: Replies | None = None,
        hosts: Mapping[str, str] | None = None,
        is_http_allowed: bool = False,
        is_private_allowed: bool = False,
    ) -> None:
        self.arrived: list[Delivery] = []
        """What receivers got, in order, whatever they said to it."""
        self.tried: list[Delivery] = []
        """What was to be sent, refused addresses included."""
        self._replies = {url: iter(replies) for url, replies in (replies or {}).items()}
        self._hosts = {"localhost": "127.0.0.1", **(hosts or {})}
        self._is_http_allowed = is_http_allowed
        self._is_private_allowed = is_private_allowed

    @property
    def message_ids(self) -> list[str]:
        """The ids of what arrived."""
        return [delivery.message_id for delivery in self.arrived]

    def arrived_at(self, url: str) -> list[Delivery]:
        """Return what one address got."""
        return [delivery for delivery in self.arrived if delivery.url == url]

    async def send(self, delivery: Delivery) -> Answer:
        """See `ports.webhooks.WebhookSender.send`."""
        check(delivery)
        self.tried.append(delivery)
        self._refuse_unsafe(delivery.url)
        signed_headers(delivery)
        reply = self._reply_of(delivery.url)
        if isinstance(reply, Answer) or getattr(reply, "may_have_arrived", False):
            self.arrived.append(delivery)
        if isinstance(reply, PortError):
            raise reply
        return reply

    def _refuse_unsafe(self, text: str) -> None:
        try:
            url = parse_webhook_url(text, is_http_allowed=self._is_http_allowed)
        except ValueError as error:
            raise UnsafeTargetError(f"The address of a webhook is not usable: {error}.") from None
        address = literal(url.host) or ip_address(self._hosts.get(url.host, PUBLIC))
        problem = why_unsafe(address, is_private_allowed=self._is_private_allowed)
        if problem is not None:
            raise UnsafeTargetError(f"Nothing is sent to {url}: {problem}.")

    def _reply_of(self, url: str) -> Answer | PortError:
        nothing: Iterator[Answer | PortError] = iter(())
        for key in (url, ANYBODY):
            for reply in self._replies.get(key, nothing):
                return reply
        return Answer(200)
