"""Every way we know to get a catalogue wrong: what is said of it, and where."""

from pathlib import Path

import pytest

from polydock_pipelines.catalog.problems import CatalogError
from polydock_pipelines.catalog.reading import read_catalog
from tests.unit.catalog.writer import app, raw, store, written

LONG = "x" * 256
MAIL = "mails: {midtrial: {body: Half is over}}"


def lines_of(*files: Path, env: dict[str, str] | None = None) -> list[str]:
    """Return what is said of *files*, without the folder."""
    with pytest.raises(CatalogError) as refused:
        read_catalog(files, env or {})
    return [str(p).replace(f"{files[0].parent}/", "") for p in refused.value.problems]


APP_CASES = [
    # -- keys and kinds
    ("colour: blue", "colour", "is unknown; expected one of key, uuid, name"),
    ("brnch: x", "brnch", "did you mean branch?"),
    ("{'two words': x}", "<a key that is no plain word>", "is unknown"),
    ("name: null", "name", "expected text, got nothing"),
    ("name: yes", "name", "expected text, got true or false; put it in quotes"),
    ("name: 7", "name", "expected text, got a number; put it in quotes"),
    ("name: 1.5", "name", "got a number with a fraction"),
    ("name: 2026-01-01", "name", "got a date; put it in quotes"),
    ("name: [a]", "name", "expected text, got a list"),
    ("name: {a: b}", "name", "expected text, got a mapping"),
    ("name: ''", "name", "is empty"),
    ("name: '  '", "name", "is empty"),
    (f"name: {LONG}", "name", "is too long; expected at most 255 characters"),
    ('name: "a\\nb"', "name", "has several lines"),
    ('name: "a\\0b"', "name", "holds a control character"),
    ('description: "\\e[31m"', "description", "holds a control character"),
    ("description: '-----BEGIN RSA PRIVATE KEY-----'", "description", "holds a private key"),
    # -- identity
    ("key: CMS", "key", "lower-case letters, digits and single dashes"),
    ("key: a--b", "key", "single dashes"),
    ("key: ''", "key", "lower-case letters"),
    ("uuid: 123", "uuid", "put it in quotes"),
    ("uuid: abc", "uuid", "expected a UUID"),
    ("uuid: 6f1c3f0e5d0b4f5e9a562f3f3d1c8b11", "uuid", "expected a UUID"),
    ("website: example.com", "website", "begins with https://"),
    ("website: 'javascript:alert(1)'", "website", "begins with https://"),
    ("support_email: nobody", "support_email", "expected a mail address"),
    ("product_type: '---'", "product_type", "at least one letter"),
    ("type: wordpress", "type", "is no app type; expected one of"),
    # -- what is built
    ("git_url: null", "git_url", "expected text"),
    ("git_url: cms", "git_url", "expected a git URL"),
    ("git_url: 'https://git.example.com/a b'", "git_url", "expected a git URL"),
    ("git_url: 'file:///etc'", "git_url", "expected a git URL"),
    ("git_url: '--upload-pack=x@y:z'", "git_url", "expected a git URL"),
    (f"git_url: https://git.example.com/{'x' * 300}", "git_url", "at most 300"),
    ("git_url: https://me:hunter2@git.example.com/a", "git_url", "holds a password or token"),
    ("branch: a b", "branch", "expected a git branch"),
    ("branch: a..b", "branch", "expected a git branch"),
    ("branch: -x", "branch", "expected a git branch"),
    ("production_environment: ''", "production_environment", "expected a git branch"),
    ("auto_idle: true", "auto_idle", "expected a whole number, got true or false"),
    ("auto_idle: 2", "auto_idle", "expected 1 or less"),
    ("environment_type: prod", "environment_type", "expected 'production' or 'development'"),
    ("status: public", "status", "expected 'available' or 'unavailable'"),
    ("available_for_trials: 'yes'", "available_for_trials", "expected true or false, got text"),
    # -- pool, trial, naming
    ("pool_target: -1", "pool_target", "expected 0 or more"),
    ("pool_target: 1001", "pool_target", "expected 1000 or less"),
    ("{pool_target: 1, naming: {mode: custom}}", "pool_target", "expected 0"),
    ("trial: 7", "trial", "expected a mapping, got a number"),
    ("trial: {}", "trial.days", "is missing"),
    ("trial: {days: 0}", "trial.days", "expected 1 or more"),
    ("trial: {days: 1.5}", "trial.days", "expected a whole number"),
    ("trial: {days: '7'}", "trial.days", "expected a whole number, got text"),
    ("trial: {days: 7, day: 7}", "trial.day", "did you mean days?"),
    ("trial: {days: 7, extension_days: 0}", "trial.extension_days", "expected 1 or more"),
    ("trial: {days: 7, extension_days: x}", "trial.extension_days", "expected a whole number"),
    ("trial: {days: 7, extension_days: 1, max_days: 0}", "trial.max_days", "expected 1 or more"),
    ("trial: {days: 7, extension_days: 1, max_days: 6}", "trial.max_days", "expected 7 or more"),
    ("trial: {days: 7, max_days: 9}", "trial.max_days", "there is no `extension_days`"),
    ("naming: {mode: free}", "naming.mode", "expected 'pattern' or 'custom'"),
    ("naming: {prefix: A_b}", "naming.prefix", "what Lagoon takes"),
    ("naming: {prefix: -a}", "naming.prefix", "what Lagoon takes"),
    (f"naming: {{prefix: {'p' * 25}}}", "naming.prefix", "with the store's prefix"),
    ("naming: {nouns: owl}", "naming.nouns", "expected a list, got text"),
    ("naming: {nouns: [owl, Öwl]}", "naming.nouns[1]", "lower-case letters"),
    ("naming: {adjectives: [supercalifragilistic]}", "naming.adjectives[0]", "at most 13"),
    # -- route
    ("custom_route: {service: web}", "custom_route.domain_pattern", "is missing"),
    *[
        (f"custom_route: {{domain_pattern: '{p}', service: w}}", "custom_route.domain_pattern", why)
        for p, why in [
            ("trials.example.com", "lacks {project}"),
            ("{project}.{name}.example.com", "placeholders {project} and {environment} only"),
            ("{project}", "gives no host name"),
            ("{project}_x.example.com", "gives no host name"),
            ("{project}-is-a-name-that-is-too-long.example.com", "gives no host name"),
            ("https://{project}.example.com", "gives no host name"),
            ("{project}..example.com", "gives no host name"),
            ("{project}.1.2.3", "gives no host name"),
        ]
    ],
    (
        "{branch: a/b, custom_route: {domain_pattern: '{environment}.{project}.io', service: w}}",
        "custom_route.domain_pattern",
        "gives no host name",
    ),
    (
        "custom_route: {domain_pattern: '{project}.io', service: -w}",
        "custom_route.service",
        "a name of Lagoon's",
    ),
    (
        "custom_route: {domain_pattern: '{project}.io', service: w, annotations: {'a b': c}}",
        "custom_route.annotations.<a key that is no plain word>",
        "Kubernetes annotation",
    ),
    (
        "custom_route: {domain_pattern: '{project}.io', service: w, annotations: {a: 1}}",
        "custom_route.annotations.a",
        "put it in quotes",
    ),
    # -- scripts
    ("scripts: {deploy: {script: x}}", "scripts.deploy", "did you mean post_deploy?"),
    ("scripts: {claim: echo}", "scripts.claim", "expected a mapping, got text"),
    ("scripts: {claim: {}}", "scripts.claim.script", "is missing"),
    ("scripts: {claim: {script: ' '}}", "scripts.claim.script", "is empty"),
    ("scripts: {claim: {script: 7}}", "scripts.claim.script", "expected the script's text"),
    ("scripts: {claim: {script: {path: a}}}", "scripts.claim.script", "expected the script's text"),
    ("scripts: {claim: {script: {file: nope.sh}}}", "scripts.claim.script", "No such file"),
    ("scripts: {claim: {script: {file: .}}}", "scripts.claim.script", "cannot be read"),
    ("scripts: {claim: {script: {file: ../a.sh}}}", "scripts.claim.script", "outside the folder"),
    ("scripts: {claim: {script: {file: /etc/hosts}}}", "scripts.claim.script", "outside"),
    (f"scripts: {{claim: {{script: {'x' * 65537}}}}}", "scripts.claim.script", "than 64 KiB"),
    ("scripts: {claim: {script: x, service: CLI}}", "scripts.claim.service", "a name of Lagoon's"),
    ("scripts: {claim: {script: x, container: a b}}", "scripts.claim.container", "Lagoon's"),
    # -- mails
    ("mails: {reddy: {body: x}}", "mails.reddy", "did you mean ready?"),
    ("mails: {ready: {subject: x}}", "mails.ready.body", "is empty; expected the mail's text"),
    ("mails: {ready: {body: ' '}}", "mails.ready.body", "is empty"),
    ("mails: {ready: {body: x, subject: ''}}", "mails.ready.subject", "is empty"),
    ('mails: {ready: {body: x, subject: "a\\nBcc: b"}}', "mails.ready.subject", "several lines"),
    ("mails: {ready: {body: x, enabled: 1}}", "mails.ready.enabled", "expected true or false"),
    ("mails: {hide_credentials: 1}", "mails.hide_credentials", "expected true or false"),
    ("mails: {theme: neon}", "mails.theme", "expected 'dark' or 'light'"),
    (MAIL, "mails.midtrial", "is never due"),
    (MAIL.replace("midtrial", "one_day_left"), "mails.one_day_left", "is never due"),
    (MAIL.replace("midtrial", "trial_complete"), "mails.trial_complete", "is never due"),
    # -- variables
    ("variables: {A: b}", "variables", "expected a list, got a mapping"),
    ("variables: [A]", "variables[0]", "expected a mapping, got text"),
    ("variables: [{name: A}]", "variables[0].value", "is missing"),
    ("variables: [{name: 1A, value: x}]", "variables[0].name", "no digit first"),
    ("variables: [{name: A-B, value: x}]", "variables[0].name", "underscores"),
    ("variables: [{name: polydock_x, value: x}]", "variables[0].name", "is reserved"),
    ("variables: [{name: LAGOON_X, value: x}]", "variables[0].name", "is reserved"),
    ("variables: [{name: AI_X, value: x}]", "variables[0].name", "is reserved"),
    ("variables: [{name: A, value: 7}]", "variables[0].value", "put numbers"),
    ("variables: [{name: A, value: null}]", "variables[0].value", "expected text"),
    ("variables: [{name: A, value: x, scope: GLOBAL}]", "variables[0].scope", "'global'"),
    ("variables: [{name: A, value: x, scope: polydock}]", "variables[0].scope", "'runtime'"),
    ("variables: [{name: A, value: '${HOME}'}]", "variables[0].value", "`secret: true` only"),
    ("variables: [{name: A, value: x, secret: true}]", "variables[0].value", "is a secret"),
    ("variables: [{name: A, value: 'x${B}', secret: true}]", "variables[0].value", "is a secret"),
    ("variables: [{name: A, value: '${B}', secret: true}]", "variables[0].value", "B is not set"),
    ("variables: [{name: A, value: '${E}', secret: true}]", "variables[0].value", "E is empty"),
    (
        "variables: [{name: A, value: 'PuTTY-User-Key-File-2'}]",
        "variables[0].value",
        "holds a private key",
    ),
    (
        "variables: [{name: A, value: x}, {name: A, value: y}]",
        "variables[1].name",
        "the same variable name as stores[0].apps[0].variables[0].name",
    ),
]

