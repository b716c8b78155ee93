"""Settings to Ports and Database: the one place where the pieces are put together."""

import functools
import hashlib
import logging
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile

import httpx
import stamina.instrumentation

from polydock_pipelines.actions.letters import Letterhead
from polydock_pipelines.actions.send_mails import Post
from polydock_pipelines.clients.amazee_ai.client import AmazeeAiClient
from polydock_pipelines.clients.amazee_ai.errors import AmazeeAiAuthError
from polydock_pipelines.clients.dagster import DagsterLauncher
from polydock_pipelines.clients.keys import public_key_of
from polydock_pipelines.clients.lagoon.client import LagoonClient
from polydock_pipelines.clients.lagoon.ssh import SshIdentity
from polydock_pipelines.clients.lagoon.token import SshToken, StaticToken
from polydock_pipelines.clients.lagoon.transport import TokenSource
from polydock_pipelines.clients.pacing import LONGEST_WAIT, Pace
from polydock_pipelines.clients.shell import SshShell
from polydock_pipelines.clients.smtp.mailer import SmtpMailer
from polydock_pipelines.db import buckets
from polydock_pipelines.db.buckets import LAGOON_OPERATIONS, MAILS
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.gates import Limits
from polydock_pipelines.db.leases import Book
from polydock_pipelines.db.vault import Vault, new_key
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import Clock, Lagoon, Ports, Shell
from polydock_pipelines.ports.amazee_ai import AmazeeAi
from polydock_pipelines.ports.mail import Mailer
from polydock_pipelines.settings import Settings, SettingsError, settings

KEY_FILE = "secret.key"


def open_vault(chosen: Settings) -> Vault:
    """Return the vault of the configured keys, or of the embedded stack's own key.

    Only beside the embedded database is a key made: elsewhere a fresh one would seal secrets that
    no other process could read.
    """
    if chosen.secret_keys:
        return Vault([key.get_secret_value() for key in chosen.secret_keys])
    if not chosen.is_embedded:
        raise SettingsError(
            "POLYDOCK_SECRET_KEYS: required beside POLYDOCK_DATABASE_URL; make one with "
            "`polydock keys new` and give the same to every process"
        )
    return Vault([_embedded_key(chosen.home)])


def _embedded_key(home: Path) -> str:
    """Return the key in the home, made once and readable by its owner only."""
    path = home / KEY_FILE
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=home, prefix=f".{KEY_FILE}.") as draft:
            draft.write(new_key())
            draft.flush()
            with suppress(FileExistsError):
                path.hardlink_to(draft.name)  # whole or not at all, and the first one wins
    return path.read_text().strip()


def open_database(chosen: Settings | None = None) -> Database:
    """Return the database; its schema is not looked at."""
    chosen = chosen or settings()
    return Database(chosen.resolved_database_url, open_vault(chosen))


def open_book(database: Database, chosen: Settings | None = None) -> Book:
    """Return the database with what every write of a status needs to know."""
    chosen = chosen or settings()
    return Book(
        database,
        chosen.public_url,
        timedelta(days=chosen.project_grace_days),
        credential_of(chosen),
        Limits(
            chosen.removal_alarm,
            chosen.builds_at_once,
            chosen.lagoon_ops_per_minute,
            chosen.purge_max_polls,
        ),
        chosen.make_clock().calendar,
    )


def credential_of(chosen: Settings) -> str:
    """Return a fingerprint of how we come to the outside: another one meets closed circuits."""
    token = chosen.lagoon_token.get_secret_value() if chosen.lagoon_token else ""
    ssh = (chosen.lagoon_ssh_host, chosen.lagoon_ssh_port, chosen.lagoon_ssh_user)
    ai = (chosen.amazee_ai_base_url, _ai_token_text(chosen))
    everything = (chosen.lagoon_api_url, token, *ssh, chosen.ssh_key_file, *ai, chosen.smtp_url)
    known = "|".join(map(str, everything))
    return hashlib.sha256(known.encode()).hexdigest()[:12]


def _identity(chosen: Settings) -> SshIdentity:
    return SshIdentity(str(chosen.ssh_key_file), str(chosen.ssh_known_hosts))


def _tokens(chosen: Settings, clock: Clock) -> TokenSource:
    if chosen.lagoon_token is not None:
        return StaticToken(Secret(chosen.lagoon_token.get_secret_value()))
    at = (chosen.lagoon_ssh_host, chosen.lagoon_ssh_port, chosen.lagoon_ssh_user)
    return _ssh_token(_identity(chosen), clock, *at)


@functools.cache
def _ssh_token(identity: SshIdentity, clock: Clock, host: str, port: int, user: str) -> SshToken:
    """Return the one source of tokens of this process: sensors tick often, tokens last minutes."""
    return SshToken(identity, clock, host=host, port=port, user=user)


@functools.cache
def _certificates() -> ssl.SSLContext:
    """Return the certificates that we trust; loading them costs more than a request does."""
    return httpx.create_ssl_context()


