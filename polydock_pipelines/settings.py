"""The one reader of the environment: typed, frozen, every value checked at once."""

import functools
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from polydock_pipelines.clock import Clock, ClockError, parse_clock
from polydock_pipelines.mail_address import parse_addresses, parse_sender
from polydock_pipelines.smtp_url import LOOPBACK, SmtpServer, parse_smtp_url

DATABASE = re.compile(
    r"sqlite:///[^?]+|postgresql(\+psycopg2)?://"
    r"([^:/]*(:[^@]*)?@)?(\[[^/?]+\]|[^/:?]*)(:\d+)?(/[^?]*)?(\?.*)?"
)
"""As SQLAlchemy reads it: a password may hold any sign but an @."""


class SettingsError(Exception):
    """A setting is wrong; the text names it, the shape of its value and what is expected."""


class Settings(BaseSettings):
    """Every setting, its default and its meaning. README's table is made from this class."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, env_ignore_empty=True
    )

    home: Path = Field(
        Path(".polydock"),
        validation_alias="POLYDOCK_HOME",
        description="Where the embedded stack keeps its database, keys and Dagster's home",
    )
    database_url: str = Field(
        "",
        validation_alias="POLYDOCK_DATABASE_URL",
        description="SQLite in the home, or postgresql+psycopg2://…",
    )
    secret_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        validation_alias="POLYDOCK_SECRET_KEYS",
        description="Comma list of Fernet keys: the first encrypts, all decrypt; made in the home "
        "when the database is the embedded one, required otherwise",
    )
    public_url: str = Field(
        "http://127.0.0.1:8080",
        validation_alias="POLYDOCK_PUBLIC_URL",
        description="How the world reaches the intake; health URLs begin with it",
    )
    dagster_url: str = Field(
        "http://127.0.0.1:3000",
        validation_alias="POLYDOCK_DAGSTER_URL",
        description="The Dagster webserver, for launches and links",
    )
    dagster_yaml: Path | None = Field(
        None,
        validation_alias="POLYDOCK_DAGSTER_YAML",
        description="The instance file that `polydock up` gives to Dagster; default: dagster.yaml, "
        "with its storage in the home. Others: deploy/",
    )
    clock: str = Field(
        "",
        validation_alias="POLYDOCK_CLOCK",
        description="offset:SECONDS or rate:FACTOR; refused unless Lagoon is the local stand-in",
    )
    lagoon_api_url: str = Field(
        "http://127.0.0.1:9000/graphql",
        validation_alias="LAGOON_API_URL",
        description="Lagoon's GraphQL endpoint; the default is the local stand-in",
    )
    lagoon_token: SecretStr | None = Field(
        None,
        validation_alias="LAGOON_TOKEN",
        description="A ready token; without it one is fetched over SSH",
    )
    lagoon_ssh_host: str = Field(
        "127.0.0.1",
        validation_alias="LAGOON_SSH_HOST",
        description="Where tokens come from, and commands where a cluster names no host",
    )
    lagoon_ssh_port: int = Field(
        9022, ge=1, le=65535, validation_alias="LAGOON_SSH_PORT", description="Its port"
    )
    lagoon_ssh_user: str = Field(
        "lagoon", validation_alias="LAGOON_SSH_USER", description="The user that asks for tokens"
    )
    lagoon_ssh_key_file: Path | None = Field(
        None,
        validation_alias="LAGOON_SSH_KEY_FILE",
        description="Our private key; default: the stand-in's, in the home",
    )
    lagoon_ssh_known_hosts: Path | None = Field(
        None,
        validation_alias="LAGOON_SSH_KNOWN_HOSTS",
        description="Host keys we trust; default: the stand-in's, in the home",
    )
    amazee_ai_base_url: str = Field(
        "http://127.0.0.1:9000/amazee-ai",
        validation_alias="AMAZEE_AI_BASE_URL",
        description="amazee.ai's backend, which makes AI credentials; the default is the local "
        "stand-in",
    )
    amazee_ai_token: SecretStr | None = Field(
        None,
        validation_alias="AMAZEE_AI_TOKEN",
        description="An API token of an administrator there",
    )
    amazee_ai_token_file: Path | None = Field(
        None,
        validation_alias="AMAZEE_AI_TOKEN_FILE",
        description="A file with that token, read anew for each run; default: the stand-in's, in "
        "the home",
    )
    smtp_url: str = Field(
        "smtp://127.0.0.1:9025",
        repr=False,
        validation_alias="SMTP_URL",
        description="Where mails go: smtps://HOST:PORT, or smtp://HOST:PORT with STARTTLS, save on "
        "this machine (?tls=none or starttls says so); user and password before the host",
    )
    mail_from: str = Field(
        "Polydock <trials@polydock.example>",
        validation_alias="MAIL_FROM",
        description="Who mails come from: an address, or `NAME <ADDRESS>`",
    )
    mail_cc_all: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias="MAIL_CC_ALL",
        description="Comma list of addresses that get a copy of every mail",
    )
    email_default_theme: Literal["dark", "light"] = Field(
        "dark",
        validation_alias="EMAIL_DEFAULT_THEME",
        description="How mails look whose app names no theme: dark or light",
    )
    mails_per_minute: int = Field(
        0,
        ge=0,
        validation_alias="POLYDOCK_MAILS_PER_MINUTE",
        description="Mails a minute, over all processes; 0: as many as needed",
    )
    instance_partitions: int = Field(
        20_000,
        ge=0,
        validation_alias="POLYDOCK_INSTANCE_PARTITIONS",
        description="Above this many, new instances get no partition in the Dagster UI",
    )
    register_only_captures: bool = Field(
        default=False,
        validation_alias="POLYDOCK_REGISTER_ONLY_CAPTURES",
        description="Registrations are kept, no trial is made",
    )
    register_simulate_error: bool = Field(
        default=False,
        validation_alias="POLYDOCK_REGISTER_SIMULATE_ERROR",
        description="Every registration fails, to try a form",
    )
    register_simulate_round_robin: bool = Field(
        default=False,
        validation_alias="POLYDOCK_REGISTER_SIMULATE_ROUND_ROBIN",
        description="Registrations end in turn as created, failed, registered, to try a form",
    )
    lagoon_ops_per_minute: int = Field(
        0,
        ge=0,
        validation_alias="POLYDOCK_LAGOON_OPS_PER_MINUTE",
        description="Requests to Lagoon's API a minute, over all processes; 0: as many as needed",
    )
    builds_at_once: int = Field(
        0,
        ge=0,
        validation_alias="POLYDOCK_BUILDS_AT_ONCE",
        description="Builds that may run in Lagoon at once; 0: as many as needed",
    )
    removal_alarm: int = Field(
        200,
        ge=1,
        validation_alias="POLYDOCK_REMOVAL_ALARM",
        description="Removals, or purges, an hour at which they pause themselves",
    )
    project_grace_days: int = Field(
        14,
        ge=0,
        validation_alias="POLYDOCK_PROJECT_GRACE_DAYS",
        description="Days between a removal and the deletion of its Lagoon project",
    )
    purge_max_polls: int = Field(
        144,
        ge=1,
        validation_alias="POLYDOCK_PURGE_MAX_POLLS",
        description="Tries to delete a Lagoon project before its purge fails",
    )
    failed_retention_days: int = Field(
        7,
        ge=1,
        validation_alias="POLYDOCK_FAILED_RETENTION_DAYS",
        description="Days for which an instance that failed for good is kept before it is removed",
    )
    run_retention_days: int = Field(
        14,
        ge=1,
        validation_alias="POLYDOCK_RUN_RETENTION_DAYS",
        description="Days for which finished Dagster runs and hand-overs are kept",
    )
    log_retention_days: int = Field(
        90,
        ge=1,
        validation_alias="POLYDOCK_LOG_RETENTION_DAYS",
        description="Days for which the story of a removed instance is kept",
    )

    @field_validator("secret_keys", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("clock")
    @classmethod
    def _understood(cls, value: str) -> str:
        try:
            parse_clock(value)
        except ClockError as error:
            raise ValueError(str(error)) from None
        return value

    @field_validator("database_url")
    @classmethod
    def _a_database(cls, value: str) -> str:
        if value and not DATABASE.fullmatch(value):
            raise ValueError("expected postgresql+psycopg2://… or sqlite:///FILE")
        return value

    @field_validator("public_url", "dagster_url", "lagoon_api_url", "amazee_ai_base_url")
    @classmethod
    def _a_web_address(cls, value: str) -> str:
        if not (value.startswith(("http://", "https://")) and _has_host(value)):
            raise ValueError("expected http://HOST:PORT/PATH or https://…")
        return value

    @field_validator("amazee_ai_base_url")
    @classmethod
    def _without_credentials(cls, value: str) -> str:
        if "@" in urlsplit(value).netloc:
            raise ValueError("expected no user or password in it; set AMAZEE_AI_TOKEN_FILE")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _a_mail_server(cls, value: str) -> str:
        parse_smtp_url(value)
        return value

    @field_validator("mail_from")
    @classmethod
    def _a_sender(cls, value: str) -> str:
        parse_sender(value)
        return value

    @field_validator("mail_cc_all", mode="before")
    @classmethod
    def _addresses(cls, value: object) -> object:
        return parse_addresses(value) if isinstance(value, str) else value

    @property
    def failed_retention(self) -> timedelta:
        """Return how long a failed instance waits for a retry."""
        return timedelta(days=self.failed_retention_days)

    @property
    def is_simulated(self) -> bool:
        """Whether Lagoon is on this machine, and so the stand-in."""
        return urlsplit(self.lagoon_api_url).hostname in LOOPBACK

    @property
    def is_embedded(self) -> bool:
        """Whether the database is the SQLite file in the home."""
        return not self.database_url

    @property
    def resolved_database_url(self) -> str:
        """Return the database's URL, absolute for the embedded one."""
        return self.database_url or f"sqlite:///{self.home.resolve() / 'polydock.db'}"

    @property
    def simulator_home(self) -> Path:
        """Where the local Lagoon keeps its keys and containers."""
        return self.home.resolve() / "simulator"

    @property
    def ssh_key_file(self) -> Path:
        """Return our private key's file."""
        return self.lagoon_ssh_key_file or self.simulator_home / "id_ed25519"

    @property
    def ssh_known_hosts(self) -> Path:
        """Return the file of host keys we trust."""
        return self.lagoon_ssh_known_hosts or self.simulator_home / "known_hosts"

    @property
    def ai_token_file(self) -> Path:
        """Return the file that holds our token at amazee.ai."""
        return self.amazee_ai_token_file or self.simulator_home / "amazee-ai.token"

    @property
    def mail_server(self) -> SmtpServer:
        """Return where mails go, and how."""
        return parse_smtp_url(self.smtp_url)

    @property
    def sender(self) -> tuple[str, str]:
        """Return address and name of who mails come from; the name may be empty."""
        return parse_sender(self.mail_from)

    def make_clock(self) -> Clock:
        """Return the clock; a shifted one only beside the local stand-in."""
        clock = parse_clock(self.clock)
        if not clock.is_real and not self.is_simulated:
            raise SettingsError(
                "POLYDOCK_CLOCK is for the local Lagoon only; unset it, or unset LAGOON_API_URL"
            )
        return clock


def load_settings() -> Settings:
    """Read the environment. SettingsError names every wrong value at once."""
    try:
        return Settings()  # pyright: ignore[reportCallIssue] - fields come from the environment
    except ValidationError as error:
        raise SettingsError(
            "; ".join(_sentence(e["loc"], e["msg"]) for e in error.errors())
        ) from None


def _has_host(url: str) -> bool:
    """Whether a URL can be taken apart, and says where to."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    name = str(location[0]) if location else "settings"
    value = os.environ.get(name, "")
    return f"{name}: {message.removeprefix('Value error, ')} (got {len(value)} characters)"


@functools.cache
def settings() -> Settings:
    """Return the settings of this process, read once."""
    return load_settings()
