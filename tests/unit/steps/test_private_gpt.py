import base64
import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from polydock_pipelines.lifecycle.holding import Holding, HoldingKind
from polydock_pipelines.lifecycle.instance import Instance, Scope
from polydock_pipelines.lifecycle.outcome import Done, Facts, Failed, Outcome, Waiting
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import AlreadyExistsError, EndpointError, RefusedError
from polydock_pipelines.ports.amazee_ai import AiTeam, AiUser, NewAiTeam
from polydock_pipelines.steps.private_gpt import check, configure, hosts, team_name
from tests.fakes.amazee_ai import FakeAmazeeAi, StoredUser
from tests.fakes.clock import START
from tests.fakes.lagoon import FakeLagoon
from tests.makers import a_target, an_app
from tests.unit.steps.ai_life import OWN, ai_instance, ai_world, lost
from tests.unit.steps.step_world import StepWorld, a_world

TARGET = a_target(ai_region_id=1, deploy_target_id=131)
STORE = an_app(store_name="EU trials", store_id=7)
CONFIGURING = replace(ai_instance("private-gpt", stage="post-create"), target=TARGET, app=STORE)
NAME = CONFIGURING.name
TEAM = f"gpt-{NAME}"
KEY = f"llm-eu-{TEAM}"
TOKEN = f"private-gpt-backend-{TEAM}"
GENERATED = ("OAUTH_DRUPAL_CLIENT_SECRET", "CHAINLIT_AUTH_SECRET", "MCP_AUTH_SECRET")
GIVEN = {
    "phoenix_api_key": "phoenix-key",  # pragma: allowlist secret
    "phoenix_collector_endpoint": "https://phoenix.example.com",
    "unleash_api_token": "unleash-token",
    "unleash_url": "https://unleash.example.com",
    "registry_ghcr_username": "robot",
    "registry_ghcr_password": "robot tiger",  # pragma: allowlist secret
}
"""What a store app may say."""


def with_fields(fields: dict[str, str], instance: Instance = CONFIGURING) -> Instance:
    return replace(instance, fields={name: Secret(value) for name, value in fields.items()})


def run(world: StepWorld, instance: Instance = CONFIGURING) -> Outcome:
    return configure(world.again(instance), world.ports)


def values(world: StepWorld) -> dict[str, str]:
    return world.lagoon.values(NAME)


def the_tenant(world: StepWorld) -> StoredUser:
    stored = world.ai.stored_user(OWN)
    assert stored is not None
    return stored


def count(world: StepWorld, operation: str) -> int:
    return world.ai.operations().count(operation)


# -- team, tenant, token, key


def test_the_team_has_the_instances_name_address_and_region() -> None:
    world = ai_world()
    assert isinstance(run(world), Done)
    assert team_name(CONFIGURING) == TEAM
    (asked,) = [c.arguments["new"] for c in world.ai.calls if c.operation == "teams.create"]
    assert asked == NewAiTeam(TEAM, OWN, 1)
    (team,) = world.ai.stored_teams
    assert world.journal.held[HoldingKind.AI_TEAM, TEAM].external_id == team.id


def test_the_tenant_is_an_administrator_of_that_team_and_of_nothing_else() -> None:
    world = ai_world()
    run(world)
    (asked,) = [c.arguments for c in world.ai.calls if c.operation == "users.create"]
    (team,) = world.ai.stored_teams
    assert asked == {"email": OWN, "team_id": team.id, "role": "admin"}
    assert world.journal.held[HoldingKind.AI_USER, OWN].external_id == the_tenant(world).user.id


def test_the_backend_token_is_the_tenants_and_is_kept_sealed() -> None:
    world = ai_world()
    outcome = run(world)
    tenant = the_tenant(world)
    made = [c.arguments for c in world.ai.calls if c.operation == "users.create_token"]
    assert made == [{"user_id": tenant.user.id, "name": TOKEN}]
    (token,) = tenant.tokens
    told = values(world)["AMAZEE_AI_BACKEND_TOKEN"]
    assert told == f"text-of-token-{token.id}"
    assert world.journal.kept["amazee-ai-backend-token"] == Secret(told)
    held = world.journal.held[HoldingKind.AI_TOKEN, TOKEN]
    assert (held.owner, held.external_id) == (OWN, token.id)
    assert told not in repr(outcome)


def test_the_key_is_the_teams_and_has_no_database() -> None:
    world = ai_world()
    run(world, replace(CONFIGURING, app=replace(STORE, ai_budget_usd=5.0)))
    (stored,), (team,) = world.ai.stored_keys, world.ai.stored_teams
    assert (stored.key.name, stored.key.team_id, stored.key.owner_id) == (KEY, team.id, None)
    assert stored.key.database is None
    assert stored.budget_usd == 5.0
    held = world.journal.held[HoldingKind.AI_KEY, KEY]
    assert (held.owner, held.external_id) == (TEAM, stored.key.id)


