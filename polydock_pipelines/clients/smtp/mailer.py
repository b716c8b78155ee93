"""`ports.mail.Mailer` over SMTP."""

import contextlib
import ssl
from collections.abc import Callable, Generator
from functools import partial

from polydock_pipelines.clients.smtp.connection import Connection
from polydock_pipelines.clients.smtp.wire import SmtpOptions
from polydock_pipelines.ports import RefusedError
from polydock_pipelines.ports.mail import Mail, PutOffError, check
from polydock_pipelines.smtp_url import parse_smtp_url


class SmtpMailer:
    """`ports.mail.Mailer`; threads may share it, each with a session of its own.

    `tls` says whom to trust; None: whom the system trusts.
    """

    def __init__(
        self, url: str, *, tls: ssl.SSLContext | None = None, options: SmtpOptions | None = None
    ) -> None:
        server = parse_smtp_url(url)
        if tls is None:
            # One that trusts nobody, where none is needed: the system's takes time to load.
            nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            tls = nobody if server.tls == "none" else ssl.create_default_context()
        self._connect = partial(Connection, server, tls, options or SmtpOptions())

    def ping(self) -> None:
        """See `ports.mail.Mailer.ping`."""
        self._connect().leave()

    def send(self, mail: Mail) -> None:
        """See `ports.mail.Mailer.send`."""
        with self.session() as session:
            session.send(mail)

    @contextlib.contextmanager
    def session(self) -> Generator["SmtpSession"]:
        """See `ports.mail.Mailer.session`."""
        with contextlib.closing(SmtpSession(self._connect)) as session:
            yield session


class SmtpSession:
    """Mails over one connection, which is renewed when it is old, idle or gone."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._connection: Connection | None = None

    def send(self, mail: Mail) -> None:
        """See `ports.mail.MailSession.send`."""
        check(mail)
        connection = self._connection = self._ready()
        try:
            connection.deliver(mail)
        except (RefusedError, PutOffError):
            raise
        except BaseException:
            # Be it Ctrl-C: nobody knows what that connection waits for now.
            self._connection = None
            connection.close()
            raise

    def close(self) -> None:
        """Say goodbye, if there is a connection."""
        if self._connection is not None:
            self._connection.leave()
        self._connection = None

    def _ready(self) -> Connection:
        if self._connection is not None and self._connection.is_ready():
            return self._connection
        self.close()
        return self._connect()
