"""What a right catalogue is read as."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from polydock_pipelines.apps.registry import APP_TYPES
from polydock_pipelines.catalog.columns import APP_COLUMNS, STORE_COLUMNS, app_values, store_values
from polydock_pipelines.catalog.reading import read_catalog
from polydock_pipelines.catalog.shapes import SCRIPT_STAGES, AppEntry, Scripts, StoreEntry
from polydock_pipelines.db.models.offers import Store, StoreApp
from polydock_pipelines.emails.kinds import KINDS
from polydock_pipelines.lifecycle.naming import Naming, is_valid, project_name
from polydock_pipelines.lifecycle.table import STAGES
from tests.unit.catalog.writer import app, private_key, raw, store, written

EXAMPLE = Path(__file__).parents[3] / "catalog" / "example.yaml"


def the_app(folder: Path, snippet: str, env: dict[str, str] | None = None) -> AppEntry:
    (loaded,) = read_catalog([written(folder, store("", app(snippet)))], env or {})
    return loaded.entry.apps[0]


def example() -> list[StoreEntry]:
    return [loaded.entry for loaded in read_catalog([EXAMPLE], {})]


def test_defaults(tmp_path: Path) -> None:
    entry = the_app(tmp_path, "")
    assert (entry.type, entry.branch, entry.production_environment) == (
        "polydock-app",
        "main",
        "main",
    )
    assert (entry.auto_idle, entry.pool_target, entry.status) == (0, 0, "available")
    assert not entry.available_for_trials
    assert entry.trial is None
    assert entry.environment_type == "development"
    (loaded,) = read_catalog([tmp_path / "catalog.yaml"], {})
    assert (loaded.entry.status, loaded.entry.listed_in_marketplace) == ("private", False)
    assert (loaded.path, loaded.file) == ("stores[0]", str(tmp_path / "catalog.yaml"))


def test_every_script_has_a_stage_of_the_lifecycle() -> None:
    assert set(SCRIPT_STAGES) == set(Scripts.model_fields)
    assert set(SCRIPT_STAGES.values()) <= set(STAGES)


def test_every_name_has_a_column_and_a_value(tmp_path: Path) -> None:
    assert set(STORE_COLUMNS.values()) <= set(Store.__table__.columns.keys())
    assert set(APP_COLUMNS.values()) <= set(StoreApp.__table__.columns.keys())
    (loaded,) = read_catalog([written(tmp_path, store("", app()))], {})
    assert store_values(loaded.entry).keys() == STORE_COLUMNS.keys()
    assert app_values(loaded.entry.apps[0]).keys() == APP_COLUMNS.keys()


def test_a_script_comes_from_a_file_beside_the_yaml(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "claim.sh").write_bytes(b"set -eu\r\necho hi\r\n")
    entry = the_app(tmp_path, "scripts: {claim: {script: {file: scripts/claim.sh}}}")
    assert entry.scripts.by_stage()["polydock-claim"].script == "set -eu\necho hi\n"


def test_a_secret_is_read_from_the_environment_and_not_shown(tmp_path: Path) -> None:
    env = {"TOKEN": "Canary4711", "KEY": private_key()}
    snippet = "variables: [{name: A, value: '${TOKEN}', secret: true}]"
    whole = store("", app(snippet))
    whole["lagoon"] = {**whole["lagoon"], "deploy_key": "${KEY}"}
    (loaded,) = read_catalog([written(tmp_path, whole)], env)
    assert loaded.entry.apps[0].variables[0].value.reveal() == "Canary4711"
    assert loaded.entry.lagoon.deploy_key
    assert loaded.entry.lagoon.deploy_key.reveal() == env["KEY"]
    assert "Canary4711" not in repr(loaded)
    assert "PRIVATE KEY" not in repr(loaded)


def test_a_file_given_twice_is_read_once(tmp_path: Path) -> None:
    file = written(tmp_path, store("", app()))
    again = tmp_path / "." / ".." / tmp_path.name / "catalog.yaml"
    assert len(read_catalog([file, file, again], {})) == 1


def test_an_empty_list_of_stores_is_a_catalogue(tmp_path: Path) -> None:
    assert read_catalog([raw(tmp_path, "stores: []")], {}) == ()


def test_entries_are_frozen(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        the_app(tmp_path, "").name = "other"


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/org/repo.git",
        "https://token-free@git.example.com/repo",
        "ssh://git@git.example.com:2222/repo.git",
        "git@github.com:org/repo.git",
    ],
)
def test_git_urls_that_lagoon_takes(tmp_path: Path, url: str) -> None:
    assert the_app(tmp_path, f"git_url: '{url}'").git_url == url


def test_mails_that_are_switched_off_need_neither_words_nor_a_trial(tmp_path: Path) -> None:
    entry = the_app(tmp_path, "mails: {midtrial: {enabled: false}}")
    assert entry.mails.midtrial is not None
    assert not entry.mails.midtrial.enabled


def test_accounts_are_in_the_mail_unless_the_app_hides_them(tmp_path: Path) -> None:
    shown, hidden = the_app(tmp_path, ""), the_app(tmp_path, "mails: {hide_credentials: true}")
    assert (shown.mails.hide_credentials, app_values(shown)["mails"]) == (False, {})
    assert app_values(hidden)["mails"] == {"hide_credentials": True}


@pytest.mark.parametrize("more", ["", ", extension_days: 7", ", extension_days: 7, max_days: 14"])
def test_a_trial_may_be_extended_and_to_a_limit(tmp_path: Path, more: str) -> None:
    trial = the_app(tmp_path, f"trial: {{days: 14{more}}}").trial
    assert trial is not None
    assert (trial.extension_days, trial.max_days) == (
        7 if "extension" in more else None,
        14 if "max" in more else None,
    )


def test_the_longest_custom_words_leave_a_valid_name(tmp_path: Path) -> None:
    word = "abcdefghijklm"
    naming = the_app(
        tmp_path, f"naming: {{prefix: {'p' * 24}, adjectives: [{word}], nouns: [{word}]}}"
    ).naming
    rule = Naming("trial", naming.prefix or "", naming.adjectives, naming.nouns)
    assert is_valid(project_name(rule))
    assert f"-{word}-{word}-" in project_name(rule)


def test_the_example_has_two_stores_and_an_app_of_each_type() -> None:
    stores = example()
    assert [(s.key, s.lagoon.organization_id, s.lagoon.group_name) for s in stores] == [
        ("eu", 1, "polydock-operators"),
        ("partners", 2, "polydock-partners"),
    ]
    apps = [app for s in stores for app in s.apps]
    assert [a.key for a in apps] == [
        "cms", "hello", "assistant", "anything-llm", "claw", "dependency-track", "private-gpt",
        "handbook",
    ]  # fmt: skip
    assert {a.type for a in apps if a.available_for_trials} == set(APP_TYPES)
    assert all(a.trial for a in apps)
    assert all(a.mails.ready for a in apps if a.type == "polydock-app")
    trials = {a.key: a.trial.model_dump() for a in apps if a.trial and a.trial.extension_days}
    assert trials == {
        "cms": {"days": 14, "extension_days": 7, "max_days": 28},
        "hello": {"days": 3, "extension_days": 3, "max_days": 9},
    }
    assert all(s.lagoon.deploy_key is None for s in stores)


def test_the_examples_apps_with_mails_have_all_of_them() -> None:
    given = [a.mails.model_fields_set for s in example() for a in s.apps]
    assert sum(map(bool, given)) == 3
    assert all(set(KINDS) <= kinds for kinds in given if kinds)


def test_the_examples_scripts_call_nothing_that_a_plain_shell_lacks() -> None:
    scripts = [s for st in example() for a in st.apps for s in a.scripts.by_stage().values()]
    words = {w for s in scripts for w in s.script.splitlines() if not w.strip().startswith("#")}
    assert len(scripts) == 5
    assert not [line for line in words if "drush" in line or "node " in line]
