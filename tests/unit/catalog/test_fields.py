"""The fields that an app type declares, and what amazee.ai makes: what a catalogue may say."""

from pathlib import Path

import pytest

from polydock_pipelines.catalog.reading import read_catalog
from polydock_pipelines.catalog.references import field_env_name, variable_env_name
from polydock_pipelines.catalog.shapes import AppEntry
from polydock_pipelines.lifecycle.secret import Secret
from tests.unit.catalog.test_refusals import lines_of
from tests.unit.catalog.writer import app, store, written

REGION = "amazee_ai_region_id: 1"
CANARY = "Canary4711"
ENV = {
    "TOKEN": CANARY,
    "EMPTY": "",
    "LINES": f"{CANARY}\n{CANARY}",
    "LONG": CANARY * 26,
}
AI_TYPES = ("polydock-app-ai", "anything-llm", "private-gpt")
CLAW, GPT = "amazee-claw", "private-gpt"

CASES = [
    (CLAW, "{colour: Canary4711}", ".colour", "it has: openclaw_default_model, amazeeai_key_mode"),
    (CLAW, "{llm_key: '${TOKEN}'}", ".llm_key", "is no field of the type amazee-claw"),
    (CLAW, "{amazeeai_key_mode: Canary4711}", ".amazeeai_key_mode", "one of injected, anonymous"),
    (CLAW, "{amazeeai_key_mode: ''}", ".amazeeai_key_mode", "expected one of injected"),
    (CLAW, "{openclaw_default_model: '${TOKEN}'}", ".openclaw_default_model", "secret fields only"),
    (CLAW, "{openclaw_default_model: 4711}", ".openclaw_default_model", "put numbers"),
    (CLAW, "{openclaw_default_model: true}", ".openclaw_default_model", "true and false in quotes"),
    (CLAW, "{openclaw_default_model: [Canary4711]}", ".openclaw_default_model", "expected text"),
    (CLAW, "{openclaw_default_model: null}", ".openclaw_default_model", "expected text"),
    (CLAW, f"{{openclaw_default_model: {CANARY * 26}}}", ".openclaw_default_model", "at most 255"),
    (CLAW, '{openclaw_default_model: "a\\nb"}', ".openclaw_default_model", "control characters"),
    (CLAW, "[Canary4711]", "", "expected a mapping, got a list"),
    (CLAW, "null", "", "expected a mapping, got nothing"),
    (CLAW, "{4711: x}", "", "expected keys that are text"),
    (CLAW, "{null: x}", "", "expected keys that are text"),
    (CLAW, "{1.5: x}", "", "expected keys that are text"),
    (CLAW, "{'Canary4711 x': x}", ".<a key that is no plain word>", "is no field"),
    (GPT, "{phoenix_api_key: Canary4711}", ".phoenix_api_key", "is a secret; expected a reference"),
    (
        GPT,
        "{phoenix_api_key: 'x${TOKEN}'}",  # pragma: allowlist secret
        ".phoenix_api_key",
        "is a secret",
    ),  # pragma: allowlist secret
    (GPT, "{phoenix_api_key: 4711}", ".phoenix_api_key", "is a secret"),
    (GPT, "{phoenix_api_key: '${NOBODY}'}", ".phoenix_api_key", "NOBODY is not set; set it"),
    (GPT, "{phoenix_api_key: '${EMPTY}'}", ".phoenix_api_key", "EMPTY is empty"),
    (GPT, "{phoenix_api_key: '${LINES}'}", ".phoenix_api_key", "control characters"),
    (GPT, "{phoenix_api_key: '${LONG}'}", ".phoenix_api_key", "at most 255 characters"),
    (GPT, "{unleash_url: 'http://Canary4711.example.com'}", ".unleash_url", "an https URL"),
    (GPT, "{cluster: Canary4711.x}", ".cluster", "a part of a host name, such as ch4"),
    (GPT, "{cluster: ''}", ".cluster", "a part of a host name"),
    ("polydock-app", "{a: Canary4711}", ".a", "no field of the type polydock-app; it has: none"),
    ("dependency-track", "{cluster: x}", ".cluster", "it has: lagoon_organisation"),
]


def snippet(app_type: str, fields: str = "{}", more: str = "") -> str:
    return f"{{type: {app_type}, fields: {fields}{more}}}"


def said(folder: Path, *apps: str, region: str = REGION) -> list[str]:
    """Return what is refused, without the file and the first app's place."""
    made = [app(one) | {"key": f"a{n}"} for n, one in enumerate(apps)]
    lines = lines_of(written(folder, store(region, *made)), env=ENV)
    return [line.removeprefix("catalog.yaml: ") for line in lines]


def taken(folder: Path, one: str, region: str = REGION) -> AppEntry:
    (loaded,) = read_catalog([written(folder, store(region, app(one)))], ENV)
    return loaded.entry.apps[0]


@pytest.mark.parametrize(("app_type", "fields", "path", "words"), CASES)
def test_a_field_is_refused_by_its_path_and_never_by_its_value(
    tmp_path: Path, app_type: str, fields: str, path: str, words: str
) -> None:
    (line,) = said(tmp_path, snippet(app_type, fields))
    assert line.startswith(f"stores[0].apps[0].fields{path}: "), line
    assert words in line
    assert "anary" not in line
    assert "4711" not in line


