import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from polydock_pipelines.lifecycle.instance import Effect, Scope
from polydock_pipelines.lifecycle.outcome import Done, Facts, Failed, Outcome, Waiting
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import EndpointError, RefusedError
from polydock_pipelines.ports.amazee_ai import AiDatabase, AiKey
from polydock_pipelines.steps import ai_app
from polydock_pipelines.steps.anything_llm import claim_with_settings, settings
from tests.fakes.amazee_ai import FakeAmazeeAi
from tests.fakes.clock import START, FakeClock
from tests.fakes.shell import FakeShell, result
from tests.makers import a_target, an_app
from tests.unit.steps.ai_life import KEY, ai_instance, lost
from tests.unit.steps.step_world import StepWorld, a_world, an_environment, standing_lagoon

ROUTE = "https://app.trial.example.com"
LOGIN = "https://in.example.com/x"
CONFIGURING = ai_instance("anything-llm", stage="post-create")
CLAIMING = replace(CONFIGURING, stage="polydock-claim")
BUILT = replace(CLAIMING.facts, build_bulk_id=CLAIMING.bulk_id, build_status="complete")
"""What is known after a claim whose build ended well."""
MINUTE = timedelta(minutes=1)
THE_KEY = AiKey(
    4,
    KEY,
    "eu",
    3,
    None,
    "https://llm.example.com",
    Secret("sk-4"),
    AiDatabase("db.example.com", "db_4", "user_4", Secret("tiger")),
)
DATABASE = {
    "DB_HOST": "db.example.com",
    "DB_USER": "user_4",
    "DB_PASS": "tiger",  # pragma: allowlist secret
    "DB_NAME": "db_4",
    "DB_PORT": "5432",
}
CONTRACT = {
    "JWT_SECRET": "jwt",  # pragma: allowlist secret
    "AUTH_TOKEN": "auth",
    "LLM_PROVIDER": "litellm",
    "LLM_URL": "https://llm.example.com",
    "LLM_AI_KEY": "sk-4",
    "LITE_LLM_MODEL_PREF": "chat",
    "LITE_LLM_MODEL_TOKEN_LIMIT": "8192",
    "EMBEDDING_ENGINE": "litellm",
    "EMBEDDING_MODEL_PREF": "embeddings",
    "EMBEDDING_MODEL_MAX_CHUNK_LENGTH": "8192",
    "VECTOR_DB": "lancedb",
    **DATABASE,
}
"""Contract amazee-ai §9, in its order."""


def world_of(*, ai: FakeAmazeeAi | None = None, **options: Any) -> StepWorld:
    """Return a world whose builds take a minute, unless *options* say otherwise."""
    clock = FakeClock()
    environment = an_environment(route=ROUTE, routes=(ROUTE,))
    lagoon = standing_lagoon(clock, environment=environment, **{"build_takes": MINUTE, **options})
    shell = FakeShell({"polydock-claim": result(f"{LOGIN}\n")})
    return a_world(lagoon, shell, clock=clock, ai=ai)


def claim(world: StepWorld, **changes: Any) -> Outcome:
    return claim_with_settings(world.again(CLAIMING, **changes), world.ports)


def claimed(world: StepWorld, **changes: Any) -> Outcome:
    """Claim until the build is through, and once more."""
    claim(world, **changes)
    world.clock.advance(MINUTE)
    return claim(world, **changes)


# -- the settings


def shown(key: AiKey) -> dict[str, str]:
    values = settings(key, jwt_secret=Secret("jwt"), auth_token=Secret("auth"))
    return {name: value.reveal() for name, value in values.items()}


def test_the_settings_have_the_names_values_and_order_of_the_contract() -> None:
    assert list(shown(THE_KEY).items()) == list(CONTRACT.items())


def test_a_key_without_a_database_leaves_out_its_settings() -> None:
    expected = {name: value for name, value in CONTRACT.items() if name not in DATABASE}
    assert shown(replace(THE_KEY, database=None)) == expected


def test_all_settings_are_written_as_global_variables_with_the_keys_values() -> None:
    world = world_of()
    claim(world)
    stored, (key,) = world.lagoon.stored(CLAIMING.name), world.ai.stored_keys
    assert stored is not None
    written = {name: stored.variables[name] for name in CONTRACT}
    assert {one.scope for one in written.values()} == {Scope.GLOBAL}
    assert key.key.database is not None
    assert written["LLM_AI_KEY"].value == key.key.llm_token
    assert written["DB_PASS"].value == key.key.database.password


@pytest.mark.parametrize(("name", "length"), [("JWT_SECRET", 64), ("AUTH_TOKEN", 32)])
def test_the_generated_secrets_are_hexadecimal_and_outlive_a_repeat(name: str, length: int) -> None:
    world = world_of()
    claimed(world)
    first = world.lagoon.values(CLAIMING.name)[name]
    assert re.fullmatch(f"[0-9a-f]{{{length}}}", first)
    claimed(world, generation=2, facts=BUILT)
    assert len(world.lagoon.builds) == 2
    assert world.lagoon.values(CLAIMING.name)[name] == first


def test_two_instances_have_other_secrets() -> None:
    one, other = world_of(), world_of()
    claim(one)
    claim(other)
    assert set(one.journal.kept.values()).isdisjoint(other.journal.kept.values())
    assert len(one.journal.kept) == 2


