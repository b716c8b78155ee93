"""Private keys of amazee.ai: made once under a name, listed with their secrets."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.simulator.ai_caller import AiCaller, Json

KEYS = "/private-ai-keys"
NO_KEY = (404, "Private AI Key not found")
FORBIDDEN = (403, "Not authorized to perform this action")
LIMIT = (402, "Entity has reached their maximum number of AI keys")
FULL = {
    *("id", "name", "owner_id", "team_id", "region", "region_label", "created_at"),
    *("litellm_token", "litellm_api_url"),
    *("database_name", "database_host", "database_username", "database_password"),
}
DUPLICATE = (
    "Failed to create LiteLLM token: 400: Failed to create LiteLLM key: Status 400: {'error': "
    "{'message': \"Key with alias 'trial-1_at_autogen.null_-_trial-1-proj-creds' already exists. "
    "Unique key aliases across all keys are required.\", 'type': 'bad_request_error', "
    "'param': 'key_alias', 'code': '400'}}"
)


def _ids(keys: Json) -> list[int]:
    return [key["id"] for key in keys]


def _new(owner: int | None = None, **more: Json) -> Json:
    return {"region_id": 1, "name": "trial-1-proj-creds", "owner_id": owner, **more}


def _member(ai: AiCaller, role: str, **team: Json) -> tuple[AiCaller, int, int]:
    team_id = ai.team(**team)
    user = ai.user(team_id=team_id, role=role)
    return ai.as_user(user), user, team_id


@pytest.mark.parametrize("path", [KEYS, f"{KEYS}/"])
def test_a_full_key_is_made_with_200_and_names_no_port(ai: AiCaller, path: str) -> None:
    user = ai.user()

    answer = ai.send("POST", path, json=_new(user, key_alias="mine"))
    key = answer.json()

    assert (answer.status_code, set(key)) == (200, FULL)
    assert (key["owner_id"], key["team_id"], key["region"]) == (user, None, "eu-central")
    assert re.fullmatch(r"sk-[\w-]{22}", key["litellm_token"])
    assert re.fullmatch(r"db_[0-9a-f]{8}", key["database_name"])
    assert re.fullmatch(r"user_[0-9a-f]{8}", key["database_username"])
    assert re.fullmatch(r"[0-9a-f]{32}", key["database_password"])
    assert ai.state("keys")[0]["alias"] == "trial-1_at_autogen.null_-_trial-1-proj-creds"


def test_a_token_has_no_database_and_a_database_no_token(ai: AiCaller) -> None:
    user = ai.user()

    token = ai.post(f"{KEYS}/token", **_new(user))
    database = ai.post(f"{KEYS}/vector-db", **_new(user))

    common = {"id", "owner_id", "team_id", "region", "name"}
    assert set(token) == common | {"litellm_token", "litellm_api_url"}
    assert set(database) == common | {
        *("database_name", "database_host", "database_username", "database_password"),
    }
    listed = ai.get(KEYS, owner_id=user)
    assert (listed[0]["database_name"], listed[1]["litellm_token"]) == (None, None)


def test_a_second_key_of_one_name_is_refused_with_500(ai: AiCaller) -> None:
    user = ai.user()
    ai.key(user)

    assert ai.refusal("POST", KEYS, **_new(user)) == (500, DUPLICATE)
    assert ai.refusal("POST", f"{KEYS}/token", **_new(user)) == (500, DUPLICATE)
    assert len(ai.state("keys")) == 1


def test_names_that_differ_in_signs_an_alias_cannot_have_are_one(ai: AiCaller) -> None:
    user = ai.user()
    ai.key(user, "a b")

    assert ai.refusal("POST", KEYS, **_new(user, name="a?b"))[0] == 500
    assert ai.state("keys")[0]["alias"].endswith("_-_a_b")


def test_the_name_of_another_owner_or_region_is_free(ai: AiCaller) -> None:
    user, other = ai.user(), ai.user("trial-2@autogen.null")
    ai.key(user)

    assert ai.key(other)["name"] == "trial-1-proj-creds"
    assert ai.post(KEYS, **_new(user, region_id=2))["region"] == "us-east"


def test_a_deleted_key_frees_its_name(ai: AiCaller) -> None:
    user = ai.user()
    ai.send("DELETE", f"{KEYS}/{ai.key(user)['id']}")

    assert ai.key(user)["name"] == "trial-1-proj-creds"


def test_a_database_alone_may_have_a_name_twice(ai: AiCaller) -> None:
    user = ai.user()
    first, second = (ai.post(f"{KEYS}/vector-db", **_new(user)) for _ in range(2))

    assert first["database_name"] != second["database_name"]


def test_of_two_that_make_one_key_at_once_one_does(ai: AiCaller) -> None:
    user = ai.user()

    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(ai.send, "POST", KEYS, json=_new(user)) for _ in range(2)]

    assert sorted(one.result().status_code for one in asked) == [200, 500]


@pytest.mark.parametrize("name", ["", "ü" * 300])
def test_any_name_is_taken_and_its_alias_is_fit(ai: AiCaller, name: str) -> None:
    assert ai.key(ai.user(), name)["name"] == name
    assert re.fullmatch(r"[a-zA-Z0-9][\w./-]{0,253}[a-zA-Z0-9]", ai.state("keys")[0]["alias"])


def test_a_key_without_an_owner_is_the_callers(ai: AiCaller) -> None:
    assert ai.post(KEYS, region_id="1", name="a")["owner_id"] == 1


@pytest.mark.parametrize(
    ("more", "status", "detail"),
    [
        ({"team_id": 1}, 400, "Either owner_id or team_id must be specified, not both"),
        ({"region_id": 3}, 404, "Region not found or inactive"),
        ({"region_id": 99}, 404, "Region not found or inactive"),
        ({"owner_id": 99}, 404, "Owner user not found"),
        ({"owner_id": None, "team_id": 99}, 404, "Team not found"),
    ],
)
def test_a_key_that_cannot_be_is_refused(
    ai: AiCaller, more: Json, status: int, detail: str
) -> None:
    body = {**_new(ai.user()), **more}

    assert ai.refusal("POST", KEYS, **body) == (status, detail)
    assert ai.state("keys") == []


@pytest.mark.parametrize("body", [{"region_id": 1}, {"region_id": "eu", "name": "a"}])
def test_a_key_without_a_name_or_a_number_is_422(ai: AiCaller, body: Json) -> None:
    assert ai.refusal("POST", KEYS, **body)[0] == 422


def test_a_region_may_be_switched_off_and_its_keys_still_deleted(ai: AiCaller) -> None:
    user = ai.user()
    key = ai.key(user)["id"]
    ai.control("PUT", "/regions/1", is_active=False)

    assert ai.refusal("POST", KEYS, **_new(user, name="b"))[0] == 404
    assert ai.send("DELETE", f"{KEYS}/{key}").status_code == 200


def test_the_list_shows_an_administrators_own_keys_unless_it_is_said(ai: AiCaller) -> None:
    user = ai.user()
    own, other = ai.post(KEYS, region_id=1, name="a"), ai.key(user)

    assert ai.get(KEYS) == [own]
    assert ai.get(f"{KEYS}/", owner_id=user) == [other]
    assert ai.get(KEYS, show_all=True) == [own, other]


def test_in_the_list_the_owner_wins_over_the_team(ai: AiCaller) -> None:
    user, team = ai.user(), ai.team()
    key, shared = ai.key(user)["id"], ai.post(KEYS, **_new(team_id=team))["id"]

    assert _ids(ai.get(KEYS, owner_id=user, team_id=team)) == [key]
    assert _ids(ai.get(KEYS, team_id=team)) == [shared]


def test_the_list_searches_databases_and_not_names(ai: AiCaller) -> None:
    user = ai.user()
    key = ai.key(user)

    assert ai.get(KEYS, owner_id=user, search=key["database_name"].upper()) == [key]
    assert ai.get(KEYS, owner_id=user, search="proj-creds") == []


def test_the_list_of_a_region_follows_the_same_rules(ai: AiCaller) -> None:
    user = ai.user()
    ai.key(user)
    there = ai.post(KEYS, **_new(user, region_id=2))["id"]

    assert _ids(ai.get(f"{KEYS}/region/2", user_id=user)) == [there]
    assert ai.get(f"{KEYS}/region/2") == []


def test_a_key_in_detail_has_its_secrets_and_what_the_key_service_says(ai: AiCaller) -> None:
    key = ai.key(ai.user())

    detail = ai.get(f"{KEYS}/{key['id']}")

    assert key.items() <= detail.items()
    assert detail["key_alias"] == "trial-1_at_autogen.null_-_trial-1-proj-creds"
    assert (detail["max_budget"], detail["budget_duration"], detail["rpm_limit"]) == (
        *(27.0, "30d"),
        500,
    )
    assert detail["expires"] == ai.at(days=365)


def test_a_database_in_detail_is_what_the_backend_knows(ai: AiCaller) -> None:
    key = ai.post(f"{KEYS}/vector-db", **_new(ai.user()))["id"]

    assert set(ai.get(f"{KEYS}/{key}")) == FULL


def test_a_key_is_deleted_once(ai: AiCaller) -> None:
    key = ai.key(ai.user())["id"]

    answer = ai.send("DELETE", f"{KEYS}/{key}")

    assert (answer.status_code, set(answer.json())) == (200, {"message"})
    assert ai.refusal("DELETE", f"{KEYS}/{key}") == NO_KEY
    assert ai.refusal("GET", f"{KEYS}/{key}") == NO_KEY


def test_a_key_of_another_team_than_is_said_is_not_there(ai: AiCaller) -> None:
    key = ai.post(KEYS, **_new(team_id=ai.team()))["id"]

    assert ai.refusal("GET", f"{KEYS}/{key}?team_id=99") == NO_KEY
    assert ai.refusal("DELETE", f"{KEYS}/{key}?team_id=99") == NO_KEY
    assert ai.send("DELETE", f"{KEYS}/{key}?team_id=1").status_code == 200


def test_without_limits_a_key_has_no_budget(ai: AiCaller) -> None:
    ai.control("PUT", "/settings", enable_limits=False)
    key = ai.key(ai.user())["id"]

    detail = ai.get(f"{KEYS}/{key}")

    assert (detail["max_budget"], detail["budget_duration"]) == (None, None)
    assert detail["expires"] == ai.at(days=365)


def test_a_cap_is_by_the_month_and_can_be_taken_away(ai: AiCaller) -> None:
    key = ai.key(ai.user())["id"]

    answer = ai.send("PUT", f"/spend/1/key/{key}/budget", json={"max_budget": 5})
    capped = ai.get(f"/spend/1/key/{key}")
    ai.post(f"/spend/1/key/{key}/budget/clear")

    assert answer.status_code == 200
    assert (answer.json()["max_budget"], answer.json()["budget_duration"]) == (5.0, "1mo")
    assert capped["max_budget"] == 5.0
    assert re.fullmatch(r"\d{4}-\d\d-01T00:00:00Z", capped["budget_reset_at"])
    assert ai.get(f"{KEYS}/{key}/spend")["max_budget"] is None


def test_the_spend_of_a_key_shows_no_budget_but_its_own(ai: AiCaller) -> None:
    spend = ai.get(f"{KEYS}/{ai.key(ai.user())['id']}/spend")

    assert (spend["spend"], spend["max_budget"]) == (0.0, None)
    assert set(spend) == {
        *("spend", "expires", "created_at", "updated_at"),
        *("max_budget", "budget_duration", "budget_reset_at"),
    }


@pytest.mark.parametrize(
    ("region", "amount", "status"), [(2, 5, 404), (1, -1, 422), (1, "much", 422), (1, 0, 200)]
)
def test_a_cap_of_a_wrong_region_or_amount_is_refused(
    ai: AiCaller, region: int, amount: Json, status: int
) -> None:
    key = ai.key(ai.user())["id"]

    answer = ai.send("PUT", f"/spend/{region}/key/{key}/budget", json={"max_budget": amount})

    assert answer.status_code == status
    assert ai.refusal("GET", f"/spend/2/key/{key}") == (404, "Private AI Key not found in region")


def test_who_is_in_no_team_is_never_counted(ai: AiCaller) -> None:
    ai.control("PUT", "/settings", user_keys=0, team_keys=0, vector_dbs=0)
    user = ai.user()

    assert [ai.key(user, name)["name"] for name in "abc"] == ["a", "b", "c"]


def test_a_user_of_a_team_has_one_key_and_the_team_five(ai: AiCaller) -> None:
    team = ai.team()
    user = ai.user(team_id=team)
    ai.post(f"{KEYS}/token", **_new(user))
    for name in "abcde":
        ai.post(f"{KEYS}/token", region_id=1, name=name, team_id=team)

    assert ai.refusal("POST", f"{KEYS}/token", **_new(user, name="b")) == LIMIT
    assert ai.refusal("POST", KEYS, region_id=1, name="f", team_id=team) == LIMIT


def test_the_limits_can_be_lowered_and_switched_off(ai: AiCaller) -> None:
    team = ai.team()
    ai.control("PUT", "/settings", vector_dbs=0)
    refused = ai.refusal("POST", KEYS, region_id=1, name="a", team_id=team)

    ai.control("PUT", "/settings", enable_limits=False)

    assert refused == (402, "Team has reached their maximum vector DB limit.")
    assert ai.post(KEYS, region_id=1, name="a", team_id=team)["team_id"] == team


def test_the_alias_of_a_teams_key_has_the_teams_address(ai: AiCaller) -> None:
    key = ai.post(KEYS, region_id=1, name="llm", team_id=ai.team(email="ann@example.com"))

    assert key["owner_id"] is None
    assert ai.state("keys")[0]["alias"] == "ann_at_example.com_-_llm"


def test_a_key_of_a_pool_team_may_spend_nothing(ai: AiCaller) -> None:
    team = ai.team(budget_type="pool")
    key = ai.post(f"{KEYS}/token", region_id=1, name="llm", team_id=team)["id"]

    assert ai.get(f"{KEYS}/{key}")["max_budget"] == 0.0


def test_a_team_that_wants_keys_of_users_gets_none_and_the_caller_does(ai: AiCaller) -> None:
    team = ai.team(force_user_keys=True)

    made = ai.post(KEYS, region_id=1, name="llm", team_id=team)

    assert (made["owner_id"], made["team_id"]) == (1, None)


def test_a_user_makes_a_full_key_only_with_a_source(ai: AiCaller) -> None:
    caller = ai.as_user(ai.user())
    source = {"X-Amazee-Source": "frontend"}

    assert caller.refusal("POST", KEYS, region_id=1, name="a")[0] == 503
    made = caller.send("POST", KEYS, json={"region_id": 1, "name": "a"}, headers=source)
    assert made.json()["owner_id"] == 2
    strange = caller.send("POST", KEYS, json=_new(1), headers=source)
    assert strange.status_code == 403


@pytest.mark.parametrize("path", ["token", "vector-db"])
def test_a_user_without_a_team_makes_no_part_of_a_key(ai: AiCaller, path: str) -> None:
    caller = ai.as_user(ai.user())

    assert caller.refusal("POST", f"{KEYS}/{path}", region_id=1, name="a") == FORBIDDEN


def test_a_creator_of_a_team_makes_keys_for_that_team_alone(ai: AiCaller) -> None:
    caller, user, team = _member(ai, "key_creator")

    assert caller.post(f"{KEYS}/token", **_new(user))["owner_id"] == user
    assert caller.post(f"{KEYS}/token", **_new(team_id=team))["team_id"] == team
    assert caller.refusal("POST", f"{KEYS}/token", **_new(1)) == FORBIDDEN
    assert caller.refusal("POST", f"{KEYS}/token", **_new(team_id=99)) == FORBIDDEN


def test_a_user_sees_own_keys_and_the_teams(ai: AiCaller) -> None:
    caller, user, team = _member(ai, "read_only")
    own = ai.post(f"{KEYS}/token", **_new(user))["id"]
    shared = ai.post(f"{KEYS}/token", **_new(team_id=team))["id"]
    strange = ai.key(1)["id"]

    assert _ids(caller.get(KEYS)) == [own, shared]
    assert caller.get(f"{KEYS}/{shared}/spend")["spend"] == 0.0
    assert caller.refusal("GET", f"{KEYS}/{strange}/spend") == NO_KEY
    assert caller.refusal("DELETE", f"{KEYS}/{own}") == FORBIDDEN
    assert caller.refusal("GET", f"{KEYS}/{own}") == FORBIDDEN


def test_a_teams_administrator_sees_and_caps_the_keys_of_its_users(ai: AiCaller) -> None:
    ai.control("PUT", "/settings", team_users=2)
    caller, _, team = _member(ai, "admin")
    other = ai.user("ann@example.com", team_id=team)
    key, strange = ai.key(other)["id"], ai.key(1)["id"]

    assert _ids(caller.get(KEYS)) == [key]
    capped = caller.send("PUT", f"/spend/1/key/{key}/budget", json={"max_budget": 1})
    assert capped.status_code == 200
    assert caller.refusal("PUT", f"/spend/1/key/{strange}/budget", max_budget=1) == FORBIDDEN


def test_a_user_without_a_team_touches_own_keys_alone(ai: AiCaller) -> None:
    user = ai.user()
    caller = ai.as_user(user)
    key, strange = ai.key(user)["id"], ai.key(1)["id"]

    assert _ids(caller.get(KEYS)) == [key]
    assert caller.refusal("DELETE", f"{KEYS}/{strange}") == NO_KEY
    assert caller.send("DELETE", f"{KEYS}/{key}").status_code == 200
