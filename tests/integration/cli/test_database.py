"""`polydock db …`, `polydock keys …`, and what every command says when something is wrong."""

import json
import os
import socket
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from polydock_pipelines.cli.running import prepare
from polydock_pipelines.cli.stack import StackError
from polydock_pipelines.db import schema
from polydock_pipelines.db.places import admin_password
from polydock_pipelines.db.vault import Vault, VaultError, new_key
from tests.integration.actions.tables import dump
from tests.integration.cli.conftest import KEY, Command, Polydock, Said
from tests.integration.intake.door import APP
from tests.makers import VAULT, instance_row, new_instance

CANARY = "Canary4711"
PERSON = ("--email", "a@example.com", "--first-name", "A", "--last-name", "B", "--app", APP)
READS = [
    ("instances", "list"),
    ("registrations", "list"),
    ("groups", "list"),
    ("catalog", "export"),
]
COMMANDS: list[tuple[str, ...]] = [
    *READS,
    ("instances", "show", "x"),
    ("instances", "logs", "x"),
    ("instances", "retry", "x"),
    ("instances", "remove", "x"),
    ("registrations", "show", "x"),
    ("register", *PERSON),
    ("groups", "create", "x", "--owner", "a@example.com"),
    ("groups", "add-member", "x", "a@example.com"),
    ("groups", "set-role", "x", "a@example.com", "owner"),
    ("groups", "transfer", "x", "a@example.com"),
    ("keys", "rotate"),
    ("catalog", "apply", "catalog/example.yaml"),
]


