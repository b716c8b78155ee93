"""The mail sink, with a real client."""

import smtplib
from email.message import EmailMessage

import pytest

from polydock_pipelines.simulator.simulator import Simulator
from tests.integration.simulator.caller import Caller


def _message(subject: str = "Your trial is ready") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "polydock@example.com"
    message["To"] = "jo@example.com"
    message["Subject"] = subject
    message["Message-ID"] = "<1@example.com>"
    message.set_content("Hello Jö")
    message.add_alternative("<p>Hello Jö</p>", subtype="html")
    return message


def _send(simulator: Simulator, message: EmailMessage, *, bcc: str = "copy@example.com") -> None:
    with smtplib.SMTP("127.0.0.1", simulator.smtp_port, timeout=5) as client:
        client.send_message(message, to_addrs=["jo@example.com", bcc])


def test_a_mail_is_kept_with_both_its_parts(simulator: Simulator, caller: Caller) -> None:
    _send(simulator, _message("Grüße"))

    mail = caller.state("mails")[0]

    assert mail["subject"] == "Grüße"
    assert mail["sender"] == "polydock@example.com"
    assert mail["recipients"] == ["jo@example.com", "copy@example.com"]
    assert mail["text"].strip() == "Hello Jö"
    assert mail["html"].strip() == "<p>Hello Jö</p>"
    assert mail["headers"]["Message-ID"] == "<1@example.com>"


@pytest.mark.parametrize(("kind", "code"), [("smtp_450", 450), ("smtp_550", 550)])
def test_a_refused_mail_is_not_kept_and_the_next_one_is(
    simulator: Simulator, caller: Caller, kind: str, code: int
) -> None:
    caller.order("smtp", kind, times=1)
    with smtplib.SMTP("127.0.0.1", simulator.smtp_port, timeout=5) as client:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            client.send_message(_message())
        assert [answer[0] for answer in refused.value.recipients.values()] == [code]

    assert caller.state("mails") == []
    _send(simulator, _message())
    assert len(caller.state("mails")) == 1


def test_a_cut_after_the_data_leaves_the_client_in_doubt(
    simulator: Simulator, caller: Caller
) -> None:
    caller.order("smtp", "smtp_cut_after_data")

    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
        _send(simulator, _message())

    assert len(caller.state("mails")) == 1


def test_slow_and_timeout_hold_a_mail(simulator: Simulator, caller: Caller) -> None:
    caller.order("smtp", "slow", seconds=0.1)
    caller.order("smtp", "timeout", seconds=0.1)

    _send(simulator, _message())
    with pytest.raises((smtplib.SMTPException, ConnectionResetError)):
        _send(simulator, _message())

    assert len(caller.state("mails")) == 1


def test_a_mail_without_parts_or_subject_is_kept(simulator: Simulator, caller: Caller) -> None:
    with smtplib.SMTP("127.0.0.1", simulator.smtp_port, timeout=5) as client:
        client.sendmail("a@example.com", ["b@example.com"], b"\r\nbare\r\n")

    mail = caller.state("mails")[0]
    assert (mail["subject"], mail["text"].strip(), mail["html"]) == ("", "bare", "")
