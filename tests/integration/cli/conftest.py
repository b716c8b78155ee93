"""The command line over a fresh database of either kind, in process or as a real one."""

import json
import os
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from polydock_pipelines.cli.app import app
from polydock_pipelines.db.database import Database
from polydock_pipelines.settings import settings
from tests.makers import VAULT

KEY = urlsafe_b64encode(b"a key for tests of 32 bytes long").decode()
"""The key of `tests.makers.VAULT`."""
PREFIXES = ("POLYDOCK_", "LAGOON_", "SMTP_", "MAIL_", "EMAIL_", "AMAZEE_AI_")


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return what it printed for programs."""
        assert (self.code, self.err) == (0, ""), self
        return json.loads(self.out)

    @property
    def line(self) -> str:
        """Return the one line of an error."""
        assert self.code in (1, 2), self
        assert self.out == "", self
        assert self.err.count("\n") == 1, self
        assert "Traceback" not in self.err
        return self.err.rstrip("\n")


@dataclass(frozen=True)
class Command:
    """Runs `polydock`."""

    env: Mapping[str, str]

    def __call__(self, *arguments: str) -> Said:
        """Run a command in this process, output to a pipe."""
        settings.cache_clear()
        result = CliRunner().invoke(app, list(arguments))
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(result.exit_code, result.stdout, result.stderr)

    def process(self, *arguments: str, **env: str) -> Said:
        """Run a command as a process of its own."""
        ran = subprocess.run(
            [sys.executable, "-m", "polydock_pipelines.cli", *arguments],
            env={**clean_environment(), **self.env, **env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Said(ran.returncode, ran.stdout, ran.stderr)


@dataclass(frozen=True)
class Polydock(Command):
    """Runs `polydock` over a database that the test sees too."""

    db: Database


def clean_environment() -> dict[str, str]:
    """Return the environment without any setting of ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIXES)}


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """An environment in which nothing of ours is set but a home, and nothing answers."""
    for name in os.environ:
        if name.startswith(PREFIXES):
            monkeypatch.delenv(name)
    monkeypatch.setenv("POLYDOCK_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    yield monkeypatch
    settings.cache_clear()


@pytest.fixture
def polydock(environ: pytest.MonkeyPatch, database_url: str, tmp_path: Path) -> Iterator[Polydock]:
    """The command line over a migrated database."""
    given = {
        "POLYDOCK_HOME": str(tmp_path / "home"),
        "POLYDOCK_DATABASE_URL": database_url,
        "POLYDOCK_SECRET_KEYS": KEY,
        "POLYDOCK_DAGSTER_URL": "http://127.0.0.1:9",
    }
    for name, value in given.items():
        environ.setenv(name, value)
    database = Database(database_url, VAULT)
    yield Polydock(given, database)
    database.close()