STORE_CASES = [
    ("webhooks: []", "webhooks", "is unknown"),
    ("key: eu_1", "key", "lower-case letters"),
    ("key: null", "key", "expected text, got nothing"),
    ("status: listed", "status", "expected 'public', 'private' or 'unavailable'"),
    ("listed_in_marketplace: 1", "listed_in_marketplace", "expected true or false"),
    ("lagoon: null", "lagoon", "expected a mapping, got nothing"),
    ("lagoon: {}", "lagoon.organization_id", "is missing"),
    ("amazee_ai_region_id: 0", "amazee_ai_region_id", "expected 1 or more"),
    ("amazee_ai_region_id: 3000000000", "amazee_ai_region_id", "2147483647 or less"),
    ("variables: [{name: A, value: 1}]", "variables[0].value", "put numbers"),
]

LAGOON_CASES = [
    ("organization_id: '1'", "organization_id", "expected a whole number, got text"),
    ("deploy_target_id: 0", "deploy_target_id", "expected 1 or more"),
    ("project_prefix: Trial", "project_prefix", "what Lagoon takes in a project's name"),
    ("project_prefix: a--b", "project_prefix", "single dashes"),
    ("project_prefix: ''", "project_prefix", "what Lagoon takes"),
    (f"project_prefix: {'p' * 31}", "project_prefix", "at most 30 characters"),
    ("group_name: ''", "group_name", "is empty"),
    ("region: 1", "region", "is unknown; expected one of organization_id"),
    ("deploy_key: abc", "deploy_key", "is a secret; expected a reference"),
    ("deploy_key: ''", "deploy_key", "is a secret"),
    ("deploy_key: 7", "deploy_key", "is a secret"),
    ("deploy_key: $KEY", "deploy_key", "is a secret"),
    ("deploy_key: '${NO_KEY}'", "deploy_key", "NO_KEY is not set; set it, then apply again"),
    ("deploy_key: '${JUNK}'", "deploy_key", "holds no private key"),
    ("deploy_key: '${BROKEN}'", "deploy_key", "holds no private key"),
]