# -- the build


def test_the_settings_are_written_before_a_build_of_variables_only_starts() -> None:
    world = world_of()
    outcome = claim(world)
    assert isinstance(outcome, Waiting)
    assert outcome.until == CLAIMING.deadline
    operations = world.lagoon.operations()
    assert operations.index("set_variables") < operations.index("deploy_environment_branch")
    (build,) = world.lagoon.state.builds
    assert build.build_variables == {"LAGOON_VARIABLES_ONLY": "true"}
    assert build.deployment.bulk_id == CLAIMING.bulk_id


def test_the_claim_script_does_not_run_before_that_build_has_ended() -> None:
    world = world_of()
    claim(world)
    world.clock.advance(MINUTE - timedelta(seconds=1))
    assert isinstance(claim(world), Waiting)
    assert world.shell.calls == []
    world.clock.advance(1)
    outcome = claim(world)
    assert isinstance(outcome, Done)
    assert outcome.facts.login_url == Secret(LOGIN)
    assert len(world.shell.calls) == 1


def test_one_build_is_enough_and_its_end_is_on_the_record() -> None:
    world = world_of()
    outcome = claimed(world)
    (build,) = world.lagoon.builds
    known = Facts(build_name=build.name, build_status="complete", build_bulk_id=CLAIMING.bulk_id)
    assert known in world.journal.recorded
    assert isinstance(outcome, Done)
    assert outcome.note == f"{build.name} is complete"


def test_the_settings_are_written_once_a_build() -> None:
    world = world_of()
    claimed(world)
    written = [
        {one.name for one in call.arguments["variables"]}  # pyright: ignore[reportGeneralTypeIssues, reportAttributeAccessIssue]
        for call in world.lagoon.calls
        if call.operation == "set_variables"
    ]
    assert ["JWT_SECRET" in names for names in written] == [True, False]


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_build_that_ends_badly_fails_the_claim_for_good(status: str) -> None:
    world = world_of(build_status=lambda _build: status)
    outcome = claimed(world)
    assert isinstance(outcome, Failed)
    assert outcome.is_final
    assert f"ended {status}" in outcome.reason
    assert world.shell.calls == []


def test_a_build_that_is_refused_leaves_no_intent_so_the_settings_are_written_again() -> None:
    world = world_of(failing={"deploy_environment_branch": [RefusedError("no")]})
    with pytest.raises(RefusedError):
        claim(world)
    assert (Effect.DEPLOY, CLAIMING.bulk_id) not in world.journal.intents
    assert isinstance(claim(world), Waiting)
    assert len(world.lagoon.builds) == 1


def test_a_start_that_got_no_answer_is_found_and_not_repeated() -> None:
    away = EndpointError("no answer", endpoint="lagoon")
    world = world_of(failing_after={"deploy_environment_branch": [away]})
    with pytest.raises(EndpointError):
        claim(world)
    assert isinstance(claimed(world), Done)
    assert len(world.lagoon.builds) == 1


# -- the key


def test_the_claim_uses_the_key_that_was_made_before_the_build() -> None:
    world = world_of()
    ai_app.configure(CONFIGURING, world.ports)
    assert isinstance(claimed(world), Done)
    assert world.ai.operations().count("keys.create") == 1
    assert len(world.ai.stored_keys) == 1
    values = world.lagoon.values(CLAIMING.name)
    assert values["LLM_AI_KEY"] == values["AI_LLM_API_TOKEN"]
    assert values["DB_PASS"] == values["AI_DB_PASSWORD"]


@pytest.mark.parametrize("stage", ["first", "after the build"])
def test_amazee_ai_is_needed_for_the_settings_only(stage: str) -> None:
    failing = {"check": [lost()]} if stage == "first" else {"check": [None, lost()]}
    world = world_of(ai=FakeAmazeeAi(failing=failing))
    if stage == "first":
        with pytest.raises(EndpointError):
            claim(world)
        assert world.lagoon.calls == []
    else:
        assert isinstance(claimed(world), Done)


def test_without_a_region_nothing_is_built() -> None:
    world = world_of()
    outcome = claim(world, target=a_target(ai_region_id=None))
    assert isinstance(outcome, Failed)
    assert outcome.is_final
    assert world.lagoon.builds == []


# -- the claim


def test_without_a_script_the_route_is_the_login_url() -> None:
    outcome = claimed(world_of(), app=an_app())
    assert isinstance(outcome, Done)
    assert outcome.facts.login_url == Secret(ROUTE)


def test_a_script_that_fails_fails_the_claim_and_no_secret_is_told() -> None:
    world = world_of()
    world.shell = FakeShell({"polydock-claim": result("AUTH tiger", exit_code=3)})
    outcome = claimed(world)
    assert isinstance(outcome, Failed)
    values = world.lagoon.values(CLAIMING.name)
    secrets = ["tiger", *(values[name] for name in ("JWT_SECRET", "AUTH_TOKEN", "LLM_AI_KEY"))]
    assert not [one for one in secrets if one in repr(outcome)]


def test_the_claim_takes_place_when_the_build_is_through_and_not_before() -> None:
    world = world_of()
    claimed(world)
    assert world.lagoon.values(CLAIMING.name)["POLYDOCK_CLAIMED_AT"] == "2026-03-01 09:01:00"
    assert world.clock.now() == START + MINUTE
