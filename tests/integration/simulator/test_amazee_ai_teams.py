"""Teams of amazee.ai: their names are taken for long, and neither deletion takes keys along."""

import pytest

from tests.integration.simulator.ai_caller import AiCaller, Json

KEYS = "/private-ai-keys"
NO_TEAM = (404, "Team not found")
FORBIDDEN = (403, "Not authorized to perform this action")


def _new(**more: Json) -> Json:
    return {"name": "gpt-1", "admin_email": "ann@example.com", "region_id": 1, **more}


@pytest.mark.parametrize("path", ["/teams", "/teams/"])
def test_a_team_is_made_with_201_and_makes_no_user(ai: AiCaller, path: str) -> None:
    answer = ai.send("POST", path, json=_new(phone="1"))
    team = answer.json()

    assert answer.status_code == 201
    assert (team["id"], team["name"], team["admin_email"]) == (1, "gpt-1", "ann@example.com")
    assert (team["is_active"], team["deleted_at"], team["budget_type"]) == (True, None, "periodic")
    assert set(team) == {
        *("name", "admin_email", "phone", "billing_address", "id", "is_active", "is_always_free"),
        *("force_user_keys", "hide_public_regions", "budget_type", "region_id", "products"),
        *("require_purchase_for_requests", "last_pool_purchase", "created_at", "updated_at"),
        *("last_payment", "deleted_at", "retention_warning_sent_at", "allowed_regions"),
    }
    assert len(ai.state("users")) == 1


def test_any_user_may_make_a_team(ai: AiCaller) -> None:
    assert ai.as_user(ai.user()).team()


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"admin_email": "ann@b.test"}, 422),
        ({"admin_email": "ann@mailinator.com"}, 422),
        ({"region_id": 3}, 400),
        ({"region_id": 99}, 400),
        ({"budget_type": "gift"}, 422),
    ],
)
def test_a_team_that_cannot_be_is_refused(ai: AiCaller, more: Json, status: int) -> None:
    assert ai.refusal("POST", "/teams", **_new(**more))[0] == status
    assert ai.state("teams") == []


def test_a_team_without_a_region_is_422(ai: AiCaller) -> None:
    status, detail = ai.refusal("POST", "/teams", name="a", admin_email="ann@example.com")

    assert (status, detail[0]["loc"]) == (422, ["body", "region_id"])


def test_a_team_in_a_dedicated_region_is_refused(ai: AiCaller) -> None:
    ai.control("PUT", "/regions/1", is_dedicated=True)

    assert ai.refusal("POST", "/teams", **_new())[0] == 400


def test_address_and_name_are_taken_in_any_case_by_deleted_teams_too(ai: AiCaller) -> None:
    ai.post(f"/teams/{ai.team('gpt-1', 'ann@example.com')}/soft-delete")

    twin = _new(admin_email="ANN@example.com", name="b")
    namesake = _new(admin_email="bob@example.com", name="GPT-1")
    assert ai.refusal("POST", "/teams", **twin) == (400, "Email already registered")
    assert ai.refusal("POST", "/teams", **namesake) == (400, "Team name already exists")


def test_teams_are_listed_by_name_and_address(ai: AiCaller) -> None:
    first, second = ai.team("gpt-1", "ann@example.com"), ai.team("gpt-10", "bob@example.com")

    assert [team["id"] for team in ai.get("/teams", name="GPT-1")] == [first, second]
    assert [team["id"] for team in ai.get("/teams/", admin_email="bob")] == [second]
    assert [team["id"] for team in ai.get("/teams", skip=1, limit=1)] == [second]
    assert ai.as_user(ai.user()).refusal("GET", "/teams") == FORBIDDEN


def test_a_soft_deleted_team_is_listed_on_request(ai: AiCaller) -> None:
    team = ai.team()
    ai.post(f"/teams/{team}/soft-delete")

    assert ai.get("/teams") == []
    assert ai.get("/teams", include_deleted=True)[0]["deleted_at"] == ai.at()
    assert ai.refusal("GET", f"/teams/{team}") == NO_TEAM
    assert ai.get(f"/teams/{team}", include_deleted=True)["is_active"] is False


def test_a_team_is_shown_with_its_users(ai: AiCaller) -> None:
    team = ai.team()
    user = ai.user("ann@example.com", team_id=team, role="admin")

    assert [one["id"] for one in ai.get(f"/teams/{team}")["users"]] == [user]
    assert ai.as_user(user).get(f"/teams/{team}")["id"] == team


