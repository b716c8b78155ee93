"""`ports.webhooks.WebhookSender` over HTTP/1.1.

httpx's own engine (httpcore) is used without httpx: that one writes whole URLs to its log, follows
proxies and resolves names where nobody can judge them.
"""

import asyncio
import contextlib
import ssl
import threading
import time
from typing import cast
from weakref import WeakKeyDictionary

import httpcore

from polydock_pipelines.clients.webhooks.answer import (
    LONGEST_BODY,
    readable,
    retry_after,
)
from polydock_pipelines.clients.webhooks.line import Line, Resolve, Stream, SystemResolver
from polydock_pipelines.clients.webhooks.options import WebhookOptions
from polydock_pipelines.clients.webhooks.signing import signed_headers
from polydock_pipelines.ports.webhooks import Answer, Delivery, UnsafeTargetError, check
from polydock_pipelines.webhook_url import WebhookUrl, parse_webhook_url


class HttpWebhookSender:
    """`ports.webhooks.WebhookSender`; there is nothing to close.

    `tls` says whom to trust; None: whom the system trusts. `network` opens connections, to
    addresses that were judged and to no name.
    """

    def __init__(
        self,
        options: WebhookOptions | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
        network: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._options = options or WebhookOptions()
        self._tls = tls or ssl.create_default_context()
        self._tls.set_alpn_protocols(["http/1.1"])
        self._resolve = resolve or SystemResolver(self._options.connections)
        # Without anyio, httpcore has a stand-in of that name, which confuses the checker.
        self._network = network or cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())
        self._places = _Places(self._options.connections)

    async def send(self, delivery: Delivery) -> Answer:
        """See `ports.webhooks.WebhookSender.send`."""
        check(delivery)
        url = self._parsed(delivery.url)
        async with self._places.of_this_loop():
            line = Line(
                url, self._options, tls=self._tls, resolve=self._resolve, network=self._network
            )
            try:
                return await self._exchange(line, delivery)
            finally:
                await line.close()

    def _parsed(self, text: str) -> WebhookUrl:
        try:
            return parse_webhook_url(text, is_http_allowed=self._options.is_http_allowed)
        except ValueError as error:
            problem = str(error)
        raise UnsafeTargetError(f"The address of a webhook is not usable: {problem}.")

    async def _exchange(self, line: Line, delivery: Delivery) -> Answer:
        began, options = time.monotonic(), self._options
        response = await self._response(line, delivery)
        left_s = options.total_s - (time.monotonic() - began)
        body = await _beginning(response, min(options.body_s, left_s))
        return Answer(
            response.status,
            seconds=time.monotonic() - began,
            retry_after=retry_after(response.headers, delivery.timestamp),
            text=readable(body, delivery.secrets),
        )

    async def _response(self, line: Line, delivery: Delivery) -> httpcore.Response:
        """Return the answer up to its body."""
        try:
            async with asyncio.timeout(self._options.total_s):
                stream = await line.open()
                response = await _post(stream, line.url, delivery)
        except TimeoutError:
            ended = line.ended("timeout", f"{line.step} took too long")
        except (httpcore.NetworkError, httpcore.ProtocolError):
            ended = line.ended("garbled", "what it answers is no HTTP")
            if line.is_cut:
                ended = line.ended("cut", "it hung up without an answer")
        else:
            # Reading ends by an error after that many: so no generator of httpcore is left open.
            stream.allow(LONGEST_BODY)
            return response
        # Raised here, for a strange answer stands in what was caught.
        raise ended


class _Places:
    """How many may send at once in one event loop; a semaphore belongs to one."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]
        self._by_loop = WeakKeyDictionary()

    def of_this_loop(self) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        with self._lock:
            return self._by_loop.setdefault(loop, asyncio.Semaphore(self._count))


async def _post(stream: Stream, url: WebhookUrl, delivery: Delivery) -> httpcore.Response:
    headers = {
        "Host": url.authority,
        **signed_headers(delivery),
        "Content-Length": str(len(delivery.body)),
        "Connection": "close",
    }
    target = httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.target)
    request = httpcore.Request("POST", target, headers=list(headers.items()), content=delivery.body)
    connection = httpcore.AsyncHTTP11Connection(target.origin, stream)
    return await connection.handle_async_request(request)


async def _beginning(response: httpcore.Response, within_s: float) -> bytes:
    """Return the first bytes of the body, or what of them came in time and in one piece."""
    body = bytearray()
    with contextlib.suppress(TimeoutError, httpcore.NetworkError, httpcore.ProtocolError):
        async with asyncio.timeout(within_s):
            async for chunk in response.aiter_stream():
                body += chunk
    return bytes(body[:LONGEST_BODY])
