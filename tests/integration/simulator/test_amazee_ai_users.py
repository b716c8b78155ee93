"""Users of amazee.ai: three ways to look for one, and none is quite what it seems."""

import pytest

from tests.integration.simulator.ai_caller import AiCaller, Json

REGISTERED = (400, "Email already registered")
FORBIDDEN = (403, "Not authorized to perform this action")
NO_USER = (404, "User not found")


def _emails(found: Json) -> list[str]:
    return [user["email"] for user in found]


@pytest.mark.parametrize("path", ["/users", "/users/"])
def test_a_user_is_made_with_201_in_lower_case(ai: AiCaller, path: str) -> None:
    answer = ai.send("POST", path, json={"email": "Ann@Example.COM", "unknown": 1})

    assert answer.status_code == 201
    assert answer.json() == {
        "email": "ann@example.com",
        "id": 2,
        "is_active": True,
        "is_admin": False,
        "team_id": None,
        "team_name": None,
        "role": None,
        "receive_marketing_updates": False,
    }


def test_an_address_twice_in_any_case_is_400(ai: AiCaller) -> None:
    ai.user("ann@example.com")

    assert ai.refusal("POST", "/users", email="ANN@example.com") == REGISTERED


def test_a_tag_makes_another_user(ai: AiCaller) -> None:
    assert ai.user("ann@example.com") != ai.user("ann+trial@example.com")


@pytest.mark.parametrize("local", ["trial-1", "a" * 65])
def test_an_address_that_gets_no_mail_is_fine(ai: AiCaller, local: str) -> None:
    assert ai.user(f"{local}@autogen.null")


@pytest.mark.parametrize("email", ["ann@b.test", "ann@b.local", "ann", "ann@b", ""])
def test_what_is_no_address_is_422(ai: AiCaller, email: str) -> None:
    status, detail = ai.refusal("POST", "/users", email=email)

    assert status == 422
    assert {"type", "loc", "msg", "input"} <= set(detail[0])


def test_a_validation_echoes_what_was_sent_the_password_too(ai: AiCaller) -> None:
    body = {"password": "hunter2"}  # pragma: allowlist secret

    status, detail = ai.refusal("POST", "/users", **body)

    assert (status, detail[0]["loc"]) == (422, ["body", "email"])
    assert detail[0]["input"] == body


def test_a_domain_for_throwing_away_is_422_in_words(ai: AiCaller) -> None:
    refused = ai.refusal("POST", "/users", email="ann@mailinator.com")

    assert refused == (422, "Invalid email domain.")


def test_the_search_finds_parts_and_puts_the_exact_address_last(ai: AiCaller) -> None:
    for email in ("b@x.io", "bob@x.io", "rob@x.io"):
        ai.user(email)

    found = _emails(ai.get("/users/search", email="B@X.io"))

    assert set(found) == {"b@x.io", "bob@x.io", "rob@x.io"}
    assert found[-1] == "b@x.io"


def test_the_search_gives_ten_at_most_the_same_each_time(ai: AiCaller) -> None:
    for number in range(12):
        ai.user(f"trial-{number}@autogen.null")

    found = _emails(ai.get("/users/search", email="autogen"))

    assert len(found) == 10
    assert found != sorted(found)
    assert found == _emails(ai.get("/users/search", email="autogen"))


@pytest.mark.parametrize("text", ["a_n@", "a%@example.com", "%"])
def test_the_search_takes_wildcards(ai: AiCaller, text: str) -> None:
    ai.user("ann@example.com")

    assert "ann@example.com" in _emails(ai.get("/users/search", email=text))


@pytest.mark.parametrize("path", ["/users/search", "/users/search?email=", "/users/by-email"])
def test_a_search_for_nothing_is_422(ai: AiCaller, path: str) -> None:
    assert ai.refusal("GET", path)[0] == 422


def test_by_email_is_exact_but_for_tags(ai: AiCaller) -> None:
    for email in ("ann@example.com", "ann+a@example.com", "joann@example.com"):
        ai.user(email)

    for asked in ("Ann@example.com", "ann+other@example.com"):
        found = _emails(ai.get("/users/by-email", email=asked))
        assert found == ["ann@example.com", "ann+a@example.com"]


def test_by_email_tells_the_name_of_the_team(ai: AiCaller) -> None:
    ai.user("ann@example.com", team_id=ai.team("gpt-1"))

    assert ai.get("/users/by-email", email="ann@example.com")[0]["team_name"] == "gpt-1"
    assert ai.get("/users/search", email="ann@example.com")[0]["team_name"] is None