def test_a_repeat_makes_nothing_again_and_writes_the_same() -> None:
    world = ai_world()
    run(world)
    before = values(world)
    assert isinstance(run(world), Done)
    assert values(world) == before
    makes = ["teams.create", "users.create", "users.create_token", "keys.create"]
    assert [count(world, one) for one in makes] == [1, 1, 1, 1]


# -- the variables


def of_the_contract(world: StepWorld) -> dict[str, str]:
    """Return what contract amazee-ai §9 says, save what is generated or encoded."""
    (stored,), (team,), (token,) = (
        world.ai.stored_keys,
        world.ai.stored_teams,
        the_tenant(world).tokens,
    )
    return {
        "POLYDOCK_USER_SELECTED_REGION_NAME": "EU trials",
        "POLYDOCK_USER_SELECTED_REGION_ID": "7",
        "AMAZEE_AI_TEAM_ID": str(team.id),
        "AMAZEE_AI_DEFAULT_REGION_ID": "1",
        "AMAZEEAI_API_KEY": stored.key.llm_token.reveal(),
        "AMAZEEAI_BASE_URL": stored.key.llm_url,
        "AMAZEE_AI_BACKEND_TOKEN": f"text-of-token-{token.id}",
        "OAUTH_DRUPAL_CLIENT_ID": "chainlit",
        "PHOENIX_API_KEY": "phoenix-key",  # pragma: allowlist secret
        "PHOENIX_COLLECTOR_ENDPOINT": "https://phoenix.example.com",
        "PHOENIX_PROJECT_NAME": NAME,
        "UNLEASH_API_TOKEN": "unleash-token",
        "UNLEASH_URL": "https://unleash.example.com",
        "DRUPAL_URL": f"https://{NAME}.login.ch4.private.amazee.ai",
        "CHAINLIT_URL": f"https://{NAME}.ch4.private.amazee.ai",
        "DRUPAL_ADMIN_USER": CONFIGURING.admin.username,
        "DRUPAL_ADMIN_PASSWORD": "Generated4Tests",  # pragma: allowlist secret
        "POLYDOCK_COMPANY_NAME": "Engines Ltd",
        "REGISTRY_ghcr_USERNAME": "robot",
        "REGISTRY_ghcr_PASSWORD": "robot tiger",  # pragma: allowlist secret
    }


def test_the_variables_are_those_of_the_contract() -> None:
    world = ai_world()
    run(world, with_fields(GIVEN))
    written = values(world)
    expected = of_the_contract(world)
    assert {name: written[name] for name in expected} == expected
    usual = {n for n in written if n.startswith("POLYDOCK_") or n.endswith("_INSIGHTS")}
    assert set(written) - usual == {
        *(name for name in expected if not name.startswith("POLYDOCK_")),
        *GENERATED,
        "LAGOON_ROUTES_JSON",
    }


def test_the_credentials_of_the_registry_are_in_its_scope_and_all_else_is_global() -> None:
    world = ai_world()
    run(world, with_fields(GIVEN))
    stored = world.lagoon.stored(NAME)
    assert stored is not None
    scopes = {name: one.scope for name, one in stored.variables.items()}
    registry = {name for name, scope in scopes.items() if scope is Scope.CONTAINER_REGISTRY}
    assert registry == {"REGISTRY_ghcr_USERNAME", "REGISTRY_ghcr_PASSWORD"}
    assert {scope for name, scope in scopes.items() if name not in registry} == {Scope.GLOBAL}


def test_what_the_store_app_leaves_out_is_no_variable() -> None:
    world = ai_world()
    run(world)
    left_out = ("PHOENIX_API", "PHOENIX_COLLECTOR", "UNLEASH", "REGISTRY")
    assert not [name for name in values(world) if name.startswith(left_out)]


def test_the_sites_administrator_is_that_of_the_instance() -> None:
    world = ai_world()
    run(world)
    assert values(world)["DRUPAL_ADMIN_USER"] == CONFIGURING.admin.username
    assert values(world)["DRUPAL_ADMIN_PASSWORD"] == "Generated4Tests"  # pragma: allowlist secret


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_secret_has_64_characters_and_outlives_a_repeat(name: str) -> None:
    world = ai_world()
    run(world)
    first = values(world)[name]
    assert re.fullmatch(r"[0-9A-Za-z]{64}", first)
    run(world)
    assert values(world)[name] == first == world.journal.kept[name].reveal()


