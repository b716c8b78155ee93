"""A receiver of webhooks on loopback, in threads, that does what a test says; and who finds it."""

import asyncio
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from socket import socket
from typing import Any, cast

import httpcore

from polydock_pipelines.clients.webhooks.line import Resolve
from polydock_pipelines.clients.webhooks.options import WebhookOptions
from polydock_pipelines.clients.webhooks.sender import HttpWebhookSender
from polydock_pipelines.ports.webhooks import Answer, Delivery, WebhookSender

LOCAL = WebhookOptions(
    total_s=1.0, body_s=0.3, connect_s=0.5, is_http_allowed=True, is_private_allowed=True
)
"""In haste, and on loopback."""


@dataclass(frozen=True)
class Received:
    """One request, as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


Act = bytes | Callable[["Receiver", socket], None]
"""An answer, or what to do with the connection once the request was read."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"


def reply(status: int, headers: str = "", body: bytes = b"") -> bytes:
    head = f"HTTP/1.1 {status} Words\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode("latin-1") + body


def cut(_receiver: "Receiver", _sock: socket) -> None:
    """Hang up."""


def hang(receiver: "Receiver", _sock: socket) -> None:
    """Say nothing more, but stay."""
    receiver.is_closing.wait(30)


def then_hang(start: bytes) -> Act:
    """Say *start*, and nothing more."""

    def act(receiver: Receiver, sock: socket) -> None:
        sock.sendall(start)
        hang(receiver, sock)

    return act


def trickle(start: bytes, again: bytes, every_s: float = 0.02) -> Act:
    """Say *start*, and then *again* without end."""

    def act(receiver: Receiver, sock: socket) -> None:
        sock.sendall(start)
        while not receiver.is_closing.is_set():
            sock.sendall(again)
            time.sleep(every_s)

    return act


class Receiver(socketserver.ThreadingTCPServer):
    """Answers by *acts*, one a request, and 200 when they are over.

    `first` comes in place of reading the request, `tls` before it.
    """

    request_queue_size = 256

    def __init__(
        self,
        *acts: Act,
        first: Act | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.acts: Iterator[Act] = iter(acts)
        self.first = first
        self.tls = tls
        self.received: list[Received] = []
        self.names: list[str | None] = []
        """What clients called us in TLS."""
        self.connections = self.open = self.most_open = 0
        self.lock = threading.Lock()
        self.is_closing = threading.Event()
        if tls is not None:
            tls.sni_callback = lambda _sock, name, _context: self.names.append(name)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?token=canary"

    def count(self, step: int) -> None:
        with self.lock:
            self.open += step
            self.connections += max(step, 0)
            self.most_open = max(self.open, self.most_open)


class _Conversation(socketserver.BaseRequestHandler):
    server: Receiver  # pyright: ignore[reportIncompatibleVariableOverride]

    def handle(self) -> None:
        self.server.count(+1)
        sock: socket = self.request
        with suppress(OSError):
            self._converse(sock)
        self.server.count(-1)

    def _converse(self, sock: socket) -> None:
        if self.server.tls is not None:
            sock = self.server.tls.wrap_socket(sock, server_side=True)
        with sock:
            if self.server.first is not None:
                self._act(self.server.first, sock)
                return
            self.server.received.append(_read(sock))
            with self.server.lock:
                act = next(self.server.acts, OK)
            self._act(act, sock)

    def _act(self, act: Act, sock: socket) -> None:
        if isinstance(act, bytes):
            sock.sendall(act)
        else:
            act(self.server, sock)


def _read(sock: socket) -> Received:
    stream = sock.makefile("rb")
    line = stream.readline().decode().strip()
    headers: dict[str, str] = {}
    while header := stream.readline().strip():
        name, _, value = header.decode().partition(": ")
        assert name.lower() not in map(str.lower, headers), "a header came twice"
        headers[name] = value
    if not headers:
        raise ConnectionResetError
    return Received(line, headers, stream.read(int(headers["Content-Length"])))


@contextmanager
def running(receiver: Receiver) -> Iterator[Receiver]:
    """Let it work in a thread of its own."""
    with receiver:
        thread = threading.Thread(target=receiver.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield receiver
        finally:
            receiver.is_closing.set()
            receiver.shutdown()
            thread.join()


class Names:
    """Resolves: each name leads to one list of addresses after the other, the last for ever."""

    def __init__(self, **names: Sequence[Sequence[str]]) -> None:
        self._names = {name.replace("_", "."): list(lists) for name, lists in names.items()}
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        lists = self._names.get(host)
        if lists is None:
            raise OSError(-2, "canary")
        return lists.pop(0) if len(lists) > 1 else lists[0]


class Routed(httpcore.AsyncNetworkBackend):
    """Connects to a receiver of ours, whatever address it is given, and keeps that."""

    def __init__(self, receiver: Receiver, away: Sequence[str] = ()) -> None:
        self._receiver = receiver
        self._away = away
        self._inner = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())
        self.asked: list[tuple[str, int]] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.asked.append((host, port))
        if host in self._away:
            raise httpcore.ConnectError
        return await self._inner.connect_tcp("127.0.0.1", self._receiver.port, timeout)


def local(
    options: WebhookOptions = LOCAL,
    tls: ssl.SSLContext | None = None,
    resolve: Resolve | None = None,
    network: httpcore.AsyncNetworkBackend | None = None,
) -> HttpWebhookSender:
    # One that trusts nobody, where none is needed: the system's takes time to load.
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return HttpWebhookSender(options, tls=tls or nobody, resolve=resolve, network=network)


def send(sender: WebhookSender, delivery: Delivery) -> Answer:
    """Send it in an event loop of its own."""
    return asyncio.run(sender.send(delivery))