def test_an_inactive_user_is_only_found_in_the_list_and_only_on_request(ai: AiCaller) -> None:
    email = "trial-1@autogen.null"
    ai.control("PUT", f"/users/{ai.user(email)}", is_active=False)

    assert ai.get("/users/search", email=email) == []
    assert ai.get("/users/by-email", email=email) == []
    assert ai.get("/users", search=email) == []
    assert ai.refusal("POST", "/users", email=email) == REGISTERED
    assert _emails(ai.get("/users", search=email, include_inactive=True)) == [email]


def test_the_list_takes_wildcards_for_what_they_are(ai: AiCaller) -> None:
    ai.user("ann@example.com")
    ai.user("a_n@example.com")

    assert _emails(ai.get("/users", search="A_N")) == ["a_n@example.com"]
    assert ai.get("/users", search="%") == []


def test_the_list_comes_in_pages_and_tells_how_many_there_are(ai: AiCaller) -> None:
    for name in "abc":
        ai.user(f"{name}@autogen.null", role="sales" if name == "c" else None)

    answer = ai.send("GET", "/users/", params={"search": "autogen", "skip": 1, "limit": 1})

    assert _emails(answer.json()) == ["b@autogen.null"]
    assert answer.headers["x-total-count"] == "3"
    assert _emails(ai.get("/users", role="sales")) == ["c@autogen.null"]


def test_a_user_is_shown_and_changed(ai: AiCaller) -> None:
    user = ai.user("ann@example.com")

    changed = ai.send("PUT", f"/users/{user}", json={"email": "Eve@b.io", "is_active": False})

    assert changed.status_code == 200
    assert (changed.json()["email"], changed.json()["is_active"]) == ("eve@b.io", False)
    assert ai.get(f"/users/{user}") == changed.json()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"email": "polydock@example.com"}, 400),
        ({"email": "nobody"}, 422),
        ({"email": "ann@mailinator.com"}, 422),
        ({"role": "sales"}, 422),
    ],
)
def test_a_change_that_cannot_be_is_refused(ai: AiCaller, body: Json, status: int) -> None:
    assert ai.refusal("PUT", f"/users/{ai.user()}", **body)[0] == status


def test_an_administrator_makes_another_who_is_in_no_team(ai: AiCaller) -> None:
    user, member = ai.user(), ai.user("ann@example.com", team_id=ai.team(), role="admin")

    assert ai.send("PUT", f"/users/{user}", json={"is_admin": True}).json()["is_admin"] is True
    assert ai.refusal("PUT", f"/users/{member}", is_admin=True) == (
        400,
        "Team members cannot be made administrators",
    )
    assert ai.as_user(member).refusal("PUT", f"/users/{member}", is_admin=True) == FORBIDDEN


def test_nobody_is_404_everywhere(ai: AiCaller) -> None:
    asked = [
        ai.refusal("GET", "/users/99"),
        ai.refusal("PUT", "/users/99", is_active=True),
        ai.refusal("DELETE", "/users/99"),
        ai.refusal("POST", "/users/99/role", role="user"),
        ai.refusal("POST", "/users/99/add-to-team", team_id=1),
        ai.refusal("POST", "/users/99/remove-from-team"),
    ]

    assert asked == [NO_USER] * len(asked)


def test_a_user_with_keys_is_not_deleted(ai: AiCaller) -> None:
    user = ai.user()
    key = ai.key(user)["id"]

    assert ai.refusal("DELETE", f"/users/{user}") == (
        400,
        "Cannot delete user with associated AI keys",
    )
    ai.send("DELETE", f"/private-ai-keys/{key}")
    assert ai.send("DELETE", f"/users/{user}").json().keys() == {"message"}
    assert ai.refusal("DELETE", f"/users/{user}") == NO_USER


def test_the_tokens_of_a_deleted_user_are_401(ai: AiCaller) -> None:
    user = ai.user()
    caller = ai.as_user(user)

    ai.send("DELETE", f"/users/{user}")

    assert caller.refusal("GET", "/auth/me")[0] == 401
    assert [token["id"] for token in ai.state("tokens")] == [1]


def test_an_inactive_user_may_go_on_and_get_keys(ai: AiCaller) -> None:
    user = ai.user()
    caller = ai.as_user(user)
    ai.control("PUT", f"/users/{user}", is_active=False)

    assert caller.get("/auth/me")["is_active"] is False
    assert ai.key(user)["owner_id"] == user


