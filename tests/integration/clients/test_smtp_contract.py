"""The same cases on the fake and on the client with the real mail sink: what a sender relies on."""

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import pytest

from polydock_pipelines.clients.smtp.mailer import SmtpMailer
from polydock_pipelines.clients.smtp.wire import SmtpOptions
from polydock_pipelines.ports import EndpointError, RefusedError
from polydock_pipelines.ports.mail import SMTP, InDoubtError, Mail, Mailer, PutOffError
from polydock_pipelines.simulator.options import SimulatorOptions
from polydock_pipelines.simulator.simulator import Simulator
from tests.fakes.mailer import ANYBODY, FakeMailer
from tests.unit.clients.test_fake_mailer import MAIL, mail_to

PATIENT = SmtpOptions(connect_s=5, answer_s=10, verdict_s=10)
AWAY = EndpointError("The mail server is away.", endpoint=SMTP)
FAILING = {
    "smtp_450": {"failing": {ANYBODY: [PutOffError("Later.")]}},
    "smtp_550": {"failing": {ANYBODY: [RefusedError("No.")]}},
    "smtp_cut_after_data": {"failing_after": {ANYBODY: [InDoubtError("Lost.")]}},
    "timeout": {"failing": {ANYBODY: [AWAY]}},
}


class World(Protocol):
    """A mail server, which may fail once, and what arrived there."""

    def mailer(self, fault: str | None = None) -> Mailer: ...

    def away(self) -> Mailer: ...

    def arrived(self) -> list[str]: ...


class FakeWorld:
    def mailer(self, fault: str | None = None) -> Mailer:
        self._fake = FakeMailer(**FAILING.get(fault or "", {}))  # pyright: ignore[reportArgumentType]
        return self._fake

    def away(self) -> Mailer:
        return FakeMailer(failing={ANYBODY: [AWAY]}, failing_ping=[AWAY])

    def arrived(self) -> list[str]:
        return self._fake.message_ids


@dataclass
class SinkWorld:
    simulator: Simulator
    before: int

    def mailer(self, fault: str | None = None) -> Mailer:
        if fault is not None:
            self.simulator.fault("smtp", fault, seconds=0.1)
        return SmtpMailer(f"smtp://127.0.0.1:{self.simulator.smtp_port}", options=PATIENT)

    def away(self) -> Mailer:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            return SmtpMailer(f"smtp://127.0.0.1:{unused.getsockname()[1]}", options=PATIENT)

    def arrived(self) -> list[str]:
        return ids_of(mails_in(self.simulator)[self.before :])


def mails_in(simulator: Simulator) -> list[dict[str, Any]]:
    mails = simulator.state["mails"]
    assert isinstance(mails, list)
    return mails


def ids_of(mails: list[dict[str, Any]]) -> list[str]:
    return [mail["headers"]["Message-ID"] for mail in mails]


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    home = tmp_path_factory.mktemp("simulator")
    with Simulator(SimulatorOptions(home=home, port=0, ssh_port=0, smtp_port=0)) as simulator:
        yield simulator


@pytest.fixture(params=["fake", "client"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "fake":
        return FakeWorld()
    simulator: Simulator = request.getfixturevalue("simulator")
    return SinkWorld(simulator, len(mails_in(simulator)))


def numbered(number: int) -> Mail:
    return replace(MAIL, message_id=f"<{number}.ready@polydock.example>")


def test_a_ping_and_a_mail_reach_the_server(world: World) -> None:
    mailer = world.mailer()
    mailer.ping()
    mailer.send(MAIL)
    assert world.arrived() == [MAIL.message_id]


def test_mails_of_a_session_arrive_in_order(world: World) -> None:
    with world.mailer().session() as session:
        for number in range(5):
            session.send(numbered(number))
    assert world.arrived() == [numbered(number).message_id for number in range(5)]


@pytest.mark.parametrize(
    ("fault", "error"),
    [("smtp_450", PutOffError), ("smtp_550", RefusedError), ("timeout", EndpointError)],
)
def test_a_mail_that_fails_is_not_delivered_and_the_next_one_is(
    world: World, fault: str, error: type[Exception]
) -> None:
    with world.mailer(fault).session() as session:
        with pytest.raises(error):
            session.send(numbered(1))
        session.send(numbered(2))
    assert world.arrived() == [numbered(2).message_id]


def test_a_mail_in_doubt_may_be_there_twice_with_one_id(world: World) -> None:
    with world.mailer("smtp_cut_after_data").session() as session:
        with pytest.raises(InDoubtError):
            session.send(MAIL)
        session.send(MAIL)
    assert world.arrived() == [MAIL.message_id] * 2


def test_a_server_that_is_away_is_the_endpoint_smtp(world: World) -> None:
    mailer = world.away()
    for act in (mailer.ping, lambda: mailer.send(MAIL)):
        with pytest.raises(EndpointError) as away:
            act()
        assert away.value.endpoint == "smtp"


@pytest.mark.parametrize(
    "mail",
    [
        mail_to("jo@example.com\r\nRCPT TO:<x@y.example>"),
        replace(MAIL, subject="one\nBcc: x@y.example"),
        replace(MAIL, cc=("no address",)),
    ],
)
def test_a_mail_that_cannot_be_sent_is_refused_and_the_next_one_goes_out(
    world: World, mail: Mail
) -> None:
    with world.mailer().session() as session:
        with pytest.raises(RefusedError, match="cannot be sent"):
            session.send(mail)
        session.send(MAIL)
    assert world.arrived() == [MAIL.message_id]


def test_the_sink_shows_a_mail_as_it_was_written(simulator: Simulator) -> None:
    SmtpMailer(f"smtp://127.0.0.1:{simulator.smtp_port}").send(
        replace(MAIL, subject="Grüße 😀" * 20, text="ü" * 2000, cc=("all@example.com",))
    )
    mail = mails_in(simulator)[-1]
    assert mail["subject"] == "Grüße 😀" * 20
    assert mail["text"].strip() == "ü" * 2000
    assert mail["html"].strip() == "<p>Hello Jö</p>"
    assert mail["sender"] == "trials@polydock.example"
    assert mail["recipients"] == ["jo@example.com", "all@example.com"]
    assert mail["headers"]["Auto-Submitted"] == "auto-generated"


@pytest.mark.slow
def test_two_thousand_mails_go_over_one_connection(simulator: Simulator) -> None:
    before = len(mails_in(simulator))
    html = "<p>Your trial is ready. Grüße!</p>\n" * 300
    url = f"smtp://127.0.0.1:{simulator.smtp_port}"
    mailer = SmtpMailer(url, options=SmtpOptions(mails_per_connection=5000))
    began = time.monotonic()
    with mailer.session() as session:
        for number in range(2000):
            session.send(replace(numbered(number), html=html))
    took = time.monotonic() - began
    print(f"2,000 mails of {len(html) // 1000} kB: {2000 / took:.0f} a second")  # noqa: T201 - to be read by a person
    assert ids_of(mails_in(simulator)[before:]) == [
        numbered(number).message_id for number in range(2000)
    ]