@pytest.fixture
def empty(environ: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """The command line over the embedded database, of which nothing is there yet."""
    return Command({"POLYDOCK_HOME": str(tmp_path / "home")})


@pytest.mark.parametrize("command", READS, ids=" ".join)
def test_an_empty_database_prints_json_too(polydock: Polydock, command: tuple[str, ...]) -> None:
    assert not polydock(*command, "--json").json or command == ("catalog", "export")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_before_the_migration_every_command_says_what_to_run(
    empty: Command, command: tuple[str, ...]
) -> None:
    said = empty(*command)
    assert said.code == 1
    assert said.line.endswith("run `polydock db upgrade`")


def test_the_database_is_migrated_once_and_for_all(empty: Command) -> None:
    head = schema.head()
    assert (empty("db", "current").code, empty("db", "current").out[:5]) == (1, "empty")
    assert empty("db", "upgrade").out == f"empty -> {head}\n"
    assert empty("db", "upgrade").out == f"{head} -> {head}\n"
    assert empty("db", "current").out == f"{head} (this code needs {head})\n"
    assert empty("instances", "list", "--json").json == []


def test_migrating_a_database_in_use_changes_nothing(polydock: Polydock) -> None:
    new_instance(polydock.db)
    before = dump(polydock.db)
    assert polydock("db", "upgrade").code == 0
    assert dump(polydock.db) == before


@pytest.fixture
def dead_url() -> str:
    """The address of a Postgres that nobody runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return f"postgresql+psycopg2://polydock:{CANARY}@127.0.0.1:{port}/polydock"


@pytest.mark.parametrize("command", [*COMMANDS, ("db", "upgrade"), ("db", "current")], ids=" ".join)
def test_a_database_that_is_away_is_one_line(
    environ: pytest.MonkeyPatch, empty: Command, dead_url: str, command: tuple[str, ...]
) -> None:
    environ.setenv("POLYDOCK_DATABASE_URL", dead_url)
    environ.setenv("POLYDOCK_SECRET_KEYS", KEY)
    said = empty(*command)
    assert said.code == 1
    assert "the database does not answer" in said.line
    assert said.line.endswith("see POLYDOCK_DATABASE_URL")
    assert CANARY not in said.line


@pytest.mark.parametrize("command", [*COMMANDS, ("db", "upgrade"), ("doctor",)], ids=" ".join)
def test_a_wrong_setting_is_one_line_and_bad_usage(
    environ: pytest.MonkeyPatch, empty: Command, command: tuple[str, ...]
) -> None:
    environ.setenv("POLYDOCK_DATABASE_URL", f"mysql://polydock:{CANARY}@db/polydock")
    environ.setenv("LAGOON_SSH_PORT", "ssh")
    said = empty(*command)
    assert said.code == 2
    assert "POLYDOCK_DATABASE_URL: expected postgresql+psycopg2://" in said.line
    assert "LAGOON_SSH_PORT" in said.line
    assert CANARY not in said.line


@pytest.mark.parametrize("command", [("register", *PERSON), ("doctor",)], ids=" ".join)
def test_a_clock_for_a_real_lagoon_is_refused(
    environ: pytest.MonkeyPatch, empty: Command, command: tuple[str, ...]
) -> None:
    empty("db", "upgrade")
    environ.setenv("POLYDOCK_CLOCK", "offset:5")
    environ.setenv("LAGOON_API_URL", "https://lagoon.invalid/graphql")
    environ.setenv("LAGOON_TOKEN", CANARY)
    said = empty(*command)
    assert said.code == 2
    assert "POLYDOCK_CLOCK is for the local Lagoon only" in said.line


@pytest.mark.parametrize("command", [("instances", "list"), ("doctor",), ("db", "upgrade")])
def test_a_database_of_ones_own_needs_keys(
    environ: pytest.MonkeyPatch, empty: Command, tmp_path: Path, command: tuple[str, ...]
) -> None:
    environ.setenv("POLYDOCK_DATABASE_URL", f"sqlite:///{tmp_path / 'x.db'}")
    said = empty(*command)
    assert said.code == 2
    assert "POLYDOCK_SECRET_KEYS: required beside POLYDOCK_DATABASE_URL" in said.line


def test_a_key_that_is_none_is_one_line(environ: pytest.MonkeyPatch, empty: Command) -> None:
    environ.setenv("POLYDOCK_SECRET_KEYS", CANARY)
    said = empty("instances", "list")
    assert "POLYDOCK_SECRET_KEYS" in said.line
    assert CANARY not in said.line


def test_a_new_key_is_a_key(empty: Command) -> None:
    one, other = empty("keys", "new").out.strip(), empty("keys", "new").out.strip()
    assert Fernet(one)
    assert one != other


def test_after_a_rotation_the_old_key_can_go(
    polydock: Polydock, environ: pytest.MonkeyPatch
) -> None:
    one = new_instance(polydock.db, login_url="https://a.example.com")
    key = new_key()
    environ.setenv("POLYDOCK_SECRET_KEYS", f"{key},{KEY}")
    assert polydock("keys", "rotate").out == "2 secrets are sealed with the first key now\n"
    row = instance_row(polydock.db, one)
    place = admin_password(row)
    assert Vault([key]).open(place, row.admin_password).reveal() == "Generated4Tests"
    with pytest.raises(VaultError):
        VAULT.open(place, row.admin_password)
    environ.setenv("POLYDOCK_SECRET_KEYS", key)
    assert polydock("keys", "rotate").code == 0


def test_a_rotation_without_the_old_key_is_one_line_and_changes_nothing(
    polydock: Polydock, environ: pytest.MonkeyPatch
) -> None:
    new_instance(polydock.db)
    before = dump(polydock.db)
    environ.setenv("POLYDOCK_SECRET_KEYS", new_key())
    said = polydock("keys", "rotate")
    assert (said.code, "POLYDOCK_SECRET_KEYS lacks the key" in said.line) == (1, True)
    assert dump(polydock.db) == before


@pytest.mark.parametrize(
    "command", [("nothing",), ("instances", "nothing"), ("instances", "list", "--limit", "0")]
)
def test_bad_usage_ends_with_2(polydock: Polydock, command: tuple[str, ...]) -> None:
    said = polydock(*command)
    assert (said.code, said.out) == (2, "")
    assert "Traceback" not in said.err


def test_as_a_process_it_keeps_its_word(polydock: Polydock) -> None:
    one = instance_row(polydock.db, new_instance(polydock.db)).uuid
    listed = polydock.process("instances", "list", "--json")
    unknown = polydock.process("instances", "show", "nobody")
    wrong = polydock.process("instances", "list", LAGOON_SSH_PORT="x")
    assert json.loads(listed.out)[0]["uuid"] == one
    assert (unknown.code, unknown.line[:9]) == (1, "polydock:")
    assert (wrong.code, "LAGOON_SSH_PORT" in wrong.line) == (2, True)


def test_as_a_process_the_embedded_database_needs_no_settings(tmp_path: Path) -> None:
    bare = Command({"POLYDOCK_HOME": str(tmp_path / "home")})
    said: list[Said] = [bare.process("db", "upgrade"), bare.process("groups", "list")]
    assert [one.code for one in said] == [0, 0]
    assert said[1].out.startswith("No groups yet")
    assert sorted(path.name for path in (tmp_path / "home").iterdir())[:1] == ["polydock.db"]


def test_the_help_names_every_noun(empty: Command) -> None:
    help_text = empty.process("--help")
    assert help_text.code == 0
    for noun in ("instances", "registrations", "groups", "catalog", "db", "keys", "doctor"):
        assert noun in help_text.out


def test_a_stack_whose_database_does_not_answer_says_so_in_a_line(tmp_path: Path) -> None:
    url = "postgresql+psycopg2://nobody@127.0.0.1:1/none"
    with pytest.raises(StackError, match=r"^the database does not answer.*POLYDOCK_DATABASE_URL"):
        prepare(
            {
                **os.environ,
                "POLYDOCK_HOME": str(tmp_path),
                "POLYDOCK_DATABASE_URL": url,
                "POLYDOCK_SECRET_KEYS": KEY,
            },
            simulate=True,
        )
    assert (tmp_path / "simulator" / "known_hosts").exists()


def test_a_bug_while_the_database_is_prepared_shows_its_trace(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(StackError, match="the trace above says why"):
        prepare({**os.environ, "PYTHONHOME": "nowhere"}, simulate=False)
    assert "encodings" in capsys.readouterr().err
