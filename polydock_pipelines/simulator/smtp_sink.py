"""The mail sink: takes every message, keeps it, sends none on."""

import asyncio
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from aiosmtpd.smtp import SMTP, Envelope, Session

from polydock_pipelines.simulator.faults import SMTP as SMTP_KINDS
from polydock_pipelines.simulator.faults import Fault
from polydock_pipelines.simulator.model import Mail
from polydock_pipelines.simulator.world import World

_MAX_MESSAGE = 32 * 1024 * 1024


class Sink:
    """What happens to a message; a fault strikes once in a message, at its first recipient."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._cut: set[int] = set()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, unless a fault is on order."""
        fault = None if envelope.rcpt_tos else self._world.faults.take({"smtp"}, SMTP_KINDS)
        refusal = await self._strike(server, fault)
        if refusal:
            return refusal
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        if fault and fault.kind == "smtp_cut_after_data":
            self._cut.add(id(session))
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keep the message; when the connection is to be cut, the client never learns of it."""
        content = envelope.original_content or b""
        self._world.ledger.mails.append(_mail(self._world, envelope, content))
        if id(session) in self._cut:
            self._cut.discard(id(session))
            _hang_up(server)
        return "250 OK: kept"

    async def _strike(self, server: SMTP, fault: Fault | None) -> str | None:
        if fault is None:
            return None
        if fault.kind == "smtp_450":
            return "450 4.2.1 Mailbox busy, try again later"
        if fault.kind == "smtp_550":
            return "550 5.1.1 No such mailbox"
        if fault.kind in ("slow", "timeout"):
            await asyncio.sleep(fault.wait_s)
        if fault.kind == "timeout":
            _hang_up(server)
            return "421 4.4.2 Timeout"
        return None


class Connection(SMTP):
    """One SMTP connection, which says when it is over."""

    def __init__(self, world: World, connections: "set[Connection]") -> None:
        super().__init__(
            Sink(world),
            data_size_limit=_MAX_MESSAGE,
            enable_SMTPUTF8=True,
            hostname="sink.lagoon.example",
            ident="simulated mail sink",
        )
        self._connections = connections
        connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Leave the list of those that are open."""
        self._connections.discard(self)
        super().connection_lost(error)


def _hang_up(server: SMTP) -> None:
    if isinstance(server.transport, asyncio.WriteTransport):
        server.transport.abort()


def _mail(world: World, envelope: Envelope, content: bytes) -> Mail:
    message = message_from_bytes(content, _class=EmailMessage, policy=default)
    return Mail(
        sender=envelope.mail_from or "",
        recipients=list(envelope.rcpt_tos),
        subject=str(message["subject"] or ""),
        headers={name: str(value) for name, value in message.items()},
        text=_part(message, "plain"),
        html=_part(message, "html"),
        received_at=world.clock(),
    )


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part is not None else ""


class MailPort:
    """The listening SMTP server."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._server: asyncio.Server | None = None
        self._open: set[Connection] = set()

    async def listen(self, host: str, port: int) -> int:
        """Listen, and return the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and cut what is open."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._open):
            _hang_up(connection)
        await self._server.wait_closed()

    def _connection(self) -> Connection:
        return Connection(self._world, self._open)
