from dataclasses import replace
from datetime import timedelta

import pytest

from polydock_pipelines.lifecycle.holding import Holding, HoldingKind
from polydock_pipelines.lifecycle.instance import Scope
from polydock_pipelines.lifecycle.outcome import Done, Facts, Failed, Waiting
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import EndpointError, RefusedError
from polydock_pipelines.ports.amazee_ai import AiDatabase, AiKey
from polydock_pipelines.steps import ai_app
from tests.fakes.amazee_ai import FakeAmazeeAi
from tests.fakes.clock import START
from tests.fakes.lagoon import FakeLagoon
from tests.makers import a_target, a_variable
from tests.unit.steps.ai_life import KEY, OWN, ai_instance, ai_world, lost
from tests.unit.steps.step_world import StepWorld, a_world, our_project

CHECKING = ai_instance("polydock-app-ai", stage="pre-create", facts=Facts())
CONFIGURING = ai_instance("polydock-app-ai", stage="post-create")
DATABASE = AiDatabase("db.example.com", "db_4", "user_4", Secret("tiger"))
THE_KEY = AiKey(
    4, KEY, "eu", 3, None, "https://llm.example.com:8443/v1/x?y=z", Secret("sk-4"), DATABASE
)
CONTRACT = {
    "AI_REGION": "eu",
    "AI_DB_HOST_NAME": "db.example.com",
    "AI_DB_NAME": "db_4",
    "AI_DB_USERNAME": "user_4",
    "AI_DB_PASSWORD": "tiger",  # pragma: allowlist secret
    "AI_LLM_API_URL": "https://llm.example.com:8443/v1/x?y=z",
    "AI_LLM_API_HOSTNAME": "llm.example.com:8443",
    "AI_LLM_API_HOST_NAME": "llm.example.com:8443",
    "AI_LLM_API_TOKEN": "sk-4",
}
"""Contract amazee-ai §9, in its order."""


def shown(key: AiKey) -> dict[str, str]:
    return {one.name: one.value.reveal() for one in ai_app.ai_variables(key)}


def ai_names(world: StepWorld) -> list[str]:
    return [name for name in world.lagoon.values(CONFIGURING.name) if name.startswith("AI_")]


# -- the variables


def test_the_variables_have_the_names_values_and_order_of_the_contract() -> None:
    assert list(shown(THE_KEY).items()) == list(CONTRACT.items())


def test_all_of_them_are_global() -> None:
    assert {one.scope for one in ai_app.ai_variables(THE_KEY)} == {Scope.GLOBAL}


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://llm.example.com", "llm.example.com"),
        ("https://llm.example.com/", "llm.example.com"),
        ("https://llm.eu.example.com/v1/chat", "llm.eu.example.com"),
        ("http://10.0.0.7:4000/v1", "10.0.0.7:4000"),
    ],
)
def test_the_host_is_the_url_without_scheme_and_path(url: str, host: str) -> None:
    values = shown(replace(THE_KEY, llm_url=url))
    assert values["AI_LLM_API_HOSTNAME"] == values["AI_LLM_API_HOST_NAME"] == host
    assert values["AI_LLM_API_URL"] == url


def test_a_key_without_a_database_leaves_out_its_variables() -> None:
    values = shown(replace(THE_KEY, database=None))
    assert values == {n: v for n, v in CONTRACT.items() if not n.startswith("AI_DB_")}


def test_empty_values_are_no_variables() -> None:
    values = {"FULL": Secret("1"), "EMPTY": Secret("")}
    assert [one.name for one in ai_app.as_variables(values)] == ["FULL"]


# -- pre-create


def test_the_name_is_settled_when_the_region_is_good() -> None:
    world = a_world(FakeLagoon())
    assert ai_app.check(CHECKING, world.ports) == Done(Facts(name=CHECKING.name))
    assert world.ai.operations() == ["check", "region"]


def test_a_bad_region_fails_before_lagoon_is_asked_for_anything() -> None:
    world = a_world()
    outcome = ai_app.check(replace(CHECKING, target=a_target(ai_region_id=9)), world.ports)
    assert isinstance(outcome, Failed)
    assert outcome.is_final
    assert world.lagoon.calls == []


def test_an_amazee_ai_that_is_away_is_no_failure_of_the_instance() -> None:
    world = a_world(ai=FakeAmazeeAi(failing={"check": [lost()]}))
    with pytest.raises(EndpointError):
        ai_app.check(CHECKING, world.ports)
    assert world.lagoon.calls == []


# -- post-create


def test_the_project_is_configured_as_any_other_and_then_gets_its_credentials() -> None:
    instance, world = replace(CONFIGURING, variables=(a_variable("THEME"),)), ai_world()
    outcome = ai_app.configure(instance, world.ports)
    assert outcome == Done(Facts(pushed_variables=frozenset({"THEME"})))
    values = world.lagoon.values(instance.name)
    (stored,) = world.ai.stored_keys
    assert {n: v for n, v in values.items() if n.startswith("AI_")} == shown(stored.key)
    assert (values["THEME"], values["POLYDOCK_USER_EMAIL"]) == ("1", "ada@example.com")
    assert (stored.key.name, stored.key.database is not None) == (KEY, True)


def test_no_key_is_made_for_a_project_that_cannot_be_configured() -> None:
    lagoon = FakeLagoon(
        projects=[our_project()], failing={"set_variables": [RefusedError("too many")]}
    )
    world = a_world(lagoon)
    with pytest.raises(RefusedError):
        ai_app.configure(CONFIGURING, world.ports)
    assert world.ai.calls == []


def test_while_a_creation_may_be_under_way_no_variable_is_written() -> None:
    world = ai_world()
    meant = Holding(HoldingKind.AI_KEY, KEY, OWN, meant_at=START - timedelta(seconds=1))
    outcome = ai_app.configure(replace(CONFIGURING, holdings=(meant,)), world.ports)
    assert isinstance(outcome, Waiting)
    assert ai_names(world) == []


def test_a_repeat_writes_the_same_credentials() -> None:
    world = ai_world()
    ai_app.configure(CONFIGURING, world.ports)
    before = world.lagoon.values(CONFIGURING.name)
    ai_app.configure(world.again(CONFIGURING), world.ports)
    assert world.lagoon.values(CONFIGURING.name) == before
    assert len(world.ai.stored_keys) == 1


def test_no_secret_of_a_key_is_in_the_outcome() -> None:
    world = ai_world()
    outcome = ai_app.configure(CONFIGURING, world.ports)
    (stored,) = world.ai.stored_keys
    database = stored.key.database
    assert database is not None
    assert stored.key.llm_token.reveal() not in repr(outcome)
    assert database.password.reveal() not in repr(outcome)