def test_all_that_is_wrong_with_the_fields_comes_at_once(tmp_path: Path) -> None:
    wrong = "{cluster: A_b, phoenix_api_key: Canary4711, nope: x}"
    lines = said(tmp_path, snippet(GPT, wrong), snippet(CLAW, "{amazeeai_key_mode: x}"))
    assert sorted(line.split(": ")[0] for line in lines) == [
        "stores[0].apps[0].fields.cluster",
        "stores[0].apps[0].fields.nope",
        "stores[0].apps[0].fields.phoenix_api_key",
        "stores[0].apps[1].fields.amazeeai_key_mode",
    ]


def test_of_a_type_that_is_none_only_the_type_is_refused(tmp_path: Path) -> None:
    (line,) = said(tmp_path, snippet("wordpress", "{a: 7}", ", ai_budget_usd: 5"))
    assert line.startswith("stores[0].apps[0].type: is no app type")


def test_right_fields_are_read_and_secret_ones_hidden(tmp_path: Path) -> None:
    fields = "{cluster: ch4, phoenix_api_key: '${TOKEN}', unleash_url: 'https://u.example.com/a'}"
    entry = taken(tmp_path, snippet(GPT, fields))
    assert entry.fields == {
        "cluster": "ch4",
        "phoenix_api_key": Secret(CANARY),
        "unleash_url": "https://u.example.com/a",
    }
    assert CANARY not in repr(entry)


@pytest.mark.parametrize("app_type", ["polydock-app", *AI_TYPES, CLAW, "dependency-track"])
def test_no_type_needs_a_field(tmp_path: Path, app_type: str) -> None:
    assert taken(tmp_path, f"type: {app_type}").fields == {}


# -- what amazee.ai makes


@pytest.mark.parametrize(
    "one",
    [
        *(snippet(app_type) for app_type in AI_TYPES),
        snippet(CLAW, "{amazeeai_key_mode: anonymous}"),
        snippet(CLAW, "{amazeeai_key_mode: user}"),
    ],
)
def test_an_app_that_needs_ai_needs_a_store_with_a_region(tmp_path: Path, one: str) -> None:
    (line,) = said(tmp_path, snippet("polydock-app"), one, region="")
    assert line == (
        "stores[0].apps[1].type: works with amazee.ai, and its store has no amazee_ai_region_id; "
        "expected both"
    )
    assert taken(tmp_path, one).needs_ai


@pytest.mark.parametrize(
    "one",
    [
        snippet("polydock-app"),
        snippet("dependency-track"),
        snippet(CLAW),
        snippet(CLAW, "{amazeeai_key_mode: injected}"),
    ],
)
def test_an_app_for_which_nothing_is_made_needs_no_region(tmp_path: Path, one: str) -> None:
    assert not taken(tmp_path, one, region="").needs_ai


def test_every_app_without_a_region_is_named(tmp_path: Path) -> None:
    apps = (snippet(app_type) for app_type in (GPT, "polydock-app", CLAW, "anything-llm"))
    lines = said(tmp_path, *apps, region="")
    assert [line.split(": ")[0] for line in lines] == [
        "stores[0].apps[0].type",
        "stores[0].apps[3].type",
    ]


def test_a_region_that_is_wrong_is_not_called_missing_as_well(tmp_path: Path) -> None:
    (line,) = said(tmp_path, snippet(GPT), region="amazee_ai_region_id: 0")
    assert line.startswith("stores[0].amazee_ai_region_id: expected 1 or more")


BUDGET = ", ai_budget_usd: {}"


@pytest.mark.parametrize(
    "one",
    [
        snippet("polydock-app", more=BUDGET.format(5)),
        snippet("dependency-track", more=BUDGET.format(5)),
        snippet(CLAW, more=BUDGET.format(5)),
        snippet(CLAW, "{amazeeai_key_mode: injected}", BUDGET.format(0)),
    ],
)
def test_a_budget_without_a_key_is_refused(tmp_path: Path, one: str) -> None:
    (line,) = said(tmp_path, one)
    assert line.startswith("stores[0].apps[0].ai_budget_usd: no key is made for an app of the type")


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ("-1", "expected 0.0 or more"),
        ("100001", "or less"),
        (".nan", "or less"),
        (".inf", "or less"),
        ("'5'", "expected a number, got text"),
        ("true", "expected a number, got true or false"),
        ("[5]", "expected a number, got a list"),
    ],
)
def test_a_budget_is_a_number_within_reason(tmp_path: Path, budget: str, words: str) -> None:
    (line,) = said(tmp_path, snippet(GPT, more=BUDGET.format(budget)))
    assert line.startswith("stores[0].apps[0].ai_budget_usd: ")
    assert words in line


@pytest.mark.parametrize(("budget", "usd"), [("5", 5.0), ("0.25", 0.25), ("0", 0.0)])
def test_a_budget_is_taken_where_a_key_is_made(tmp_path: Path, budget: str, usd: float) -> None:
    for app_type in AI_TYPES:
        assert taken(tmp_path, snippet(app_type, more=BUDGET.format(budget))).ai_budget_usd == usd
    users = snippet(CLAW, "{amazeeai_key_mode: user}", BUDGET.format(budget))
    assert taken(tmp_path, users).ai_budget_usd == usd


def test_a_field_that_is_wrong_does_not_make_the_budget_wrong(tmp_path: Path) -> None:
    (line,) = said(tmp_path, snippet(CLAW, "{amazeeai_key_mode: x}", BUDGET.format(5)))
    assert ".fields.amazeeai_key_mode: " in line


def test_a_field_and_a_variable_of_one_name_are_two_in_the_environment() -> None:
    field = field_env_name("eu", "gpt", "phoenix_api_key")
    assert field == "POLYDOCK_FIELD_EU__GPT__PHOENIX_API_KEY"
    assert field != variable_env_name("eu", "gpt", "PHOENIX_API_KEY")