FILE_CASES = [
    ("", "is empty; expected a mapping with `stores`"),
    ("# nothing\n", "is empty"),
    ("- a\n", "expected a mapping, got a list"),
    ("text\n", "expected a mapping, got text"),
    ("{}", "stores: is missing"),
    ("stores:\n", "stores: expected a list, got nothing"),
    ("stores: {a: b}\n", "stores: expected a list, got a mapping"),
    ("stores: [x]\n", "stores[0]: expected a mapping, got text"),
    ("product_types: []\nstores: []\n", "product_types: is unknown; expected one of stores"),
    ("stores: [\n", "line 2, column 1: "),
    ("stores:\n\t- key: a\n", "line 2, column 1: found character '\\t'"),
    ("a: b: c\n", "line 1, column 5: mapping values are not allowed here"),
    ("stores: []\nstores: []\n", "line 2, column 1: a key is written twice"),
    ("stores: [*nobody]\n", "line 1, column 10: found undefined alias"),
    ("stores: !!python/object:os.system []\n", "line 1, column 9: could not determine"),
    ("stores: []\n---\nstores: []\n", "line 2, column 1: but found another document"),
    ("{[a]: b}: c", "line 1, column 1: "),
    ("stores: &a [*a]\n", "stores[0]: "),
    ("stores: 2026-99-99\n", "is no YAML"),
    ("stores: \0\n", "is no YAML"),
    ("[" * 3000, "is nested too deeply"),
]


@pytest.mark.parametrize(("snippet", "path", "words"), APP_CASES)
def test_an_app_is_refused(tmp_path: Path, snippet: str, path: str, words: str) -> None:
    file = written(tmp_path, store("", app(snippet)))
    (line,) = lines_of(file, env={"E": ""})
    assert line.startswith(f"catalog.yaml: stores[0].apps[0].{path}: "), line
    assert words in line


@pytest.mark.parametrize(("snippet", "path", "words"), STORE_CASES)
def test_a_store_is_refused(tmp_path: Path, snippet: str, path: str, words: str) -> None:
    line = lines_of(written(tmp_path, store(snippet, app())))[0]
    assert line.startswith(f"catalog.yaml: stores[0].{path}: "), line
    assert words in line


@pytest.mark.parametrize(("snippet", "path", "words"), LAGOON_CASES)
def test_a_place_in_lagoon_is_refused(tmp_path: Path, snippet: str, path: str, words: str) -> None:
    whole = store("", app())
    whole["lagoon"] = whole["lagoon"] | store(f"lagoon: {{{snippet}}}")["lagoon"]
    broken = "-----BEGIN OPENSSH PRIVATE KEY-----\nxx\n-----END OPENSSH PRIVATE KEY-----"
    (line,) = lines_of(written(tmp_path, whole), env={"JUNK": "x", "BROKEN": broken})
    assert line.startswith(f"catalog.yaml: stores[0].lagoon.{path}: "), line
    assert words in line


@pytest.mark.parametrize(("text", "words"), FILE_CASES)
def test_a_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (line,) = lines_of(raw(tmp_path, text))
    assert line.startswith(f"catalog.yaml: {words}"), line


@pytest.mark.parametrize("word", ["key", "name", "git_url"])
def test_what_an_app_must_have(tmp_path: Path, word: str) -> None:
    incomplete = {name: value for name, value in app().items() if name != word}
    assert lines_of(written(tmp_path, store("", incomplete))) == [
        f"catalog.yaml: stores[0].apps[0].{word}: is missing"
    ]


def test_a_key_that_is_no_text(tmp_path: Path) -> None:
    assert lines_of(written(tmp_path, store("", app("{7: x}")))) == [
        "catalog.yaml: stores[0].apps[0]: expected keys that are text"
    ]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    assert lines_of(tmp_path / "none.yaml", tmp_path, binary) == [
        "none.yaml: cannot be read: No such file or directory",
        f"{tmp_path}: cannot be read: Is a directory",
        "binary.yaml: is not text in UTF-8",
    ]


