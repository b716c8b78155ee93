"""Settings become a database, a vault and clients."""

import ssl
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from polydock_pipelines.clients.amazee_ai.client import AmazeeAiClient
from polydock_pipelines.clients.lagoon.client import LagoonClient
from polydock_pipelines.db.vault import VaultError, new_key
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import EndpointError
from polydock_pipelines.ports.amazee_ai import AMAZEE_AI
from polydock_pipelines.settings import Settings, SettingsError
from polydock_pipelines.wiring import (
    KEY_FILE,
    _certificates,
    credential_of,
    make_ports,
    open_amazee_ai,
    open_book,
    open_database,
    open_lagoon,
    open_launcher,
    open_mailer,
    open_shell,
    open_vault,
)
from tests.fakes.amazee_ai import FakeAmazeeAi
from tests.fakes.lagoon import FakeLagoon
from tests.fakes.shell import FakeShell
from tests.integration.clients.test_smtp_server import MailServer, running
from tests.unit.clients.test_fake_mailer import MAIL


def chosen(home: Path, **changes: object) -> Settings:
    """Return settings by the names of the environment."""
    return Settings.model_validate({"POLYDOCK_HOME": home, **changes})


def test_the_embedded_key_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    sealed = open_vault(chosen(home)).seal("a place", Secret("x"))
    assert open_vault(chosen(home)).open("a place", sealed).reveal() == "x"
    assert stat.S_IMODE((home / KEY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == [KEY_FILE]


def test_all_who_start_at_once_share_one_key(tmp_path: Path) -> None:
    for number in range(10):
        home = tmp_path / f"home-{number}"
        with ThreadPoolExecutor(16) as pool:
            vaults = list(pool.map(open_vault, [chosen(home)] * 16))
        sealed = [vault.seal("a place", Secret("x")) for vault in vaults]
        last = open_vault(chosen(home))
        assert {last.open("a place", one).reveal() for one in sealed} == {"x"}
        assert [path.name for path in home.iterdir()] == [KEY_FILE]


def test_beside_another_database_a_key_must_be_given(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    with pytest.raises(SettingsError, match=r"POLYDOCK_SECRET_KEYS: required.*keys new"):
        open_vault(chosen(tmp_path / "home", POLYDOCK_DATABASE_URL=url))
    assert not (tmp_path / "home").exists()


def test_the_first_key_seals_and_all_open(tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    sealed = open_vault(chosen(tmp_path, POLYDOCK_SECRET_KEYS=old)).seal("p", Secret("x"))
    both = open_vault(chosen(tmp_path, POLYDOCK_SECRET_KEYS=f"{new}, {old}"))
    assert both.open("p", sealed).reveal() == "x"
    resealed = both.reseal("p", sealed)
    alone = open_vault(chosen(tmp_path, POLYDOCK_SECRET_KEYS=new))
    assert alone.open("p", resealed).reveal() == "x"
    with pytest.raises(VaultError):
        alone.open("p", sealed)


@pytest.mark.parametrize(
    "key",
    ["Canary4711", "Canary4711" * 5, "ключ", f"{new_key()},Canary4711"],
    ids=["short", "long", "foreign letters", "one of two"],
)
def test_a_key_that_is_none_is_not_quoted(tmp_path: Path, key: str) -> None:
    with pytest.raises(VaultError, match="POLYDOCK_SECRET_KEYS") as caught:
        open_vault(chosen(tmp_path, POLYDOCK_SECRET_KEYS=key))
    assert "Canary4711" not in str(caught.value)


def test_a_spoilt_key_file_is_told_and_kept(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text("")
    with pytest.raises(VaultError):
        open_vault(chosen(tmp_path))
    assert (tmp_path / KEY_FILE).read_text() == ""


def test_the_embedded_database_is_a_file_in_the_home(tmp_path: Path) -> None:
    database = open_database(chosen(tmp_path / "home"))
    with database.engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    database.close()
    assert (tmp_path / "home" / "polydock.db").exists()


def test_postgres_is_opened_as_its_url_says(tmp_path: Path, postgres_url: str) -> None:
    given = {"POLYDOCK_DATABASE_URL": postgres_url, "POLYDOCK_SECRET_KEYS": new_key()}
    database = open_database(chosen(tmp_path / "home", **given))
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    database.close()
    assert not (tmp_path / "home").exists()


def test_a_book_knows_the_grace_and_the_public_address(tmp_path: Path) -> None:
    settings = chosen(
        tmp_path, POLYDOCK_PROJECT_GRACE_DAYS="3", POLYDOCK_PUBLIC_URL="https://p.example.com"
    )
    database = open_database(settings)
    book = open_book(database, settings)
    database.close()
    assert (book.grace.days, book.public_url) == (3, "https://p.example.com")


def test_clients_are_made_without_a_word_to_the_outside(tmp_path: Path) -> None:
    settings = chosen(
        tmp_path,
        LAGOON_TOKEN="t",
        LAGOON_API_URL="https://lagoon.invalid/graphql",
        AMAZEE_AI_BASE_URL="https://ai.invalid",
    )
    with open_lagoon(settings) as lagoon, open_launcher(settings) as launcher:
        assert isinstance(lagoon, LagoonClient)
        assert launcher is not None
    with open_amazee_ai(settings) as ai:
        assert isinstance(ai, AmazeeAiClient)
    assert open_shell(settings) is not None


def test_mails_go_where_the_settings_say(tmp_path: Path) -> None:
    with running(MailServer()) as server:
        open_mailer(chosen(tmp_path, SMTP_URL=server.url)).send(MAIL)
    assert len(server.mails) == 1


def test_whom_to_trust_is_read_once_and_apart_from_httpx(tmp_path: Path) -> None:
    settings = chosen(tmp_path, SMTP_URL="smtps://mail.invalid")
    first, second = (open_mailer(settings)._connect.args[1] for _ in range(2))
    assert first is second
    assert first.verify_mode == ssl.CERT_REQUIRED
    assert first is not _certificates()


def test_steps_get_the_clock_of_the_settings(tmp_path: Path) -> None:
    settings = chosen(tmp_path, POLYDOCK_CLOCK="offset:86400")
    clock = settings.make_clock()
    ports = make_ports(FakeLagoon(clock), FakeShell(), FakeAmazeeAi(), settings)
    assert abs((ports.clock.now() - clock.now()).total_seconds()) < 5
    assert ports.public_key_of(Secret("no key")) is None


def test_without_a_token_amazee_ai_is_away_and_says_what_to_set(tmp_path: Path) -> None:
    with open_amazee_ai(chosen(tmp_path)) as ai, pytest.raises(EndpointError) as caught:
        ai.region(1)
    assert caught.value.endpoint == AMAZEE_AI
    assert "Set AMAZEE_AI_TOKEN_FILE or AMAZEE_AI_TOKEN" in str(caught.value)


def test_another_token_at_amazee_ai_is_another_credential(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    settings = chosen(tmp_path, AMAZEE_AI_TOKEN_FILE=file)
    before = credential_of(settings)
    assert credential_of(chosen(tmp_path, AMAZEE_AI_TOKEN="one")) == before
    file.write_text("two\n")
    assert credential_of(settings) != before
