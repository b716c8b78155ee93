"""SMTP_URL: where mails go, how safely, and who we are there."""

import pytest

from polydock_pipelines.smtp_url import SmtpServer, parse_smtp_url


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.com", SmtpServer("mail.example.com", 587, "starttls")),
        ("smtp://h.example:25?tls=starttls", SmtpServer("h.example", 25, "starttls")),
        ("smtps://h.example/", SmtpServer("h.example", 465, "implicit")),
        ("smtp://127.0.0.1:9025", SmtpServer("127.0.0.1", 9025, "none")),
        ("smtp://[::1]?tls=none", SmtpServer("::1", 25, "none")),
        ("smtp://localhost?tls=starttls", SmtpServer("localhost", 587, "starttls")),
        (
            "smtp://u:p%40%3A@h.example",  # pragma: allowlist secret
            SmtpServer("h.example", 587, "starttls", ("u", "p@:")),
        ),
    ],
)
def test_a_url_says_where_mails_go_and_how(url: str, server: SmtpServer) -> None:
    assert parse_smtp_url(url) == server


def test_a_server_prints_no_login() -> None:
    server = parse_smtp_url("smtps://canary:canary@h.example")  # pragma: allowlist secret
    assert str(server) == "h.example:465"
    assert "canary" not in repr(server)


@pytest.mark.parametrize(
    "url",
    [
        *("", "http://canary.example", "smtp://", "smtp://:25", "canary", "smtp://[canary"),
        *("smtp://u:canary#1@h.example", "smtp://u:can/ary@h.example", "smtp://u:1/canary@h"),
        *("smtp://u@h.example", "smtp://:canary@h.example", "smtp://h.example#canary"),
        "smtp://u:canary%0d@h.example",  # pragma: allowlist secret
        *("smtp://h.example?tls=none", "smtp://h.example?tls=canary", "smtps://h?tls=none"),
        *("smtp://h.example?tls=starttls&x=canary", "smtp://h.example:99999", "smtp://ca nary"),
    ],
)
def test_a_url_that_says_it_wrong_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="expected") as refused:
        parse_smtp_url(url)
    assert "canary" not in str(refused.value)
    assert (refused.value.__cause__, refused.value.__context__) == (None, None)