def test_no_two_generated_secrets_are_alike() -> None:
    world, other = ai_world(), ai_world()
    run(world)
    run(other)
    found = [values(one)[name] for one in (world, other) for name in GENERATED]
    assert len(set(found)) == 6


def test_the_routes_lead_to_the_login_and_to_the_chat() -> None:
    world = ai_world()
    run(world)
    routes = json.loads(base64.b64decode(values(world)["LAGOON_ROUTES_JSON"]))
    zone = "ch4.private.amazee.ai"
    assert routes == {
        "routes": [
            {"domain": f"{NAME}.login.{zone}", "service": "nginx", "tls-acme": True},
            {"domain": f"{NAME}.{zone}", "service": "chat", "tls-acme": True},
        ]
    }


# -- the cluster


def at(deploy_target: int, **fields: str) -> Instance:
    target = replace(TARGET, deploy_target_id=deploy_target)
    return with_fields(fields, replace(CONFIGURING, target=target, facts=Facts()))


@pytest.mark.parametrize(
    ("deploy_target", "cluster"),
    [(1, "test"), (131, "ch4"), (115, "de3"), (132, "au2"), (126, "us2"), (122, "uk3")],
)
def test_the_host_names_follow_the_deploy_target(deploy_target: int, cluster: str) -> None:
    login, chat = hosts(at(deploy_target))
    assert login == f"{NAME}.login.{cluster}.private.amazee.ai"
    assert chat == f"{NAME}.{cluster}.private.amazee.ai"


@pytest.mark.parametrize("deploy_target", [131, 999])
def test_the_field_says_more_than_the_deploy_target(deploy_target: int) -> None:
    instance = at(deploy_target, cluster="nz1")
    assert hosts(instance)[1] == f"{NAME}.nz1.private.amazee.ai"
    assert isinstance(check(instance, a_world(FakeLagoon()).ports), Done)


def test_an_unknown_deploy_target_without_the_field_fails_for_good_before_all_else() -> None:
    world = a_world()
    outcome = check(at(999), world.ports)
    assert isinstance(outcome, Failed)
    assert outcome.is_final
    assert "deploy target 999" in outcome.reason
    assert "`cluster`" in outcome.reason
    assert (world.ai.calls, world.lagoon.calls) == ([], [])


def test_the_region_and_the_name_are_looked_at_beforehand() -> None:
    world = a_world(FakeLagoon())
    assert check(at(131), world.ports) == Done(Facts(name=NAME))
    assert world.ai.operations() == ["check", "region"]
    bad = replace(at(131), target=replace(TARGET, ai_region_id=None))
    assert isinstance(check(bad, world.ports), Failed)


# -- what was lost


def test_a_lost_token_means_that_the_user_is_made_anew_with_one_token() -> None:
    world = ai_world(FakeAmazeeAi(failing_after={"users.create_token": [lost()]}))
    with pytest.raises(EndpointError):
        run(world)
    first = the_tenant(world).user
    assert isinstance(run(world), Done)
    tenant, (team,) = the_tenant(world), world.ai.stored_teams
    assert (tenant.user.id != first.id, tenant.user.team_id) == (True, team.id)
    (token,) = tenant.tokens
    assert values(world)["AMAZEE_AI_BACKEND_TOKEN"] == f"text-of-token-{token.id}"
    assert world.journal.held[HoldingKind.AI_USER, OWN].external_id == tenant.user.id


def test_tokens_of_other_names_are_no_reason_to_begin_again() -> None:
    world = ai_world(FakeAmazeeAi(failing={"users.create_token": [lost()]}))
    with pytest.raises(EndpointError):
        run(world)
    world.ai.users.create_token(the_tenant(world).user.id, "mine")
    assert isinstance(run(world), Done)
    assert count(world, "users.delete") == 0
    assert [token.name for token in the_tenant(world).tokens] == ["mine", TOKEN]


def test_a_tenant_that_was_deleted_by_hand_comes_back_with_a_token_that_is_good() -> None:
    world = ai_world()
    run(world)
    world.ai.users.delete(the_tenant(world).user.id)
    assert isinstance(run(world), Done)
    (token,) = the_tenant(world).tokens
    assert values(world)["AMAZEE_AI_BACKEND_TOKEN"] == f"text-of-token-{token.id}"


def test_a_team_that_was_deleted_by_hand_comes_back_with_its_tenant_in_it() -> None:
    world = ai_world()
    run(world)
    (old,), (stray,) = world.ai.stored_teams, world.ai.stored_keys
    world.ai.teams.delete(old.id)
    assert isinstance(run(world), Done)
    (team,), tenant = world.ai.stored_teams, the_tenant(world)
    assert tenant.user.team_id == team.id != old.id
    (token,) = tenant.tokens
    written = values(world)
    assert written["AMAZEE_AI_TEAM_ID"] == str(team.id)
    assert written["AMAZEE_AI_BACKEND_TOKEN"] == f"text-of-token-{token.id}"
    (key,) = world.ai.stored_keys
    assert key.key.id != stray.key.id
    assert key.key.id in {one.external_id for one in world.journal.held.values()}


