"""Each way in which a mail server fails, at each step, in the words of `ports`."""

import logging
import re
import socket
import threading
import traceback
from base64 import b64encode
from dataclasses import replace

import pytest

from polydock_pipelines.clients.smtp.errors import SmtpAuthError
from polydock_pipelines.clients.smtp.mailer import SmtpMailer
from polydock_pipelines.clients.smtp.wire import SmtpOptions
from polydock_pipelines.ports import EndpointError, PortError, RefusedError
from polydock_pipelines.ports.mail import InDoubtError, Mail, PutOffError
from tests.integration.clients.test_smtp_server import (
    CUT,
    FEATURES,
    HANG,
    KEEP_AND_CUT,
    TRICKLE,
    MailServer,
    Script,
    running,
)
from tests.unit.clients.test_fake_mailer import MAIL, mail_to

PATIENT = SmtpOptions(connect_s=5, answer_s=5, verdict_s=0.3)
HASTE = replace(PATIENT, answer_s=0.3)
BEFORE_A_MAIL = ("connect", "EHLO")
OF_A_MAIL = ("MAIL", "RCPT", "DATA", "end")
STEPS = (*BEFORE_A_MAIL, *OF_A_MAIL)


def failure(server: MailServer, mail: Mail = MAIL, options: SmtpOptions = PATIENT) -> PortError:
    """Return how sending one mail fails."""
    with pytest.raises(PortError) as caught:
        SmtpMailer(server.url, options=options).send(mail)
    return caught.value


def failure_with(script: Script, options: SmtpOptions = PATIENT) -> PortError:
    with running(MailServer(script)) as server:
        error = failure(server, options=options)
    assert server.mails == []
    return error


@pytest.mark.parametrize("answer", ["450 4.2.1 busy", "550 5.1.1 unknown"])
@pytest.mark.parametrize("step", BEFORE_A_MAIL)
def test_a_refusal_before_a_mail_is_the_servers_matter(step: str, answer: str) -> None:
    error = failure_with({step: [answer]})
    assert isinstance(error, EndpointError)
    assert error.endpoint == "smtp"
    assert answer in str(error)


@pytest.mark.parametrize("step", OF_A_MAIL)
def test_a_450_puts_one_mail_off(step: str) -> None:
    error = failure_with({step: ["450 4.2.1 busy"]})
    assert isinstance(error, PutOffError)
    assert "450 4.2.1 busy" in str(error)
    assert "j…@example.com" in str(error)


@pytest.mark.parametrize("step", ["RCPT", "DATA", "end"])
def test_a_550_refuses_one_mail_for_good(step: str) -> None:
    error = failure_with({step: ["550 5.1.1 unknown"]})
    assert isinstance(error, RefusedError)
    assert "550 5.1.1 unknown" in str(error)
    assert "j…@example.com" in str(error)


def test_a_550_for_our_sender_loses_no_mail() -> None:
    error = failure_with({"MAIL": ["550 5.7.1 not yours"]})
    assert isinstance(error, PutOffError)
    assert "t…@polydock.example, see MAIL_FROM" in str(error)


def test_a_mail_that_is_too_large_is_refused_for_good() -> None:
    assert isinstance(failure_with({"MAIL": ["552 5.3.4 too large"]}), RefusedError)


@pytest.mark.parametrize("step", STEPS)
def test_a_421_is_never_the_mails_fault(step: str) -> None:
    error = failure_with({step: ["421 4.3.2 closing"]})
    assert isinstance(error, EndpointError)
    assert "421 4.3.2 closing" in str(error)


@pytest.mark.parametrize("step", OF_A_MAIL)
@pytest.mark.parametrize("code", [530, 535])
def test_a_wish_for_a_login_is_never_the_mails_fault(step: str, code: int) -> None:
    assert isinstance(failure_with({step: [f"{code} 5.7.0 log in"]}), SmtpAuthError)


@pytest.mark.parametrize("step", STEPS[:-1])
def test_a_cut_before_the_end_of_a_mail_is_no_doubt(step: str) -> None:
    assert isinstance(failure_with({step: [CUT]}), EndpointError)


def test_a_cut_within_a_large_mail_is_no_doubt() -> None:
    # More than any buffer on the way takes, and SIZE does not say so before.
    with running(MailServer({"body": [CUT]}, features=())) as server:
        error = failure(server, replace(MAIL, text="long\n" * 1_600_000))
    assert isinstance(error, EndpointError)


def test_a_mail_that_left_us_whole_is_in_doubt_though_nobody_read_it() -> None:
    assert isinstance(failure_with({"body": [CUT]}), InDoubtError)


def test_a_cut_after_the_end_of_a_mail_leaves_a_doubt() -> None:
    with running(MailServer({"end": [KEEP_AND_CUT]})) as server:
        error = failure(server)
    assert isinstance(error, InDoubtError)
    assert not isinstance(error, EndpointError | RefusedError | PutOffError)
    assert len(server.mails) == 1


