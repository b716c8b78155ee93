"""Settings: read once, checked at once, and never quoted when they may be secret."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from polydock_pipelines.settings import Settings, SettingsError, load_settings, settings

CANARY = "Canary4711"
PREFIXES = ("POLYDOCK_", "LAGOON_", "SMTP_", "MAIL_", "EMAIL_", "AMAZEE_AI_")


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith(PREFIXES)]:
        monkeypatch.delenv(name)
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    return monkeypatch


def test_with_nothing_set_the_embedded_stack_runs() -> None:
    chosen = load_settings()
    assert chosen.is_embedded
    assert chosen.is_simulated
    assert chosen.resolved_database_url == f"sqlite:///{Path('.polydock/polydock.db').resolve()}"
    assert chosen.ssh_key_file == Path(".polydock/simulator/id_ed25519").resolve()
    assert chosen.ssh_known_hosts == Path(".polydock/simulator/known_hosts").resolve()
    assert chosen.make_clock().is_real


def test_an_empty_value_counts_as_none(environ: pytest.MonkeyPatch) -> None:
    for name in ("POLYDOCK_DATABASE_URL", "LAGOON_TOKEN", "LAGOON_SSH_PORT", "POLYDOCK_CLOCK"):
        environ.setenv(name, "")
    chosen = load_settings()
    assert (chosen.lagoon_token, chosen.lagoon_ssh_port) == (None, 9022)


def test_what_is_set_is_used(environ: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environ.setenv("POLYDOCK_HOME", str(tmp_path))
    environ.setenv("LAGOON_SSH_KEY_FILE", str(tmp_path / "id"))
    environ.setenv("LAGOON_SSH_KNOWN_HOSTS", str(tmp_path / "hosts"))
    environ.setenv("POLYDOCK_SECRET_KEYS", " a , ,b ")
    chosen = load_settings()
    assert chosen.ssh_key_file == tmp_path / "id"
    assert chosen.ssh_known_hosts == tmp_path / "hosts"
    assert [key.get_secret_value() for key in chosen.secret_keys] == ["a", "b"]
    assert chosen.simulator_home == tmp_path / "simulator"


WRONG = {
    "LAGOON_SSH_PORT": ["x", "0", "65536", "22.5"],
    "POLYDOCK_INSTANCE_PARTITIONS": ["many", "-1"],
    "POLYDOCK_PROJECT_GRACE_DAYS": ["-1", "soon"],
    "POLYDOCK_RUN_RETENTION_DAYS": ["0"],
    "POLYDOCK_LOG_RETENTION_DAYS": ["0"],
    "POLYDOCK_REGISTER_ONLY_CAPTURES": ["perhaps"],
    "POLYDOCK_CLOCK": ["fast", "rate:0"],
    "POLYDOCK_DATABASE_URL": [
        CANARY,
        "sqlite://",
        f"mysql://polydock:{CANARY}@db/polydock",
        f"postgres://polydock:{CANARY}@db/polydock",
        f"postgresql+psycopg2://polydock:{CANARY}@db:{CANARY}/polydock",
        f"postgresql+asyncpg://polydock:{CANARY}@db/polydock",
    ],
    "POLYDOCK_PURGE_MAX_POLLS": ["0"],
    "POLYDOCK_FAILED_RETENTION_DAYS": ["0"],
    "POLYDOCK_MAILS_PER_MINUTE": ["-1", "many"],
    "EMAIL_DEFAULT_THEME": [CANARY, "Dark"],
    "MAIL_FROM": [CANARY, f"{CANARY} <>", f"{CANARY}@a@b"],
    "MAIL_CC_ALL": [CANARY, f"a@example.com,{CANARY}", f"A <{CANARY}@example.com>"],
    "SMTP_URL": [
        *(CANARY, f"http://{CANARY}@mail", f"smtp://user:{CANARY}@mail:port", "smtp://"),
        *(f"smtp://{CANARY}@mail", f"smtp://mail?tls={CANARY}", f"smtp://u:{CANARY}/x@mail"),
        "smtp://mail.example.com?tls=none",
    ],
    "LAGOON_API_URL": [CANARY, "ftp://lagoon/graphql", "http://", "http://[::1"],
    "POLYDOCK_DAGSTER_URL": ["localhost:3000"],
    "POLYDOCK_PUBLIC_URL": ["polydock.example.com"],
}


@pytest.mark.parametrize(("name", "value"), [(name, v) for name in WRONG for v in WRONG[name]])
def test_a_wrong_value_is_named_and_not_quoted(
    environ: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environ.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    text = str(caught.value)
    assert text.startswith(f"{name}: ")
    assert f"got {len(value)} characters" in text
    assert "\n" not in text
    assert CANARY not in text


def test_every_wrong_value_is_named_at_once(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("LAGOON_SSH_PORT", "x")
    environ.setenv("POLYDOCK_CLOCK", "x")
    with pytest.raises(SettingsError, match=r"LAGOON_SSH_PORT.*POLYDOCK_CLOCK|CLOCK.*SSH_PORT"):
        load_settings()


def test_mails_need_no_setting_beside_the_local_sink() -> None:
    chosen = load_settings()
    assert (str(chosen.mail_server), chosen.mail_server.tls) == ("127.0.0.1:9025", "none")
    assert chosen.sender == ("trials@polydock.example", "Polydock")
    assert (chosen.mail_cc_all, chosen.email_default_theme) == ((), "dark")


def test_mails_may_go_anywhere_from_anybody(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("SMTP_URL", f"smtps://user:{CANARY}@mail.example.com")
    environ.setenv("MAIL_FROM", '"Trials, Inc." <trials@example.com>')
    environ.setenv("MAIL_CC_ALL", "a@example.com, b@example.com")
    chosen = load_settings()
    assert (str(chosen.mail_server), chosen.mail_server.tls) == ("mail.example.com:465", "implicit")
    assert chosen.sender == ("trials@example.com", "Trials, Inc.")
    assert chosen.mail_cc_all == ("a@example.com", "b@example.com")
    assert CANARY not in repr(chosen)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg2://me:p%40ss@db:5432/x?sslmode=require",  # pragma: allowlist secret
        "postgresql://db/polydock",
        "postgresql://polydock:p/s#s:w?rd@[::1]:5432/polydock",  # pragma: allowlist secret
        "postgresql+psycopg2:///polydock?host=/var/run/postgresql",
        "sqlite:////var/lib/polydock.db",
    ],
)
def test_a_database_may_be_postgres_or_sqlite(environ: pytest.MonkeyPatch, url: str) -> None:
    environ.setenv("POLYDOCK_DATABASE_URL", url)
    chosen = load_settings()
    assert chosen.resolved_database_url == url
    assert not chosen.is_embedded


@pytest.mark.parametrize(
    ("url", "is_simulated"),
    [
        ("http://127.0.0.1:9000/graphql", True),
        ("http://localhost/graphql", True),
        ("http://[::1]:9000/graphql", True),
        ("https://api.lagoon.example.com/graphql", False),
        ("https://localhost.example.com/graphql", False),
        ("https://127.0.0.1.example.com/graphql", False),
        ("https://api.example.com//localhost", False),
    ],
)
def test_only_a_lagoon_on_this_machine_is_the_stand_in(
    environ: pytest.MonkeyPatch,
    url: str,
    is_simulated: bool,  # noqa: FBT001 - a case
) -> None:
    environ.setenv("LAGOON_API_URL", url)
    assert load_settings().is_simulated is is_simulated


def test_a_shifted_clock_is_refused_beside_a_real_lagoon(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("POLYDOCK_CLOCK", "offset:60")
    assert not load_settings().make_clock().is_real
    environ.setenv("LAGOON_API_URL", "https://api.lagoon.example.com/graphql")
    with pytest.raises(SettingsError, match=r"POLYDOCK_CLOCK .*local Lagoon"):
        load_settings().make_clock()


def test_secrets_do_not_print_themselves(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("LAGOON_TOKEN", CANARY)
    environ.setenv("POLYDOCK_SECRET_KEYS", f"{CANARY},{CANARY}")
    environ.setenv("POLYDOCK_HEALTH_TOKEN", CANARY)
    assert CANARY not in repr(load_settings())
    assert CANARY not in str(load_settings())


def test_every_setting_says_what_it_is_and_what_it_is_called() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.validation_alias, name


def test_they_are_read_once(environ: pytest.MonkeyPatch) -> None:
    first = settings()
    environ.setenv("LAGOON_SSH_PORT", "1")
    assert settings() is first
