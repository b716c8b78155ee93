"""smtplib's commands, save that an answer has an end in time, however slowly it trickles."""

import smtplib
import socket
import ssl
import time
from dataclasses import dataclass

from polydock_pipelines.smtp_url import SmtpServer

Reply = tuple[int, bytes]

_LONGEST_ANSWER = 64 * 1024


@dataclass(frozen=True)
class SmtpOptions:
    """How long an answer may take, how long a connection is used, and how we greet."""

    connect_s: float = 10.0
    """Of each address of the host, and of the TLS handshake."""
    answer_s: float = 30.0
    verdict_s: float = 120.0
    """After the end of a mail: servers scan it then, and giving up leaves it in doubt."""
    mails_per_connection: int = 100
    idle_s: float = 30.0
    hello_name: str | None = None
    """A host name; None: our IP address, which tells less of this machine than its name."""


class Wire(smtplib.SMTP):
    """smtplib's commands; its answers here have an end. What it raises is an OSError."""

    def __init__(self, server: SmtpServer, tls: ssl.SSLContext, options: SmtpOptions) -> None:
        sock = socket.create_connection((server.host, server.port), options.connect_s)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if server.tls == "implicit":
            sock = tls.wrap_socket(sock, server_hostname=server.host)
        # Without a name smtplib would ask the resolver for ours.
        super().__init__(local_hostname=options.hello_name or _own_address(sock))
        self.sock = self._sock = sock
        self.answer_s = options.answer_s
        self._unread = bytearray()
        sock.settimeout(self.answer_s)

    def getreply(self) -> Reply:
        """Return code and text, -1 for what is no answer at all."""
        end = time.monotonic() + self.answer_s
        lines = [self._line(end)]
        while lines[-1][3:4] == b"-" and len(lines) < 100:
            lines.append(self._line(end))
        self._sock.settimeout(self.answer_s)
        code = lines[-1][:3]
        return int(code) if code.isdigit() else -1, b"\n".join(line[4:] for line in lines)

    def secure(self, context: ssl.SSLContext, host: str, timeout_s: float) -> None:
        """Go on encrypted, unless somebody slipped us more than the answer before."""
        if self._unread:
            raise smtplib.SMTPServerDisconnected
        self._sock.settimeout(timeout_s)
        self.sock = self._sock = context.wrap_socket(self._sock, server_hostname=host)

    def _line(self, end: float) -> bytes:
        while b"\n" not in self._unread:
            left_s = end - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            self._sock.settimeout(left_s)
            received = self._sock.recv(4096)
            if not received or len(self._unread) > _LONGEST_ANSWER:
                raise smtplib.SMTPServerDisconnected
            self._unread += received
        line, _, rest = bytes(self._unread).partition(b"\n")
        self._unread = bytearray(rest)
        return line.rstrip()


def _own_address(sock: socket.socket) -> str:
    address = str(sock.getsockname()[0]).partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