@pytest.mark.parametrize("answer", [HANG, TRICKLE, "what?", "354 go on", "150 hm"])
def test_no_proper_answer_after_the_end_leaves_a_doubt(answer: str) -> None:
    assert isinstance(failure_with({"end": [answer]}), InDoubtError)


@pytest.mark.parametrize("silence", [HANG, TRICKLE])
@pytest.mark.parametrize("step", STEPS[:-1])
def test_a_server_that_is_slow_at_any_step_is_away(step: str, silence: str) -> None:
    error = failure_with({step: [silence]}, HASTE)
    assert isinstance(error, EndpointError)
    assert "no answer in time" in str(error)


def test_the_end_of_a_mail_may_take_longer_than_other_answers() -> None:
    options = replace(PATIENT, answer_s=0.5, verdict_s=10)
    with running(MailServer({"end": [HANG]})) as server:
        threading.Timer(0.8, server.is_closing.set).start()
        SmtpMailer(server.url, options=options).send(MAIL)


@pytest.mark.parametrize("answer", ["what?", "", "2"])
def test_a_server_that_speaks_no_smtp_is_away(answer: str) -> None:
    assert isinstance(failure_with({"connect": [f"{answer}\r\n"]}), EndpointError)


def test_a_server_that_never_ends_its_line_is_away() -> None:
    assert isinstance(failure_with({"connect": ["220 " + "x" * 70_000]}), EndpointError)


def test_an_answer_of_too_many_lines_is_no_answer() -> None:
    assert isinstance(failure_with({"EHLO": ["250-x\r\n" * 200 + "250 x"]}), EndpointError)


def test_where_nobody_listens_the_server_is_away() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        mailer = SmtpMailer(f"smtp://127.0.0.1:{unused.getsockname()[1]}", options=HASTE)
        with pytest.raises(EndpointError, match=r"is away at the start: ConnectionRefusedError"):
            mailer.send(MAIL)
        with pytest.raises(EndpointError):
            mailer.ping()


def test_a_host_without_an_address_is_away() -> None:
    with pytest.raises(EndpointError, match=r"nowhere\.invalid:587 is away at the start"):
        SmtpMailer("smtp://nowhere.invalid", options=HASTE).ping()


def test_the_words_of_a_server_are_cleaned_before_they_are_shown() -> None:
    error = failure_with({"RCPT": ["550 5.1.1 <jo@example.com>\x1b[2J unknown " + "x" * 4000]})
    assert "550 5.1.1 <j…@example.com>[2J unknown xxx" in str(error)
    assert len(str(error)) < 500


def test_an_address_that_needs_smtputf8_is_refused_where_it_is_absent() -> None:
    with running(MailServer(features=("8BITMIME",))) as server:
        error = failure(server, mail_to("jö@example.com"))
    assert isinstance(error, RefusedError)
    assert "lacks SMTPUTF8" in str(error)
    assert "MAIL" not in server.verbs()


PRIVATE = (
    *("canary-user", "canary-password", "jo.canary", "sender.canary", "cc.canary"),
    *("Canary subject", "canary text", "canary html", "canary-token"),
    b64encode(b"\0canary-user\0canary-password").decode(),
)
CANARY = Mail(
    message_id=MAIL.message_id,
    date=MAIL.date,
    sender="sender.canary@polydock.example",
    recipient="jo.canary@example.com",
    cc=("cc.canary@example.com",),
    subject="Canary subject",
    text="canary text",
    html="canary html",
    unsubscribe_url="https://polydock.example/canary-token",
)
QUOTING = "jo.canary@example.com sender.canary@polydock.example cc.canary@example.com"


@pytest.mark.parametrize("step", [*STEPS, "AUTH"])
@pytest.mark.parametrize("answer", ["450 no {}", "550 no {}", "421 no {}", "what {}", CUT, HANG])
def test_no_secret_and_no_address_is_in_an_error_or_a_log(
    step: str, answer: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    login = ("canary-user", "canary-password")
    # The second answer to RCPT is about the copy.
    script = {step: [None, answer.format(QUOTING)] if step == "RCPT" else [answer.format(QUOTING)]}
    with running(MailServer(script, login=login)) as server:
        url = server.url.replace("//", "//canary-user:canary-password@")
        try:
            SmtpMailer(url, options=HASTE).send(CANARY)
        except PortError as error:
            told = "".join(traceback.format_exception(error)) + repr(error.__context__)
        else:
            told = caplog.text
    everything = told + caplog.text + "".join(capfd.readouterr())
    assert re.search(r"smtp|mail", everything, re.IGNORECASE)
    assert [text for text in PRIVATE if text in everything] == []


@pytest.mark.parametrize("features", [(), FEATURES])
def test_a_server_with_few_features_gets_its_mail_all_the_same(features: tuple[str, ...]) -> None:
    with running(MailServer(features=features)) as server:
        SmtpMailer(server.url).send(replace(MAIL, text="Grüße 😀", subject="Grüße"))
    assert server.mails[0].isascii()
    assert ("SIZE=" in "".join(server.lines)) == bool(features)
