"""Encryption and login: nothing goes out in the clear, and whom we do not know gets nothing."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from polydock_pipelines.clients.smtp.errors import SmtpAuthError, SmtpUnavailableError
from polydock_pipelines.clients.smtp.mailer import SmtpMailer
from polydock_pipelines.clients.smtp.wire import SmtpOptions
from polydock_pipelines.ports import EndpointError
from tests.integration.clients.test_smtp_server import CUT, HANG, MailServer, Script, running
from tests.unit.clients.test_fake_mailer import MAIL

HASTE = SmtpOptions(connect_s=1, answer_s=1, verdict_s=5)
LOGIN = ("mailer@polydock.example", "pa ss/wörd:@")
IN_URL = "mailer%40polydock.example:pa%20ss%2Fw%C3%B6rd%3A%40@"


@dataclass(frozen=True)
class Authority:
    """A made-up authority, and what it signed for whom."""

    folder: Path
    trust: ssl.SSLContext

    def context(self, name: str) -> ssl.SSLContext:
        """Return what a server of that name presents."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{name}.pem")
        return context


def signed(
    folder: Path, name: str, names: list[x509.GeneralName], days: int, by: str | None
) -> Path:
    """Write a key and a certificate; without *by* it is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer, issuer = key, subject
    if by is not None:
        pem = (folder / f"{by}.pem").read_bytes()
        issuer = x509.load_pem_x509_certificate(pem).subject
        loaded = serialization.load_pem_private_key(pem, None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        signer = loaded
    end = datetime.now(UTC) + timedelta(days=days)
    certificate = (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(end - timedelta(days=30))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(signer, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("authority")
    here: list[x509.GeneralName] = [x509.IPAddress(ip_address("127.0.0.1"))]
    ca = signed(folder, "ca", [], 10, None)
    signed(folder, "here", here, 10, "ca")
    signed(folder, "elsewhere", [x509.DNSName("mail.example.com")], 10, "ca")
    signed(folder, "expired", here, -1, "ca")
    signed(folder, "stranger", here, 10, None)
    trust = ssl.create_default_context()
    trust.load_verify_locations(ca)
    return Authority(folder, trust)


@pytest.fixture
def server(authority: Authority) -> Iterator[MailServer]:
    with running(MailServer(tls=authority.context("here"), login=LOGIN)) as server:
        yield server


def mailer_of(server: MailServer, authority: Authority, login: str = "") -> SmtpMailer:
    scheme, query = ("smtps", "") if server.is_implicit else ("smtp", "?tls=starttls")
    url = f"{scheme}://{login}127.0.0.1:{server.port}{query}"
    return SmtpMailer(url, tls=authority.trust, options=HASTE)


def test_a_mail_goes_out_after_starttls_and_login(server: MailServer, authority: Authority) -> None:
    mailer_of(server, authority, IN_URL).send(MAIL)
    assert len(server.mails) == 1
    assert server.verbs() == ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]


def test_a_ping_logs_in_and_sends_nothing(server: MailServer, authority: Authority) -> None:
    mailer_of(server, authority, IN_URL).ping()
    assert server.verbs() == ["EHLO", "STARTTLS", "EHLO", "AUTH", "QUIT"]


def test_a_mail_goes_out_encrypted_from_the_start(authority: Authority) -> None:
    tls = authority.context("here")
    with running(MailServer(tls=tls, is_implicit=True, login=LOGIN)) as server:
        mailer_of(server, authority, IN_URL).send(MAIL)
    assert server.verbs() == ["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]


def test_without_an_authority_of_ours_the_systems_count(authority: Authority) -> None:
    with running(MailServer(tls=authority.context("here"))) as server:
        mailer = SmtpMailer(f"{server.url}?tls=starttls", options=HASTE)
        with pytest.raises(SmtpUnavailableError, match="certificate is not to be trusted"):
            mailer.send(MAIL)


@pytest.mark.parametrize("is_implicit", [True, False])
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("elsewhere", "IP address mismatch"),
        ("expired", "certificate has expired"),
        ("stranger", "self-signed certificate"),
    ],
)
def test_a_server_with_a_wrong_certificate_gets_nothing(
    authority: Authority, name: str, why: str, *, is_implicit: bool
) -> None:
    with (
        running(MailServer(tls=authority.context(name), is_implicit=is_implicit)) as server,
        pytest.raises(SmtpUnavailableError, match=why),
    ):
        mailer_of(server, authority, IN_URL).send(MAIL)
    assert server.verbs() == ([] if is_implicit else ["EHLO", "STARTTLS"])


def test_without_starttls_nothing_is_sent(authority: Authority) -> None:
    with (
        running(MailServer(login=LOGIN)) as server,
        pytest.raises(SmtpUnavailableError, match="does not offer STARTTLS"),
    ):
        mailer_of(server, authority, IN_URL).send(MAIL)
    assert server.verbs() == ["EHLO"]


@pytest.mark.parametrize("told", ["454 4.7.0 not now", "501 no", "421 bye", CUT, HANG])
def test_a_server_that_fails_at_starttls_gets_nothing(authority: Authority, told: str) -> None:
    script: Script = {"STARTTLS": [told]}
    with (
        running(MailServer(script, tls=authority.context("here"))) as server,
        pytest.raises(EndpointError),
    ):
        mailer_of(server, authority, IN_URL).send(MAIL)
    assert server.verbs() == ["EHLO", "STARTTLS"]


def test_an_answer_slipped_in_before_the_encryption_is_not_believed(authority: Authority) -> None:
    script: Script = {"STARTTLS": ["220 go\r\n250 slipped in"]}
    with (
        running(MailServer(script, tls=authority.context("here"))) as server,
        pytest.raises(EndpointError, match="at TLS"),
    ):
        mailer_of(server, authority).send(MAIL)


def test_a_server_that_is_silent_in_the_handshake_is_away(authority: Authority) -> None:
    with running(MailServer({"connect": [HANG]})) as server:
        server.is_implicit = False
        mailer = SmtpMailer(f"smtps://127.0.0.1:{server.port}", tls=authority.trust, options=HASTE)
        with pytest.raises(EndpointError, match="no answer in time"):
            mailer.send(MAIL)


@pytest.mark.parametrize("mechanisms", ["PLAIN", "LOGIN", "login plain", "CRAM-MD5 LOGIN"])
def test_a_login_goes_by_what_is_offered(authority: Authority, mechanisms: str) -> None:
    tls = authority.context("here")
    with running(MailServer(tls=tls, login=LOGIN, mechanisms=mechanisms)) as server:
        mailer_of(server, authority, IN_URL).send(MAIL)
    assert len(server.mails) == 1


@pytest.mark.parametrize("mechanisms", ["PLAIN", "LOGIN", "XOAUTH2"])
def test_a_wrong_login_is_told_once_and_without_it(authority: Authority, mechanisms: str) -> None:
    tls = authority.context("here")
    with (
        running(MailServer(tls=tls, login=LOGIN, mechanisms=mechanisms)) as server,
        pytest.raises(SmtpAuthError, match="SMTP_URL") as refused,
    ):
        mailer_of(server, authority, "canary-user:canary-password@").send(MAIL)
    assert "canary" not in str(refused.value)
    assert (server.verbs().count("AUTH"), server.mails) == (int(mechanisms != "XOAUTH2"), [])


@pytest.mark.parametrize("told", ["454 4.7.0 not now", "421 bye", CUT, HANG])
def test_a_login_that_fails_for_now_is_no_wrong_login(authority: Authority, told: str) -> None:
    with (
        running(MailServer({"AUTH": [told]}, tls=authority.context("here"), login=LOGIN)) as one,
        pytest.raises(SmtpUnavailableError) as away,
    ):
        mailer_of(one, authority, IN_URL).ping()
    assert not isinstance(away.value, SmtpAuthError)


def test_a_server_without_logins_is_not_sent_a_mail_without_one(authority: Authority) -> None:
    with (
        running(MailServer(tls=authority.context("here"))) as server,
        pytest.raises(SmtpAuthError, match="offers no login"),
    ):
        mailer_of(server, authority, IN_URL).send(MAIL)
    assert "MAIL" not in server.verbs()
