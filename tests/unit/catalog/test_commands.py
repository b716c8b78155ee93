"""`polydock catalog …` as somebody types it."""

import json
from collections.abc import Generator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from polydock_pipelines.cli.catalog import app as commands
from polydock_pipelines.db import schema
from polydock_pipelines.settings import settings
from polydock_pipelines.wiring import open_database
from tests.unit.catalog.test_reading import EXAMPLE
from tests.unit.catalog.writer import app, raw, store, written


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """An embedded stack's home, with a database at the right version."""
    for name in ("POLYDOCK_DATABASE_URL", "POLYDOCK_SECRET_KEYS", "POLYDOCK_CLOCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("POLYDOCK_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    database = open_database()
    schema.upgrade(database)
    database.close()
    yield
    settings.cache_clear()


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(commands, [str(word) for word in words])


def test_apply_prints_what_changed() -> None:
    first = run("apply", EXAMPLE)
    assert (first.exit_code, first.stderr) == (0, "")
    assert "+ app eu/cms\n" in first.stdout
    assert first.stdout.endswith("26 created, 0 unchanged\n")
    assert run("apply", EXAMPLE).stdout == "nothing to change, 10 unchanged\n"
    assert "= app eu/cms\n" in run("apply", EXAMPLE, "--verbose").stdout


def test_a_dry_run_says_that_it_is_one() -> None:
    assert run("apply", EXAMPLE, "--dry-run").stdout.endswith("dry run: nothing was written\n")
    assert run("apply", EXAMPLE).stdout.endswith("26 created, 0 unchanged\n")


def test_apply_speaks_json(tmp_path: Path) -> None:
    run("apply", written(tmp_path, store("", app())))
    file = written(tmp_path, store("name: Elsewhere"))
    said = json.loads(run("apply", file, "--json", "--dry-run").stdout)
    assert said == {
        "dry_run": True,
        "changes": [
            {
                "action": "changed",
                "what": "store",
                "name": "eu",
                "fields": [
                    {"field": "name", "old": "Europe", "new": "Elsewhere", "is_secret": False}
                ],
            }
        ],
        "unchanged": [],
        "not_in_files": ["app eu/cms"],
    }


def test_wrong_files_are_bad_usage(tmp_path: Path) -> None:
    wrong = raw(tmp_path, "stores:\n- {key: eu, colour: blue}\n")
    result = run("apply", wrong, tmp_path / "none.yaml", EXAMPLE)
    assert (result.exit_code, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert f"{wrong}: stores[0].name: is missing" in lines
    assert f"{tmp_path / 'none.yaml'}: cannot be read: No such file or directory" in lines
    assert all(line.startswith(str(tmp_path)) or "the same store" in line for line in lines)


def test_no_file_is_bad_usage() -> None:
    assert run("apply").exit_code == 2


def test_export_prints_what_apply_takes(tmp_path: Path) -> None:
    run("apply", EXAMPLE)
    exported = run("export")
    assert exported.exit_code == 0
    file = raw(tmp_path, exported.stdout)
    assert run("apply", file).stdout == "nothing to change, 10 unchanged\n"
    assert json.loads(run("export", "--json").stdout) == yaml.safe_load(exported.stdout)


def test_a_secret_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, store("variables: [{name: A, value: '${TOKEN}', secret: true}]"))
    missing = run("apply", file)
    assert (missing.exit_code, missing.stderr) == (
        2,
        f"{file}: stores[0].variables[0].value: the environment variable TOKEN is not set; "
        "set it, then apply again\n",
    )
    monkeypatch.setenv("TOKEN", "Canary4711")
    done = run("apply", file, "--json")
    assert done.exit_code == 0
    assert "Canary4711" not in done.output + run("export").output