def test_a_team_takes_one_user_by_default(ai: AiCaller) -> None:
    team = ai.team()
    ai.user("ann@example.com", team_id=team)

    refused = ai.refusal("POST", "/users", email="bob@example.com", team_id=team)
    ai.control("PUT", "/settings", enable_limits=False)

    assert refused == (402, "Team has reached their maximum user limit.")
    assert ai.user("bob@example.com", team_id=team)


def test_the_role_in_a_team_is_to_read_unless_it_is_said(ai: AiCaller) -> None:
    ai.control("PUT", "/settings", team_users=2)
    team = ai.team()
    made = [
        ai.post("/users", email="ann@example.com", team_id=team),
        ai.post("/users", email="bob@example.com", team_id=team, role="admin"),
    ]

    assert [user["role"] for user in made] == ["read_only", "admin"]


@pytest.mark.parametrize(
    ("more", "status"), [({"role": "king"}, 400), ({"team_id": 99}, 404), ({"team_id": "x"}, 422)]
)
def test_a_user_of_an_impossible_role_or_team_is_refused(
    ai: AiCaller, more: Json, status: int
) -> None:
    assert ai.refusal("POST", "/users", email="ann@example.com", **more)[0] == status


def test_a_team_administrator_rules_the_own_team_alone(ai: AiCaller) -> None:
    ai.control("PUT", "/settings", team_users=2)
    team = ai.team()
    caller = ai.as_user(ai.user("ann@example.com", team_id=team, role="admin"))

    made = caller.user("bob@example.com", team_id=team)

    assert _emails(caller.get("/users")) == ["ann@example.com", "bob@example.com"]
    assert caller.get(f"/users/{made}")["email"] == "bob@example.com"
    assert caller.refusal("POST", "/users", email="eve@example.com") == FORBIDDEN
    assert caller.refusal("GET", "/users/1") == NO_USER
    assert caller.refusal("PUT", "/users/1", is_active=False) == NO_USER
    assert caller.refusal("POST", "/users/1/role", role="user") == FORBIDDEN
    assert caller.refusal("DELETE", f"/users/{made}") == FORBIDDEN


def test_a_user_without_a_role_in_it_sees_nobody(ai: AiCaller) -> None:
    user = ai.user()

    assert ai.as_user(user).refusal("GET", f"/users/{user}") == NO_USER
    assert ai.as_user(user).refusal("GET", "/users") == FORBIDDEN


def test_a_user_joins_a_team_takes_a_role_and_leaves(ai: AiCaller) -> None:
    user, team = ai.user(), ai.team()

    assert ai.post(f"/users/{user}/add-to-team", team_id=team)["team_id"] == team
    assert ai.post(f"/users/{user}/role", role="key_creator")["role"] == "key_creator"
    assert ai.post(f"/users/{user}/remove-from-team")["team_id"] is None


def test_who_joins_without_a_role_of_a_team_may_do_nothing(ai: AiCaller) -> None:
    user = ai.user()
    ai.post(f"/users/{user}/add-to-team", team_id=ai.team())

    refused = ai.as_user(user).refusal("POST", "/private-ai-keys/token", region_id=1, name="a")

    assert refused == FORBIDDEN


def test_a_team_is_not_joined_twice_nor_by_an_administrator(ai: AiCaller) -> None:
    team = ai.team()
    user = ai.user(team_id=team)

    assert ai.refusal("POST", f"/users/{user}/add-to-team", team_id=team)[0] == 400
    assert ai.refusal("POST", "/users/1/add-to-team", team_id=team)[0] == 400
    assert ai.refusal("POST", "/users/1/role", role="user")[0] == 400
    other = ai.user("ann@example.com")
    assert ai.refusal("POST", f"/users/{other}/add-to-team", team_id=99)[0] == 404


def test_the_last_administrator_of_a_team_stays(ai: AiCaller) -> None:
    user = ai.user(team_id=ai.team(), role="admin")

    assert ai.refusal("POST", f"/users/{user}/remove-from-team")[0] == 400
    assert ai.refusal("POST", "/users/1/remove-from-team")[0] == 400


@pytest.mark.parametrize(("role", "status"), [("king", 400), ("admin", 200)])
def test_a_role_is_one_of_six(ai: AiCaller, role: str, status: int) -> None:
    answer = ai.send("POST", f"/users/{ai.user()}/role", json={"role": role})

    assert answer.status_code == status
