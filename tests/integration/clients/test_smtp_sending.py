"""Many mails over few connections, whatever happened to the one before."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC
from email import message_from_bytes
from email.policy import default
from types import SimpleNamespace

import pytest

from polydock_pipelines.clients.smtp.mailer import SmtpMailer
from polydock_pipelines.clients.smtp.wire import SmtpOptions
from polydock_pipelines.ports import EndpointError, PortError, RefusedError
from polydock_pipelines.ports.mail import InDoubtError, MailSession, PutOffError
from tests.integration.clients.test_smtp_server import (
    CUT,
    HANG,
    KEEP_AND_CUT,
    MailServer,
    Script,
    running,
)
from tests.unit.clients.test_fake_mailer import MAIL, mail_to

NO_DATE = SimpleNamespace(tzinfo=UTC)
HASTE = SmtpOptions(connect_s=1, answer_s=1, verdict_s=5)


def test_mails_of_a_session_share_a_connection_that_opens_with_the_first() -> None:
    with running(MailServer()) as server, SmtpMailer(server.url).session() as session:
        assert server.connections == 0
        for _ in range(3):
            session.send(MAIL)
    assert (server.connections, len(server.mails)) == (1, 3)
    one = ["MAIL", "RCPT", "DATA"]
    assert server.verbs() == ["EHLO", *one, "RSET", *one, "RSET", *one, "QUIT"]


def test_a_connection_is_renewed_after_so_many_mails() -> None:
    with running(MailServer()) as server:
        options = replace(HASTE, mails_per_connection=2)
        with SmtpMailer(server.url, options=options).session() as session:
            for _ in range(5):
                session.send(MAIL)
    assert (server.connections, len(server.mails), server.verbs().count("QUIT")) == (3, 5, 3)


def test_a_connection_is_renewed_after_it_was_idle() -> None:
    with (
        running(MailServer()) as server,
        SmtpMailer(server.url, options=replace(HASTE, idle_s=0.1)).session() as session,
    ):
        session.send(MAIL)
        time.sleep(0.15)
        session.send(MAIL)
    assert (server.connections, len(server.mails)) == (2, 2)


def test_a_connection_that_was_cut_in_between_is_replaced_without_a_word() -> None:
    with (
        running(MailServer()) as server,
        SmtpMailer(server.url, options=HASTE).session() as session,
    ):
        session.send(MAIL)
        server.hang_up()
        session.send(MAIL)
    assert (server.connections, len(server.mails)) == (2, 2)


@pytest.mark.parametrize("told", ["421 too many", "450 hm", CUT, HANG])
def test_a_connection_that_takes_no_more_mails_is_replaced(told: str) -> None:
    with (
        running(MailServer({"RSET": [told]})) as server,
        SmtpMailer(server.url, options=HASTE).session() as session,
    ):
        session.send(MAIL)
        session.send(MAIL)
    assert (server.connections, len(server.mails)) == (2, 2)


@pytest.mark.parametrize(
    ("script", "error", "connections", "kept"),
    [
        ({"MAIL": ["450 no"]}, PutOffError, 1, 1),
        ({"RCPT": ["550 no"]}, RefusedError, 1, 1),
        ({"DATA": ["550 no"]}, RefusedError, 1, 1),
        ({"end": ["550 no"]}, RefusedError, 1, 1),
        ({"RCPT": ["421 bye"]}, EndpointError, 2, 1),
        ({"RCPT": [CUT]}, EndpointError, 2, 1),
        ({"RCPT": [HANG]}, EndpointError, 2, 1),
        ({"end": [KEEP_AND_CUT]}, InDoubtError, 2, 2),
        ({"DATA": ["250 what"]}, EndpointError, 2, 1),
    ],
)
def test_the_next_mail_goes_out_whatever_befell_the_one_before(
    script: Script, error: type[PortError], connections: int, kept: int
) -> None:
    with (
        running(MailServer(script)) as server,
        SmtpMailer(server.url, options=HASTE).session() as session,
    ):
        with pytest.raises(error):
            session.send(mail_to("li@example.com"))
        session.send(MAIL)
    assert (server.connections, len(server.mails)) == (connections, kept)
    assert b"To: jo@example.com" in server.mails[-1]


def send_and_fail(opened: AbstractContextManager[MailSession]) -> None:
    with opened as session:
        session.send(MAIL)
        raise ZeroDivisionError


def test_a_session_that_ends_with_an_error_says_goodbye() -> None:
    with running(MailServer()) as server:
        session = SmtpMailer(server.url).session()
        with pytest.raises(ZeroDivisionError):
            send_and_fail(session)
    assert server.verbs()[-1] == "QUIT"


def test_a_connection_is_never_used_again_after_something_unforeseen() -> None:
    with running(MailServer()) as server:
        mailer = SmtpMailer(server.url, options=HASTE)
        with mailer.session() as session:
            session.send(MAIL)
            with pytest.raises(AttributeError):
                session.send(replace(MAIL, date=NO_DATE))  # pyright: ignore[reportArgumentType]
            session.send(MAIL)
    assert (server.connections, len(server.mails)) == (2, 2)


def test_a_copy_that_is_refused_does_not_hold_the_mail_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mail = replace(MAIL, cc=("all@example.com", "jo@example.com", "li@example.com"))
    with running(MailServer({"RCPT": [None, "550 no", None]})) as server:
        SmtpMailer(server.url).send(mail)
    recipients = [line for line in server.lines if line.startswith("RCPT")]
    assert recipients == [f"RCPT TO:<{name}@example.com>" for name in ("jo", "all", "li")]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "takes no copy of <1.ready@polydock.example> for a…@example.com" in caplog.text


def test_a_refused_recipient_leaves_no_copy_behind() -> None:
    with running(MailServer({"RCPT": ["550 no"]})) as server, pytest.raises(RefusedError):
        SmtpMailer(server.url).send(replace(MAIL, cc=("all@example.com",)))
    assert (server.verbs().count("RCPT"), server.mails) == (1, [])


def test_letters_beyond_ascii_go_where_smtputf8_is_offered() -> None:
    mail = replace(mail_to("jö@exämple.com"), sender_name="Pölydock")
    with running(MailServer()) as server:
        SmtpMailer(server.url).send(mail)
    message = message_from_bytes(server.mails[0], policy=default)
    assert "RCPT TO:<jö@exämple.com>" in server.lines
    assert server.lines[1].endswith(" SMTPUTF8")
    assert (message["To"], message["From"]) == (
        "jö@exämple.com",
        "Pölydock <trials@polydock.example>",
    )


def test_dots_at_the_start_of_a_line_arrive() -> None:
    with running(MailServer()) as server:
        SmtpMailer(server.url).send(replace(MAIL, text=".\n..\n.end\n"))
    text = server.mails[0].partition(b"text/plain")[2].partition(b"\r\n\r\n")[2]
    assert text.startswith(b".\r\n..\r\n.end\r\n")


def test_we_greet_by_our_address_or_by_the_name_we_are_given() -> None:
    with running(MailServer()) as server:
        SmtpMailer(server.url).ping()
        SmtpMailer(server.url, options=SmtpOptions(hello_name="polydock.example")).ping()
    greetings = [line for line in server.lines if line.lower().startswith("ehlo")]
    assert greetings == ["ehlo [127.0.0.1]", "ehlo polydock.example"]


def test_threads_share_a_mailer_each_with_a_session_of_its_own() -> None:
    with running(MailServer()) as server:
        mailer = SmtpMailer(server.url)

        def send_ten(number: int) -> None:
            with mailer.session() as session:
                for _ in range(10):
                    session.send(mail_to(f"{number}@example.com"))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(send_ten, range(8)))
    assert (server.connections, len(server.mails)) == (8, 80)


def test_nothing_is_sent_for_a_mail_that_fails_the_check() -> None:
    with running(MailServer()) as server, pytest.raises(RefusedError):
        SmtpMailer(server.url).send(replace(MAIL, subject="one\r\nBcc: x@y.example"))
    assert server.connections == 0