@functools.cache
def _certificates_for_mail() -> ssl.SSLContext:
    """Return whom this machine trusts: mail servers inside a house have authorities of their own.

    Not shared with httpx, which makes its contexts say that they speak HTTP.
    """
    return ssl.create_default_context()


def quiet_libraries() -> None:
    """Let libraries speak through our errors only: they would log each retry and connection."""
    stamina.instrumentation.set_on_retry_hooks([])
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole URLs, addresses in them


@contextmanager
def open_lagoon(chosen: Settings | None = None) -> Generator[LagoonClient]:
    """Open a client of the configured Lagoon."""
    chosen = chosen or settings()
    quiet_libraries()
    tokens = _tokens(chosen, chosen.make_clock())
    with _paced(chosen) as pace:
        client = LagoonClient(
            httpx.Client(verify=_certificates()), chosen.lagoon_api_url, tokens, pace=pace
        )
        try:
            yield client
        finally:
            client.close()


@contextmanager
def _paced(chosen: Settings) -> Generator[Callable[[], None]]:
    """Make requests keep to POLYDOCK_LAGOON_OPS_PER_MINUTE, over all processes."""
    per_minute = chosen.lagoon_ops_per_minute
    if not per_minute:
        yield lambda: None
        return
    database, clock = open_database(chosen), chosen.make_clock()

    def take(count: int) -> timedelta:
        now = clock.now()
        return buckets.take(
            database, LAGOON_OPERATIONS, per_minute, count, now, longest=LONGEST_WAIT
        )

    try:
        yield Pace(per_minute, take).wait
    finally:
        database.close()


def _ai_token_text(chosen: Settings) -> str:
    """Return our token at amazee.ai; empty when there is none."""
    if chosen.amazee_ai_token is not None:
        return chosen.amazee_ai_token.get_secret_value()
    with suppress(OSError, UnicodeDecodeError):
        return chosen.ai_token_file.read_text().strip()
    return ""


def _ai_token(chosen: Settings) -> Secret:
    text = _ai_token_text(chosen)
    if not text:
        raise AmazeeAiAuthError(
            f"There is no token for amazee.ai: {chosen.ai_token_file} cannot be read or is empty. "
            "Set AMAZEE_AI_TOKEN_FILE or AMAZEE_AI_TOKEN."
        )
    return Secret(text)


@contextmanager
def open_amazee_ai(chosen: Settings | None = None) -> Generator[AmazeeAiClient]:
    """Open a client of the configured amazee.ai; nothing is asked yet."""
    chosen = chosen or settings()
    quiet_libraries()
    http = httpx.Client(verify=_certificates())
    client = AmazeeAiClient(http, chosen.amazee_ai_base_url, lambda: _ai_token(chosen))
    try:
        yield client
    finally:
        client.close()


def open_shell(chosen: Settings | None = None) -> SshShell:
    """Return a shell that reaches environments over SSH."""
    chosen = chosen or settings()
    return SshShell(_identity(chosen), host=chosen.lagoon_ssh_host, port=chosen.lagoon_ssh_port)


def open_mailer(chosen: Settings | None = None) -> SmtpMailer:
    """Return the mail server that SMTP_URL names; each session connects by itself."""
    chosen = chosen or settings()
    is_clear = chosen.mail_server.tls == "none"  # on this machine: whom to trust is no question
    return SmtpMailer(chosen.smtp_url, tls=None if is_clear else _certificates_for_mail())


def make_ports(
    lagoon: Lagoon, shell: Shell, amazee_ai: AmazeeAi, chosen: Settings | None = None
) -> Ports:
    """Return the ports that steps get."""
    return Ports(
        lagoon=lagoon,
        shell=shell,
        amazee_ai=amazee_ai,
        clock=(chosen or settings()).make_clock(),
        public_key_of=public_key_of,
    )


def make_post(book: Book, mailer: Mailer, chosen: Settings | None = None) -> Post:
    """Return what mails are sent with, at POLYDOCK_MAILS_PER_MINUTE over all processes."""
    chosen = chosen or settings()
    clock, (address, name) = chosen.make_clock(), chosen.sender
    head = Letterhead(address, name, chosen.mail_cc_all, chosen.email_default_theme)
    per_minute = chosen.mails_per_minute

    def take(count: int) -> timedelta:
        return buckets.take(book.db, MAILS, per_minute, count, clock.now(), longest=LONGEST_WAIT)

    setting = "mail servers than POLYDOCK_MAILS_PER_MINUTE"
    pace = Pace(per_minute, take, of=setting).wait if per_minute else (lambda: None)
    return Post(book, mailer, clock, head, pace)


@contextmanager
def open_launcher(chosen: Settings | None = None) -> Generator[DagsterLauncher]:
    """Open a client of the configured Dagster webserver."""
    chosen = chosen or settings()
    with httpx.Client(verify=_certificates()) as http:
        yield DagsterLauncher(http, chosen.dagster_url)
