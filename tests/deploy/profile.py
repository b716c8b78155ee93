"""A Postgres as deploy/postgres/ sets it up, and the variables that lead a stack to it."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from tests.postgres import PostgresServer

ROOT = Path(__file__).parents[2]
PROFILE = ROOT / "deploy" / "postgres"
KEY = "YSBrZXkgZm9yIHRlc3RzIG9mIDMyIGJ5dGVzIGxvbmc="  # pragma: allowlist secret


@dataclass(frozen=True)
class Profile:
    """Where the two schemas are."""

    polydock_url: str
    dagster_url: str

    def variables(self, home: Path) -> dict[str, str]:
        """Return what a stack in *home* needs to know."""
        return {
            "POLYDOCK_HOME": str(home),
            "POLYDOCK_DATABASE_URL": self.polydock_url,
            "DAGSTER_POSTGRES_URL": self.dagster_url,
            "POLYDOCK_DAGSTER_YAML": str(PROFILE / "dagster.yaml"),
            "POLYDOCK_SECRET_KEYS": KEY,
        }


def set_up(server: PostgresServer) -> Profile:
    """Run roles.sql, statement by statement as psql does, with passwords for this test."""
    text = (PROFILE / "roles.sql").read_text()
    for name in ("polydock_password", "dagster_password"):
        text = text.replace(f":'{name}'", "'only-for-a-test'")
    before, after = text.split("\\connect polydock\n")
    _run(server, "postgres", before)
    _run(server, "polydock", after)
    at = f"127.0.0.1:{server.port}/polydock"
    return Profile(
        f"postgresql+psycopg2://polydock:only-for-a-test@{at}",  # pragma: allowlist secret
        f"postgresql://dagster:only-for-a-test@{at}",  # pragma: allowlist secret
    )


def _run(server: PostgresServer, database: str, text: str) -> None:
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    connection = psycopg2.connect(server.url(database).replace("+psycopg2", ""))
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            for statement in filter(str.strip, lines.split(";")):
                cursor.execute(statement)
    finally:
        connection.close()


def polydock(
    *arguments: str, env: Mapping[str, str], timeout_s: float = 240
) -> subprocess.CompletedProcess[str]:
    """Run one of our commands to its end."""
    return subprocess.run(
        [sys.executable, "-m", "polydock_pipelines.cli", *arguments],
        env=dict(env),
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )
