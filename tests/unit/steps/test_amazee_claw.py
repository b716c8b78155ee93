from dataclasses import replace
from typing import Any

import pytest

from polydock_pipelines.lifecycle.holding import HoldingKind
from polydock_pipelines.lifecycle.instance import Instance, Scope
from polydock_pipelines.lifecycle.outcome import Done, Facts, Failed, Waiting
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports.amazee_ai import AiDatabase, AiKey, AiUser
from polydock_pipelines.steps.amazee_claw import (
    KeyMode,
    check,
    claim_with_key,
    configure,
    mode_of,
    variables_of,
)
from tests.fakes.amazee_ai import FakeAmazeeAi
from tests.fakes.lagoon import FakeLagoon
from tests.fakes.shell import FakeShell, result
from tests.makers import a_target, an_app
from tests.unit.steps.ai_life import KEY, OWN, ai_instance, ai_world, lost, persons
from tests.unit.steps.step_world import StepWorld, a_world

GIVEN = {
    "llm_key": "sk-given",
    "llm_url": "https://llm.given.example.com",
    "vector_db_host": "db.given.example.com",
    "vector_db_port": "6543",
    "vector_db_user": "given_user",
    "vector_db_pass": "given tiger",  # pragma: allowlist secret
    "vector_db_name": "given_db",
    "backend_token": "token-given",
    "team_id": "42",
}
"""What a requester may hand over."""
INJECTED = {
    "AMAZEEAI_API_KEY": "sk-given",  # pragma: allowlist secret
    "AMAZEEAI_BASE_URL": "https://llm.given.example.com",
    "AMAZEEAI_VECTOR_DB_HOST": "db.given.example.com",
    "AMAZEEAI_VECTOR_DB_PORT": "6543",
    "AMAZEEAI_VECTOR_DB_USER": "given_user",
    "AMAZEEAI_VECTOR_DB_PASS": "given tiger",  # pragma: allowlist secret
    "AMAZEEAI_VECTOR_DB_NAME": "given_db",
    "AMAZEEAI_BACKEND_API_TOKEN": "token-given",
    "AMAZEE_AI_TEAM_ID": "42",
}
"""What becomes of it; contract amazee-ai §9."""
PERSON = "ada@example.com"
IN = "https://in.example.com/x"


def claw(mode: str | None = None, fields: dict[str, str] | None = None, **changes: Any) -> Instance:
    chosen = {"amazeeai_key_mode": mode} if mode else {}
    return ai_instance("amazee-claw", {**chosen, **(fields or {})}, **changes)


def claiming(mode: str | None = None, **changes: Any) -> Instance:
    return claw(mode, stage="polydock-claim", **changes)


def values(world: StepWorld) -> dict[str, str]:
    """Return the project's variables that this type adds."""
    found = world.lagoon.values(claw().name)
    return {n: v for n, v in found.items() if n.startswith(("AMAZEEAI_", "AMAZEE_AI_"))}


def of_the_key(world: StepWorld) -> dict[str, str]:
    """Return the variables of the only key that stands."""
    (stored,) = world.ai.stored_keys
    return {name: value.reveal() for name, value in variables_of(stored.key).items()}


# -- the mode


@pytest.mark.parametrize("mode", list(KeyMode))
def test_the_store_app_chooses_the_mode(mode: KeyMode) -> None:
    assert mode_of(claw(mode)) is mode


def test_the_mode_is_injected_unless_somebody_says_otherwise() -> None:
    assert mode_of(claw()) is KeyMode.INJECTED


# -- variables of a key that was made


def test_a_made_key_becomes_seven_variables() -> None:
    database = AiDatabase("db.example.com", "db_4", "user_4", Secret("tiger"))
    key = AiKey(4, KEY, "eu", 3, None, "https://llm.example.com", Secret("sk-4"), database)
    assert {name: value.reveal() for name, value in variables_of(key).items()} == {
        "AMAZEEAI_API_KEY": "sk-4",  # pragma: allowlist secret
        "AMAZEEAI_BASE_URL": "https://llm.example.com",
        "AMAZEEAI_VECTOR_DB_HOST": "db.example.com",
        "AMAZEEAI_VECTOR_DB_PORT": "5432",
        "AMAZEEAI_VECTOR_DB_USER": "user_4",
        "AMAZEEAI_VECTOR_DB_PASS": "tiger",  # pragma: allowlist secret
        "AMAZEEAI_VECTOR_DB_NAME": "db_4",
    }
    assert set(variables_of(replace(key, database=None))) == {
        "AMAZEEAI_API_KEY",
        "AMAZEEAI_BASE_URL",
    }


# -- injected


