"""Health, tokens, roles and regions of amazee.ai."""

import re
from dataclasses import replace

import pytest

from tests.integration.simulator.ai_caller import AiCaller, Json

BAD_TOKEN = (401, "Could not validate credentials")
FORBIDDEN = (403, "Not authorized to perform this action")


def test_health_and_version_need_no_token_and_look_at_nothing(ai: AiCaller) -> None:
    stranger = replace(ai, token="none")
    ai.control("PUT", "/settings", revoked=True)

    assert stranger.get("/health") == {"status": "healthy"}
    assert stranger.get("/version") == {"version": "2.1.0"}


def test_me_is_the_seeded_administrator(ai: AiCaller) -> None:
    assert ai.get("/auth/me") == {
        "email": "polydock@example.com",
        "id": 1,
        "is_active": True,
        "is_admin": True,
        "team_id": None,
        "team_name": None,
        "role": None,
        "receive_marketing_updates": False,
    }


def test_no_token_and_a_wrong_one_are_401(ai: AiCaller) -> None:
    bare = ai.http.get(f"{ai.url}/amazee-ai/auth/me")
    wrong = replace(ai, token="wrong").refusal("GET", "/auth/me")

    assert (bare.status_code, bare.json()["detail"]) == wrong == BAD_TOKEN
    assert bare.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("header", ["Basic abc", "Bearer", "Bearer a b"])
def test_another_scheme_is_401_with_other_words(ai: AiCaller, header: str) -> None:
    answer = ai.send("GET", "/auth/me", headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer.json()["detail"].startswith("Invalid authorization header format")


def test_a_revoked_token_is_401_until_it_is_no_more(ai: AiCaller) -> None:
    ai.control("PUT", "/settings", revoked=True)
    assert ai.refusal("GET", "/auth/me") == BAD_TOKEN

    ai.control("PUT", "/settings", revoked=False)
    assert ai.get("/auth/me")["id"] == 1


def test_an_administrator_who_is_switched_off_is_told_so_and_may_go_on(ai: AiCaller) -> None:
    ai.control("PUT", "/settings", admin_is_active=False)

    assert ai.get("/auth/me")["is_active"] is False
    assert ai.user() > 1


def test_who_is_no_administrator_any_more_is_refused(ai: AiCaller) -> None:
    ai.control("PUT", "/settings", admin_is_admin=False)

    assert ai.get("/auth/me")["is_admin"] is False
    assert ai.refusal("POST", "/users", email="a@autogen.null") == FORBIDDEN
    assert ai.refusal("GET", "/regions/1") == FORBIDDEN


def test_the_role_system_admin_gives_nothing(ai: AiCaller) -> None:
    user = ai.user(role="system_admin")

    assert ai.as_user(user).refusal("GET", "/users/search?email=a") == FORBIDDEN


def test_a_token_is_told_once_and_works(ai: AiCaller) -> None:
    user = ai.user()

    made = ai.post("/auth/token", name="backend", user_id=user)
    listed = ai.get("/auth/token", user_id=user)

    assert re.fullmatch(r"[\w-]{43}", made["token"])
    assert listed == [{name: made[name] for name in made if name != "token"}]
    assert replace(ai, token=made["token"]).get("/auth/me")["id"] == user


def test_a_token_without_a_user_is_the_callers_own(ai: AiCaller) -> None:
    assert ai.post("/auth/token", name="backend")["user_id"] == 1
    assert [token["name"] for token in ai.get("/auth/token")] == ["polydock", "backend"]


def test_one_name_twice_makes_two_tokens(ai: AiCaller) -> None:
    first, second = (ai.post("/auth/token", name="backend") for _ in range(2))

    assert first["id"] != second["id"]
    assert first["token"] != second["token"]


def test_a_token_remembers_its_last_use(ai: AiCaller) -> None:
    assert ai.post("/auth/token", name="backend")["last_used_at"] is None
    assert ai.get("/auth/token")[0]["last_used_at"] == ai.at()


def test_only_an_own_token_can_be_deleted_even_by_an_administrator(ai: AiCaller) -> None:
    user = ai.user()
    own, other = ai.post("/auth/token", name="a"), ai.post("/auth/token", name="b", user_id=user)

    assert ai.refusal("DELETE", f"/auth/token/{other['id']}") == (404, "Token not found")
    assert ai.send("DELETE", f"/auth/token/{own['id']}").json().keys() == {"message"}
    assert ai.refusal("DELETE", f"/auth/token/{own['id']}") == (404, "Token not found")
    assert replace(ai, token=own["token"]).refusal("GET", "/auth/me") == BAD_TOKEN


@pytest.mark.parametrize(
    ("body", "status"), [({"name": "a", "user_id": 99}, 404), ({}, 422), ({"name": 7}, 422)]
)
def test_a_token_that_cannot_be_made_is_refused(ai: AiCaller, body: Json, status: int) -> None:
    assert ai.send("POST", "/auth/token", json=body).status_code == status


def test_a_user_asks_for_no_tokens_of_another(ai: AiCaller) -> None:
    caller = ai.as_user(ai.user())

    assert caller.refusal("POST", "/auth/token", name="a", user_id=1) == FORBIDDEN
    assert caller.refusal("GET", "/auth/token?user_id=1") == FORBIDDEN
    assert ai.refusal("GET", "/auth/token?user_id=99") == (404, "User not found")


def test_the_regions_are_the_active_ones(ai: AiCaller) -> None:
    regions = ai.as_user(ai.user()).get("/regions")

    assert [(region["id"], region["name"]) for region in regions] == [
        (1, "eu-central"),
        (2, "us-east"),
    ]
    assert set(regions[0]) == {
        *("id", "name", "label", "description", "postgres_host", "litellm_api_url"),
        *("is_active", "is_dedicated", "created_at"),
    }


def test_an_inactive_region_is_shown_to_who_asks_for_it(ai: AiCaller) -> None:
    region = ai.get("/regions/3")

    assert (region["id"], region["is_active"]) == (3, False)
    assert ai.refusal("GET", "/regions/99") == (404, "Region not found")
    assert ai.as_user(ai.user()).refusal("GET", "/regions/1") == FORBIDDEN


def test_a_dedicated_region_is_listed_for_administrators_alone(ai: AiCaller) -> None:
    ai.control("PUT", "/regions/2", is_dedicated=True)

    assert [region["id"] for region in ai.get("/regions/")] == [1, 2]
    assert [region["id"] for region in ai.as_user(ai.user()).get("/regions")] == [1]


def test_what_is_not_there_is_404_in_json(ai: AiCaller) -> None:
    assert ai.refusal("GET", "/v1/teams/1") == (404, "Not Found")


def test_a_path_that_is_no_number_is_422(ai: AiCaller) -> None:
    assert ai.refusal("GET", "/regions/eu")[0] == 422