def test_scripts_in_files_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "binary.sh").write_bytes(b"\xff\xfe")
    (tmp_path / "large.sh").write_text("x" * 65537)
    (tmp_path / "outside.sh").symlink_to("/etc/hosts")
    names = ("binary", "large", "outside")
    apps = [app(f"{{key: {n}, scripts: {{claim: {{script: {{file: {n}.sh}}}}}}}}") for n in names]
    said = lines_of(written(tmp_path, store("", *apps)))
    assert [line.split(": ")[2].split(";")[0] for line in said] == [
        "names a file that is not text in UTF-8",
        "is larger than 64 KiB",
        "names a file outside the folder of the YAML",
    ]


def test_all_problems_of_all_files_come_at_once(tmp_path: Path) -> None:
    first = written(tmp_path, store("colour: x", app("trial: {days: 0}"), app()), name="1.yaml")
    second = raw(tmp_path, "stores: [", name="2.yaml")
    third = written(tmp_path, store("", app("mails: {theme: x}")), name="3.yaml")
    assert [line.rsplit(": ", 1)[0] for line in lines_of(first, second, third)] == [
        "1.yaml: stores[0].apps[0].trial.days",
        "1.yaml: stores[0].colour",
        "2.yaml: line 1, column 10",
        "3.yaml: stores[0].apps[0].mails.theme",
        "1.yaml: stores[0].apps[1].key",
        "3.yaml: stores[0].key",
    ]


def test_all_mails_that_are_never_due_are_named(tmp_path: Path) -> None:
    mails = "mails: {midtrial: {body: x}, trial_complete: {body: y}, ready: {body: z}}"
    said = lines_of(written(tmp_path, store("", app(mails))))
    assert [line.split(": ")[1][-14:] for line in said] == ["mails.midtrial", "trial_complete"]


@pytest.mark.parametrize(
    ("trial", "where", "why"),
    [
        ("{days: 31}", ["days"], "is too long for the type private-gpt; expected at most 30"),
        ("{days: 30, extension_days: 1, max_days: 31}", ["max_days"], "is too long for the type"),
        ("{days: 31, extension_days: 1, max_days: 31}", ["days", "max_days"], "is too long"),
        ("{days: 7, extension_days: 1}", ["max_days"], "is missing, and extensions have no limit"),
    ],
)
def test_no_trial_may_become_longer_than_its_type_allows(
    tmp_path: Path, trial: str, where: list[str], why: str
) -> None:
    one = app(f"{{type: private-gpt, trial: {trial}}}")
    said = lines_of(written(tmp_path, store("amazee_ai_region_id: 1", one)))
    assert [line.split(": ")[1].rpartition(".trial.")[2] for line in said] == where
    assert all(why in line for line in said)


UUID = "uuid: 6f1c3f0e-5d0b-4f5e-9a56-2f3f3d1c8b11"


def test_a_store_or_uuid_of_another_file_is_refused(tmp_path: Path) -> None:
    first = written(tmp_path, store("", app(UUID)), name="1.yaml")
    second = written(tmp_path, store("", app(UUID.upper().replace("UUID", "uuid"))), name="2.yaml")
    said = [line.replace(f"{tmp_path}/", "") for line in lines_of(first, second)]
    assert said == [
        "2.yaml: stores[0].key: is the same store key as 1.yaml, stores[0].key; expected each once",
        "2.yaml: stores[0].apps[0].uuid: is the same uuid as 1.yaml, stores[0].apps[0].uuid; "
        "expected each once",
    ]


def test_no_refusal_repeats_a_value(tmp_path: Path) -> None:
    canary = "Canary4711"
    snippets = [
        f"{{key: {canary}, name: [{canary}], description: '-----BEGIN PRIVATE KEY {canary}'}}",
        f"git_url: https://u:{canary}@git.example.com/x",
        f"variables: [{{name: A, value: {canary}, secret: true}}, {{name: B, values: {canary}}}]",
        f"{{type: {canary}, status: {canary}, uuid: {canary}, website: {canary}}}",
    ]
    key = f"lagoon: {{deploy_key: '-----BEGIN {canary}'}}"
    file = written(tmp_path, store(key, *[app(s) for s in snippets]))
    assert canary not in "\n".join(lines_of(file))
    broken = raw(tmp_path, f"stores:\n  deploy_key: {canary}: {canary}\n")
    assert canary not in "\n".join(lines_of(broken))