def test_injected_values_become_variables_without_amazee_ai() -> None:
    world = ai_world()
    assert isinstance(configure(claw(fields=GIVEN), world.ports), Done)
    assert values(world) == INJECTED
    stored = world.lagoon.stored(claw().name)
    assert stored is not None
    assert {stored.variables[name].scope for name in INJECTED} == {Scope.GLOBAL}
    assert world.ai.calls == []


@pytest.mark.parametrize("missing", [name for name in GIVEN if name != "vector_db_port"])
def test_a_value_that_is_missing_is_skipped(missing: str) -> None:
    world = ai_world()
    given = {name: value for name, value in GIVEN.items() if name != missing}
    configure(claw(fields=given), world.ports)
    skipped = set(INJECTED) - set(values(world))
    assert len(skipped) == 1
    assert INJECTED[skipped.pop()] == GIVEN[missing]


def test_a_database_without_a_port_has_the_usual_one() -> None:
    world = ai_world()
    configure(claw(fields={"vector_db_host": "db.example.com"}), world.ports)
    assert values(world)["AMAZEEAI_VECTOR_DB_PORT"] == "5432"


def test_fields_that_are_nobodys_variables_stay_here() -> None:
    world = ai_world()
    configure(claw(fields={"cluster": "ch4"}), world.ports)
    assert values(world) == {}
    assert "ch4" not in world.lagoon.values(claw().name).values()


def test_injected_values_are_written_again_at_the_claim() -> None:
    world = ai_world()
    assert isinstance(claim_with_key(claiming(fields=GIVEN), world.ports), Done)
    assert values(world) == INJECTED
    assert world.ai.calls == []


# -- anonymous


def test_anonymous_makes_a_key_of_the_instances_own_user_before_the_build() -> None:
    world = ai_world()
    assert isinstance(configure(claw("anonymous"), world.ports), Done)
    own = world.ai.stored_user(OWN)
    assert own is not None
    (stored,) = world.ai.stored_keys
    assert (stored.key.name, stored.key.owner_id) == (KEY, own.user.id)
    assert values(world) == of_the_key(world)


def test_anonymous_ignores_what_a_requester_hands_over() -> None:
    world = ai_world()
    configure(claw("anonymous", GIVEN), world.ports)
    assert not set(values(world).values()) & set(GIVEN.values())


def test_the_anonymous_key_is_the_same_at_the_claim() -> None:
    world = ai_world()
    configure(claw("anonymous"), world.ports)
    before = values(world)
    assert isinstance(claim_with_key(world.again(claiming("anonymous")), world.ports), Done)
    assert values(world) == before == of_the_key(world)


def test_anonymous_without_a_key_writes_no_credentials() -> None:
    world = ai_world(FakeAmazeeAi(regions=[]))
    fields = {"openclaw_default_model": "claude"}
    assert isinstance(configure(claw("anonymous", fields), world.ports), Failed)
    assert values(world) == {}


# -- user


def test_user_makes_nothing_before_there_is_a_person() -> None:
    world = ai_world()
    assert isinstance(configure(claw("user"), world.ports), Done)
    assert world.ai.calls == []
    assert values(world) == {}


def test_user_gives_the_person_a_key_of_their_own_user() -> None:
    world = ai_world(FakeAmazeeAi(users=[AiUser(70, PERSON), AiUser(71, "bada@example.com")]))
    assert isinstance(claim_with_key(claiming("user"), world.ports), Done)
    (stored,) = world.ai.stored_keys
    assert (stored.key.name, stored.key.owner_id) == (KEY, 70)
    assert values(world) == of_the_key(world)
    assert {kind for kind, _ in world.journal.held} == {HoldingKind.AI_KEY}


def test_the_person_is_found_whatever_the_case_of_their_address() -> None:
    world = ai_world(FakeAmazeeAi(users=[AiUser(70, PERSON)]))
    claim_with_key(persons(claiming("user"), "Ada@Example.com"), world.ports)
    assert world.ai.stored_keys[0].key.owner_id == 70
    asked = [call.arguments["email"] for call in world.ai.calls if "email" in call.arguments]
    assert asked == [PERSON]


def test_a_person_without_a_user_gets_one() -> None:
    world = ai_world()
    assert isinstance(claim_with_key(claiming("user"), world.ports), Done)
    stored = world.ai.stored_user(PERSON)
    assert stored is not None
    assert world.ai.stored_keys[0].key.owner_id == stored.user.id
    assert {kind for kind, _ in world.journal.held} == {HoldingKind.AI_KEY}


def test_user_without_an_address_fails_for_good_and_writes_nothing() -> None:
    world = ai_world()
    outcome = claim_with_key(persons(claiming("user"), ""), world.ports)
    assert isinstance(outcome, Failed)
    assert outcome.is_final
    assert "no person's address" in outcome.reason
    assert (world.ai.calls, world.lagoon.calls, world.shell.calls) == ([], [], [])