def test_a_team_whose_creation_got_no_answer_is_found_again() -> None:
    world = ai_world(FakeAmazeeAi(failing_after={"teams.create": [lost()]}))
    with pytest.raises(EndpointError):
        run(world)
    assert world.journal.held[HoldingKind.AI_TEAM, TEAM].external_id is None
    assert isinstance(run(world), Done)
    (team,) = world.ai.stored_teams
    assert world.journal.held[HoldingKind.AI_TEAM, TEAM].external_id == team.id


def test_a_team_that_shows_up_while_we_make_it_is_ours_by_its_address() -> None:
    known = AlreadyExistsError("known")
    world = ai_world(FakeAmazeeAi(failing_after={"teams.create": [known]}))
    assert isinstance(run(world), Done)
    (team,) = world.ai.stored_teams
    assert world.journal.held[HoldingKind.AI_TEAM, TEAM].external_id == team.id


def test_a_key_that_may_be_in_the_making_is_awaited_before_anything_is_written() -> None:
    world = ai_world()
    entry = Holding(HoldingKind.AI_KEY, KEY, TEAM, meant_at=START - timedelta(seconds=1))
    world.journal.held[entry.kind, entry.name] = entry
    assert isinstance(run(world), Waiting)
    assert "AMAZEE_AI_TEAM_ID" not in values(world)


# -- what is not ours


@pytest.mark.parametrize(
    ("team", "why"),
    [
        (AiTeam(9, TEAM, OWN, is_deleted=True), "was soft-deleted there"),
        (AiTeam(9, TEAM, "eve@example.com"), "belongs to somebody else"),
    ],
)
def test_a_team_that_is_deleted_or_foreign_fails_for_good(team: AiTeam, why: str) -> None:
    world = ai_world(FakeAmazeeAi(teams=[team]))
    outcome = run(world)
    assert outcome == Failed(
        f"amazee.ai has a team {TEAM}, and it {why}; remove this instance and make another",
        is_final=True,
    )
    assert world.journal.held == {}
    assert {"users.create", "keys.create"}.isdisjoint(world.ai.operations())


def test_a_team_that_was_there_with_our_address_is_ours() -> None:
    world = ai_world(FakeAmazeeAi(teams=[AiTeam(9, TEAM, OWN.upper())]))
    assert isinstance(run(world), Done)
    assert world.journal.held[HoldingKind.AI_TEAM, TEAM].external_id == 9


def test_an_address_that_another_team_has_is_refused_and_leaves_no_entry() -> None:
    world = ai_world(FakeAmazeeAi(teams=[AiTeam(9, "gpt-other", OWN)]))
    with pytest.raises(AlreadyExistsError):
        run(world)
    assert world.journal.held == {}


@pytest.mark.parametrize("team_id", [None, 9])
def test_a_user_of_our_address_in_another_team_fails_for_good_and_stays(
    team_id: int | None,
) -> None:
    before = AiUser(70, OWN, team_id=team_id)
    world = ai_world(FakeAmazeeAi(users=[before], teams=[AiTeam(9, "other", "eve@example.com")]))
    outcome = run(world)
    assert isinstance(outcome, Failed)
    assert outcome.is_final
    assert OWN in outcome.reason
    assert the_tenant(world).user == before


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("teams.create", HoldingKind.AI_TEAM),
        ("users.create", HoldingKind.AI_USER),
        ("keys.create", HoldingKind.AI_KEY),
    ],
)
def test_what_is_refused_is_struck_and_ends_the_step(operation: str, kind: HoldingKind) -> None:
    world = ai_world(FakeAmazeeAi(failing={operation: [RefusedError("a limit is reached")]}))
    with pytest.raises(RefusedError):
        run(world)
    assert world.ai.operations()[-1] == operation
    assert kind not in {one for one, _ in world.journal.held}


def test_a_region_that_was_switched_off_meanwhile_makes_nothing() -> None:
    world = ai_world(FakeAmazeeAi(regions=[]))
    outcome = run(world)
    assert isinstance(outcome, Failed)
    assert outcome.is_final
    assert world.ai.operations() == ["check", "region"]


def test_a_project_that_cannot_be_configured_gets_no_team() -> None:
    lagoon = FakeLagoon(failing={"add_groups_to_project": [RefusedError("no")]})
    world = a_world(lagoon)
    with pytest.raises(RefusedError):
        run(world)
    assert world.ai.calls == []