def test_a_teams_administrator_sees_no_other_team(ai: AiCaller) -> None:
    caller = ai.as_user(ai.user("ann@example.com", team_id=ai.team(), role="admin"))
    other = ai.team("gpt-2", "bob@example.com")

    assert caller.refusal("GET", f"/teams/{other}") == FORBIDDEN
    assert caller.refusal("PUT", f"/teams/{other}", phone="1") == FORBIDDEN
    assert caller.refusal("DELETE", f"/teams/{other}") == FORBIDDEN


def test_a_team_is_changed(ai: AiCaller) -> None:
    team = ai.team()
    ai.team("gpt-2", "bob@example.com")

    changed = ai.send("PUT", f"/teams/{team}", json={"name": "gpt-3"})

    assert (changed.status_code, changed.json()["name"]) == (200, "gpt-3")
    assert changed.json()["updated_at"] == ai.at()
    assert ai.refusal("PUT", f"/teams/{team}", name="gpt-2")[0] == 400


def test_no_team_is_404_everywhere(ai: AiCaller) -> None:
    asked = [
        ai.refusal("GET", "/teams/99"),
        ai.refusal("PUT", "/teams/99", name="a"),
        ai.refusal("DELETE", "/teams/99"),
        ai.refusal("POST", "/teams/99/restore"),
    ]

    assert asked == [NO_TEAM] * len(asked)


def test_a_soft_deleted_team_is_gone_for_its_users_and_their_keys_from_lists(ai: AiCaller) -> None:
    team = ai.team()
    user = ai.user("ann@example.com", team_id=team)
    caller = ai.as_user(user)
    key = ai.post(f"{KEYS}/token", region_id=1, name="llm", team_id=team)["id"]

    ai.post(f"/teams/{team}/soft-delete")

    assert ai.get(f"/users/{user}")["is_active"] is False
    assert caller.refusal("GET", "/auth/me")[0] == 403
    assert ai.get(KEYS, team_id=team) == ai.get(KEYS, show_all=True) == []
    assert ai.get(f"{KEYS}/{key}")["expires"] == ai.at()


def test_a_team_is_soft_deleted_once(ai: AiCaller) -> None:
    team = ai.team()
    ai.post(f"/teams/{team}/soft-delete")

    assert ai.refusal("POST", f"/teams/{team}/soft-delete")[0] == 404


def test_a_soft_deleted_team_comes_back_with_users_and_keys(ai: AiCaller) -> None:
    team = ai.team()
    user = ai.user("ann@example.com", team_id=team)
    key = ai.post(f"{KEYS}/token", region_id=1, name="llm", team_id=team)["id"]
    assert ai.refusal("POST", f"/teams/{team}/restore")[0] == 400
    ai.post(f"/teams/{team}/soft-delete")

    ai.post(f"/teams/{team}/restore")

    assert ai.get(f"/users/{user}")["is_active"] is True
    assert [one["id"] for one in ai.get(KEYS, team_id=team)] == [key]
    assert ai.get(f"{KEYS}/{key}")["expires"] == ai.at(days=365)


def test_a_deleted_team_leaves_its_keys_alive_and_its_users_teamless(ai: AiCaller) -> None:
    team = ai.team()
    user = ai.user("ann@example.com", team_id=team)
    key = ai.post(KEYS, region_id=1, name="llm", team_id=team)

    answer = ai.send("DELETE", f"/teams/{team}")

    assert (answer.status_code, set(answer.json())) == (200, {"message"})
    assert ai.get(f"/users/{user}")["team_id"] is None
    assert ai.get(KEYS, team_id=team) == []
    left = ai.get(f"{KEYS}/{key['id']}")
    assert (left["team_id"], left["litellm_token"]) == (None, key["litellm_token"])
    assert ai.state("keys")[0]["alias"] == "ann_at_example.com_-_llm"


def test_the_name_of_a_deleted_team_is_free_and_that_of_its_key_is_not(ai: AiCaller) -> None:
    team = ai.team()
    ai.post(KEYS, region_id=1, name="llm", team_id=team)
    ai.send("DELETE", f"/teams/{team}")

    again = ai.team()

    assert ai.refusal("POST", KEYS, region_id=1, name="llm", team_id=again)[0] == 500