@pytest.mark.parametrize("mode", ["injected", "anonymous"])
def test_the_other_modes_need_no_address(mode: str) -> None:
    outcome = claim_with_key(persons(claiming(mode), ""), ai_world().ports)
    assert isinstance(outcome, Done)


def test_a_region_that_was_switched_off_meanwhile_fails_the_claim() -> None:
    world = ai_world(FakeAmazeeAi(regions=[]))
    outcome = claim_with_key(claiming("user"), world.ports)
    assert isinstance(outcome, Failed)
    assert "no region 1" in outcome.reason
    assert "users.by_email" not in world.ai.operations()


# -- pre-create


def test_injected_settles_the_name_without_amazee_ai_and_without_a_region() -> None:
    world = a_world(FakeLagoon())
    instance = replace(claw(facts=Facts()), target=a_target())
    assert check(instance, world.ports) == Done(Facts(name=instance.name))
    assert world.ai.calls == []


@pytest.mark.parametrize("mode", ["anonymous", "user"])
def test_the_modes_that_make_a_key_need_a_region(mode: str) -> None:
    world = a_world(FakeLagoon())
    outcome = check(replace(claw(mode), target=a_target()), world.ports)
    assert isinstance(outcome, Failed)
    assert "no amazee.ai region" in outcome.reason
    assert isinstance(check(claw(mode), world.ports), Done)


# -- the default model


@pytest.mark.parametrize("mode", ["injected", "anonymous"])
def test_the_default_model_is_a_variable_at_once(mode: str) -> None:
    world = ai_world()
    configure(claw(mode, {"openclaw_default_model": "claude"}), world.ports)
    assert values(world)["AMAZEEAI_DEFAULT_MODEL"] == "claude"


def test_without_a_default_model_there_is_no_such_variable() -> None:
    world = ai_world()
    configure(claw(fields=GIVEN), world.ports)
    assert "AMAZEEAI_DEFAULT_MODEL" not in values(world)


# -- the claim


@pytest.mark.parametrize("mode", ["injected", "anonymous", "user"])
def test_the_claim_script_gets_the_variables_as_exports(mode: str) -> None:
    world = ai_world()
    claim_with_key(claiming(mode, fields={**GIVEN, "openclaw_default_model": "m"}), world.ports)
    (script,) = world.shell.scripts
    written = values(world)
    assert written["AMAZEEAI_DEFAULT_MODEL"] == "m"
    assert "export AMAZEEAI_DEFAULT_MODEL=m\n" in script
    assert f"export AMAZEEAI_API_KEY={written['AMAZEEAI_API_KEY']}\n" in script
    assert all(f"export {name}=" in script for name in written)
    assert script.index("export AMAZEEAI_API_KEY") < script.index("echo https://in.example.com")


def test_a_value_with_a_space_is_quoted_for_the_script() -> None:
    world = ai_world()
    claim_with_key(claiming(fields=GIVEN), world.ports)
    export = "export AMAZEEAI_VECTOR_DB_PASS='given tiger'\n"  # pragma: allowlist secret
    assert export in world.shell.scripts[0]


def test_the_scripts_url_is_the_login_url() -> None:
    outcome = claim_with_key(claiming(fields=GIVEN), ai_world().ports)
    assert isinstance(outcome, Done)
    assert outcome.facts.login_url == Secret(IN)


def test_without_a_script_the_route_is_the_login_url() -> None:
    outcome = claim_with_key(replace(claiming(), app=an_app()), ai_world().ports)
    assert isinstance(outcome, Done)
    assert outcome.facts.login_url == Secret("https://app.example.com")


def test_while_a_key_may_be_in_the_making_nobody_is_let_in() -> None:
    world = ai_world(FakeAmazeeAi(failing={"keys.create": [lost()]}))
    with pytest.raises(type(lost())):
        claim_with_key(claiming("user"), world.ports)
    assert isinstance(claim_with_key(world.again(claiming("user")), world.ports), Waiting)
    assert (values(world), world.shell.calls) == ({}, [])


@pytest.mark.parametrize("code", [0, 5])
def test_no_secret_is_in_an_outcome(code: int) -> None:
    world = ai_world()
    printed = result(f"{GIVEN['llm_key']} {GIVEN['vector_db_pass']}\n{IN}\n", exit_code=code)
    world.shell = FakeShell({"polydock-claim": printed})
    outcome = claim_with_key(claiming(fields=GIVEN), world.ports)
    assert isinstance(outcome, Failed if code else Done)
    told = repr(outcome)
    assert not [value for value in GIVEN.values() if len(value) > 2 and value in told]
