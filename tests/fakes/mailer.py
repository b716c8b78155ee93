"""A mail server in memory."""

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import RLock

from polydock_pipelines.ports import PortError
from polydock_pipelines.ports.mail import Mail, check, compose

ANYBODY = "*"
"""Stands for every recipient that has no failures of its own left."""

Failures = Mapping[str, Iterable[PortError | None]]


class FakeMailer:
    """`ports.mail.Mailer`; threads may share it, and its sessions too.

    `failing={"jo@example.com": [error, None], ANYBODY: [error]}` raises one error a mail, in order,
    before anything is sent; `None` lets a mail through, `itertools.repeat(error)` never ends.
    `failing_after=` raises after the mail was delivered, as a lost answer does; `failing_ping=` one
    error a ping.
    """

    def __init__(
        self,
        *,
        failing: Failures | None = None,
        failing_after: Failures | None = None,
        failing_ping: Iterable[PortError | None] = (),
    ) -> None:
        self.sent: list[Mail] = []
        """What was delivered, in order; a mail that was repeated is there twice."""
        self.tried: list[Mail] = []
        """What was to be sent, delivered or not."""
        self.sessions = 0
        """How many were opened, those of single mails included."""
        self.pings = 0
        self._failing = _iterators(failing)
        self._failing_after = _iterators(failing_after)
        self._failing_ping = iter(failing_ping)
        self._lock = RLock()

    @property
    def message_ids(self) -> list[str]:
        """The Message-IDs of what was delivered."""
        return [mail.message_id for mail in self.sent]

    def sent_to(self, address: str) -> list[Mail]:
        """Return what one person got, copies included."""
        return [mail for mail in self.sent if address in (mail.recipient, *mail.cc)]

    def ping(self) -> None:
        """See `ports.mail.Mailer.ping`."""
        with self._lock:
            self.pings += 1
            _raise(next(self._failing_ping, None))

    def send(self, mail: Mail) -> None:
        """See `ports.mail.Mailer.send`."""
        with self.session() as session:
            session.send(mail)

    @contextmanager
    def session(self) -> Generator["FakeMailSession"]:
        """See `ports.mail.Mailer.session`."""
        with self._lock:
            self.sessions += 1
        yield FakeMailSession(self)

    def take(self, mail: Mail) -> None:
        """Deliver one mail, unless it is to fail."""
        check(mail)
        with self._lock:
            self.tried.append(mail)
            _raise(_next(self._failing, mail.recipient))
            compose(mail)
            self.sent.append(mail)
            _raise(_next(self._failing_after, mail.recipient))


class FakeMailSession:
    """`ports.mail.MailSession`."""

    def __init__(self, mailer: FakeMailer) -> None:
        self._mailer = mailer

    def send(self, mail: Mail) -> None:
        """See `ports.mail.MailSession.send`."""
        self._mailer.take(mail)


def _iterators(failures: Failures | None) -> dict[str, Iterator[PortError | None]]:
    return {recipient: iter(errors) for recipient, errors in (failures or {}).items()}


def _next(failing: Mapping[str, Iterator[PortError | None]], recipient: str) -> PortError | None:
    for key in (recipient, ANYBODY):
        for error in failing.get(key, ()):
            return error
    return None


def _raise(error: PortError | None) -> None:
    if error is not None:
        raise error
