"""One connection to one receiver: its name is resolved, judged and connected to in one go.

Nobody resolves a second time in between, so a name cannot be public when it is judged and private
when it is connected to. No proxy is asked and no connection outlives its delivery.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpcore

from polydock_pipelines.clients.webhooks.options import WebhookOptions
from polydock_pipelines.ports.webhooks import UnsafeTargetError, WebhookUnreachableError, Why
from polydock_pipelines.webhook_url import WebhookUrl, literal, why_unsafe

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host, best first; OSError when there are none."""

_LONGEST_HEAD = 64 * 1024
_MOST_TRIED = 4
"""Of a name's addresses: it is not ours to knock at a thousand doors for a stranger."""
_CONNECT_FAILED = (httpcore.ConnectError, httpcore.ConnectTimeout)


class SystemResolver:
    """Asks as the system does.

    In threads of its own: a name server that is silent holds one of them for many seconds, and
    the event loop's are few.
    """

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="webhook-dns")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """See `Resolve`."""
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, _addresses, host, port
        )


class Stream(httpcore.AsyncNetworkStream):
    """A connection that knows what went over it, and that ends an answer without an end."""

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner
        self._left = _LONGEST_HEAD
        self.is_used = False
        """Whether we began to write."""
        self.is_cut = False
        """Whether the other side hung up."""

    def allow(self, further: int) -> None:
        """Read no more than about that many bytes from here on, then fail."""
        self._left = further

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """See `httpcore.AsyncNetworkStream`."""
        if self._left <= 0:
            raise httpcore.RemoteProtocolError
        try:
            received = await self._inner.read(min(max_bytes, 4096), timeout)
        except httpcore.ReadError:
            self.is_cut = True
            raise
        self.is_cut = not received
        self._left -= len(received)
        return received

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """See `httpcore.AsyncNetworkStream`."""
        self.is_used = True
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        """See `httpcore.AsyncNetworkStream`."""
        await self._inner.aclose()


class Line:
    """Leads to one receiver; to be closed, opened or not."""

    def __init__(
        self,
        url: WebhookUrl,
        options: WebhookOptions,
        *,
        tls: ssl.SSLContext,
        resolve: Resolve,
        network: httpcore.AsyncNetworkBackend,
    ) -> None:
        self.url = url
        self.step = "the look-up of its name"
        """What it is at, for an error."""
        self._tls = tls
        self._options = options
        self._resolve = resolve
        self._network = network
        self._raw: httpcore.AsyncNetworkStream | None = None
        self._stream: Stream | None = None

    @property
    def is_used(self) -> bool:
        """Whether any of a request may have gone out."""
        return self._stream is not None and self._stream.is_used

    @property
    def is_cut(self) -> bool:
        """Whether the other side hung up."""
        return self._stream is not None and self._stream.is_cut

    async def open(self) -> Stream:
        """Connect, encrypted for https. UnsafeTargetError, WebhookUnreachableError."""
        addresses = await self._safe_addresses()
        self.step = "the connection"
        self._raw = await self._connected(addresses)
        if self.url.scheme == "https":
            self.step = "TLS"
            self._raw = await self._encrypted(self._raw)
        self.step = "the answer"
        self._stream = Stream(self._raw)
        return self._stream

    async def close(self) -> None:
        """Hang up."""
        if self._raw is not None:
            await self._raw.aclose()

    def ended(self, why: Why, words: str) -> WebhookUnreachableError:
        """Return the error for what ended it."""
        tail = "; it may have arrived" if self.is_used else ""
        return WebhookUnreachableError(
            f"The webhook's receiver {self.url} cannot be reached: {words}{tail}.",
            why=why,
            may_have_arrived=self.is_used,
        )

    async def _safe_addresses(self) -> Sequence[str]:
        """Return all addresses of the host: when one is unsafe, so is the name."""
        host = self.url.host
        addresses = [host] if literal(host) is not None else await self._resolved()
        for address in addresses:
            known = literal(address)
            problem = "its address is none"
            if known is not None:
                problem = why_unsafe(known, is_private_allowed=self._options.is_private_allowed)
            if problem is not None:
                raise UnsafeTargetError(f"Nothing is sent to {self.url}: {problem}.")
        return addresses

    async def _resolved(self) -> Sequence[str]:
        words = "its name is known to nobody"
        try:
            async with asyncio.timeout(self._options.dns_s):
                addresses = await self._resolve(self.url.host, self.url.port)
            if addresses:
                return addresses
        except TimeoutError:
            words = "no name server answered in time"
        except OSError as error:
            if error.errno == socket.EAI_AGAIN:
                words = "no name server answers for its name"
        raise self.ended("dns", words)

    async def _connected(self, addresses: Sequence[str]) -> httpcore.AsyncNetworkStream:
        words = ""
        for address in addresses[:_MOST_TRIED]:
            try:
                return await self._network.connect_tcp(
                    address, self.url.port, timeout=self._options.connect_s
                )
            except _CONNECT_FAILED as error:
                words = _reason(error)
        raise self.ended("connect", words)

    async def _encrypted(self, raw: httpcore.AsyncNetworkStream) -> httpcore.AsyncNetworkStream:
        try:
            return await raw.start_tls(self._tls, server_hostname=self.url.host)
        except _CONNECT_FAILED as error:
            words = _reason(error)
        raise self.ended("tls", words)


def _addresses(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def _reason(error: BaseException) -> str:
    """Return why, in words of the system: those of httpcore say little."""
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return f"its certificate is not to be trusted ({cause.verify_message})"
            case ssl.SSLError():
                return f"TLS fails ({cause.reason or type(cause).__name__})"
            case TimeoutError():
                return "no connection in time"
            case OSError() if cause.errno is not None:
                return os.strerror(cause.errno).lower()
            case _:
                pass
    return "the connection was lost"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
