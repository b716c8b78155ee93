"""Each command is imported when it is called, and what stays for months is light."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from polydock_pipelines.cli.app import COMMANDS, app

HEAVY = ("sqlalchemy", "alembic", "asyncssh", "fastapi", "graphql", "dagster")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_called(name: str) -> None:
    said = CliRunner().invoke(app, [name, "--help"])
    assert said.exit_code == 0, said.output
    assert f"{name} " in said.output


def test_an_unknown_command_is_bad_usage() -> None:
    assert CliRunner().invoke(app, ["conjure"]).exit_code == 2


def test_the_list_tells_what_each_command_does() -> None:
    listed = CliRunner().invoke(app, ["--help"]).output
    assert [name for name in COMMANDS if f"│ {name} " not in listed] == []


def test_what_waits_in_the_foreground_holds_little() -> None:
    program = "import sys, polydock_pipelines.cli.app, polydock_pipelines.cli.up"
    asked = f"{program}; print(*[name for name in {HEAVY} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert told.stdout.split() == []
