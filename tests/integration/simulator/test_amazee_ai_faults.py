"""Faults of amazee.ai as its clients meet them, and what is done behind their backs."""

import socket
import time

import httpx
import pytest

from tests.integration.simulator.ai_caller import AiCaller, Json
from tests.integration.simulator.caller import Caller

KEYS = "/private-ai-keys"
NEW = {"region_id": 1, "name": "trial-1-proj-creds"}
ALIAS = {"region": "eu-central", "alias": "polydock_at_example.com_-_trial-1-proj-creds"}


def _order_answer(ai: AiCaller, **fault: object) -> httpx.Response:
    return ai.http.post(f"{ai.url}/_sim/faults", json=fault)


def test_http500_is_plain_text_and_nothing_is_carried_out(ai: AiCaller) -> None:
    ai.order("POST /amazee-ai/users", "http500")

    answer = ai.send("POST", "/users/", json={"email": "ann@example.com"})

    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert len(ai.state("users")) == 1


def test_expired_token_is_a_401_once(ai: AiCaller) -> None:
    ai.order("GET /amazee-ai/auth/me", "expired_token")

    assert ai.refusal("GET", "/auth/me") == (401, "Could not validate credentials")
    assert ai.get("/auth/me")["id"] == 1


def test_timeout_keeps_the_client_waiting_and_carries_nothing_out(ai: AiCaller) -> None:
    ai.order("POST /amazee-ai/private-ai-keys", "timeout")

    with pytest.raises(httpx.ReadTimeout):
        ai.send("POST", KEYS, json=NEW, timeout=0.2)

    assert ai.state("keys") == []


def test_drop_after_commit_carries_out_and_cuts_the_connection(ai: AiCaller) -> None:
    ai.order("POST /amazee-ai/private-ai-keys", "drop_after_commit")

    with pytest.raises(httpx.RemoteProtocolError):
        ai.send("POST", KEYS, json=NEW)

    assert [key["name"] for key in ai.get(KEYS)] == [NEW["name"]]


def test_slow_delays_the_answer(ai: AiCaller) -> None:
    ai.order("GET /amazee-ai/health", "slow", seconds=0.2)
    began = time.monotonic()

    assert ai.get("/health") == {"status": "healthy"}
    assert time.monotonic() - began >= 0.2


def test_plain_500_closes_the_connection_after_its_answer(ai: AiCaller) -> None:
    ai.order("GET /amazee-ai/regions", "ai_plain_500")

    with socket.create_connection(("127.0.0.1", int(ai.url.rpartition(":")[2])), timeout=5) as raw:
        raw.sendall(b"GET /amazee-ai/regions HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = b"".join(iter(lambda: raw.recv(1000), b"")).lower()

    assert answer.startswith(b"http/1.1 500 ")
    assert answer.endswith(b"\r\n\r\ninternal server error")
    assert b"content-type: text/plain" in answer
    assert b"connection: close" not in answer


def test_500_after_commit_hides_that_the_thing_was_made(ai: AiCaller) -> None:
    ai.order("POST /amazee-ai/private-ai-keys", "ai_500_after_commit")

    status, detail = ai.refusal("POST", KEYS, **NEW)

    assert status == 500
    assert "already exists" not in detail
    assert len(ai.get(KEYS)) == 1


def test_500_after_commit_does_not_hide_a_refusal(ai: AiCaller) -> None:
    ai.order("DELETE /amazee-ai/private-ai-keys/*", "ai_500_after_commit")

    assert ai.refusal("DELETE", f"{KEYS}/99")[0] == 404


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/users", "Team has reached their maximum user limit."),
        ("/private-ai-keys/token", "Entity has reached their maximum number of AI keys"),
    ],
)
def test_limit_is_a_402_in_the_words_of_what_is_asked(ai: AiCaller, path: str, detail: str) -> None:
    ai.order(f"POST /amazee-ai{path}", "ai_limit")

    assert ai.refusal("POST", path, **NEW) == (402, detail)


def test_a_fault_says_what_it_is_told_to(ai: AiCaller) -> None:
    ai.order("POST /amazee-ai/users", "ai_limit", message="no more")

    assert ai.refusal("POST", "/users", email="ann@example.com") == (402, "no more")


def test_a_locked_alias_has_no_row_and_refuses_its_name(ai: AiCaller) -> None:
    ai.order("POST /amazee-ai/private-ai-keys", "ai_locked_alias")

    first = ai.refusal("POST", KEYS, **NEW)
    second = ai.refusal("POST", KEYS, **NEW)

    assert (first[0], "already exists" in first[1]) == (500, False)
    assert (second[0], "already exists" in second[1]) == (500, True)
    assert ai.get(KEYS) == []
    assert ai.state("locked_aliases") == [ALIAS]
    assert ai.post(KEYS, **{**NEW, "name": "trial-1-proj-creds-2"})


def test_a_locked_alias_is_free_when_somebody_deletes_it_at_the_key_service(ai: AiCaller) -> None:
    ai.order("POST /amazee-ai/private-ai-keys/token", "ai_locked_alias")
    ai.refusal("POST", f"{KEYS}/token", **NEW)

    ai.control("DELETE", "/locked-aliases")

    assert ai.state("locked_aliases") == []
    assert ai.post(f"{KEYS}/token", **NEW)["name"] == NEW["name"]


def test_a_star_stands_for_one_segment(ai: AiCaller) -> None:
    key = ai.post(KEYS, **NEW)["id"]
    ai.order("DELETE /amazee-ai/private-ai-keys/*", "http500")
    ai.order("PUT /amazee-ai/spend/*/key/*/budget", "http500")

    assert ai.get(f"{KEYS}/{key}/spend")
    assert ai.send("DELETE", f"{KEYS}/{key}").status_code == 500
    assert ai.send("DELETE", f"{KEYS}/{key}").status_code == 200
    assert ai.send("PUT", f"/spend/1/key/{key}/budget", json={}).status_code == 500


@pytest.mark.parametrize(
    "fault",
    [
        {"match": "POST /graphql", "kind": "ai_plain_500"},
        {"match": "addProject", "kind": "ai_limit"},
        {"match": "GET /amazee-ai/regions", "kind": "ai_500_after_commit"},
        {"match": "GET /amazee-ai/regions", "kind": "ai_limit"},
        {"match": "POST /amazee-ai/private-ai-keys/vector-db", "kind": "ai_locked_alias"},
        {"match": "DELETE /amazee-ai/private-ai-keys/*", "kind": "ai_locked_alias"},
        {"match": "POST /amazee-ai/users", "kind": "graphql_error"},
    ],
)
def test_a_fault_that_cannot_happen_is_refused(ai: AiCaller, fault: Json) -> None:
    answer = _order_answer(ai, **fault)

    assert answer.status_code == 422
    assert "cannot happen" in answer.json()["error"]


def test_a_slash_at_the_end_of_a_match_does_not_matter(ai: AiCaller) -> None:
    ai.order("POST /amazee-ai/private-ai-keys/", "ai_limit")

    assert ai.refusal("POST", KEYS, **NEW)[0] == 402


def test_the_state_shows_all_but_secrets(ai: AiCaller) -> None:
    user, team = ai.user(), ai.team()
    key = ai.key(user)
    token = ai.post("/auth/token", name="backend", user_id=user)

    assert ai.state("users")[1] == {
        "id": user,
        "email": "trial-1@autogen.null",
        "is_active": True,
        "team_id": None,
    }
    assert ai.state("keys") == [
        {
            "id": key["id"],
            "name": "trial-1-proj-creds",
            "owner_id": user,
            "team_id": None,
            "region": "eu-central",
            "max_budget": 27.0,
            "has_vector_db": True,
            "alias": "trial-1_at_autogen.null_-_trial-1-proj-creds",
        }
    ]
    assert ai.state("tokens")[1] == {"id": token["id"], "name": "backend", "user_id": user}
    assert ai.state("teams")[0] == {
        "id": team,
        "name": "gpt-trial-1",
        "admin_email": "ann@example.com",
        "deleted_at": None,
    }


def test_neither_the_state_nor_the_page_has_a_secret(ai: AiCaller) -> None:
    key = ai.key(ai.user())
    token = ai.post("/auth/token", name="backend")["token"]

    shown = [ai.http.get(f"{ai.url}{path}").text for path in ("/_sim/state", "/")]

    for secret in (ai.token, token, key["litellm_token"], key["database_password"]):
        assert all(secret not in text for text in shown)


def test_the_requests_are_counted_with_stars_for_numbers(ai: AiCaller) -> None:
    ai.send("GET", "/users/1")
    ai.send("GET", "/users/2/")
    ai.order("GET /amazee-ai/health", "http500")
    ai.send("GET", "/health")

    assert ai.state("requests") == {"GET /amazee-ai/users/*": 2, "GET /amazee-ai/health": 1}


def test_the_page_shows_users_keys_and_teams(ai: AiCaller) -> None:
    ai.key(ai.user("ann@example.com"))
    ai.post(f"{KEYS}/token", region_id=1, name="llm", team_id=ai.team("gpt-1"))
    ai.user("bob@example.com")

    text = ai.http.get(f"{ai.url}/").text

    for word in ("ann@example.com", "bob@example.com", "trial-1-proj-creds", "llm", "gpt-1"):
        assert f"<td>{word}</td>" in text


def test_a_reset_forgets_all_but_the_seeds_and_the_token(ai: AiCaller) -> None:
    ai.key(ai.user())
    ai.control("PUT", "/settings", enable_limits=False)

    ai.http.delete(f"{ai.url}/_sim/state")

    assert ai.get("/auth/me")["id"] == 1
    assert ai.state("keys") == []
    assert ai.state("settings")["enable_limits"] is True


def test_somebody_deletes_a_key_by_hand(ai: AiCaller) -> None:
    key = ai.post(KEYS, **NEW)["id"]

    ai.control("DELETE", f"/keys/{key}")

    assert ai.get(KEYS) == []
    assert ai.post(KEYS, **NEW)


def test_a_user_may_have_been_there_before(ai: AiCaller) -> None:
    made = ai.control("POST", "/users", email="Ann@old.test", is_active=False).json()

    assert (made["email"], made["is_active"]) == ("ann@old.test", False)
    assert ai.get(f"/users/{made['id']}") == made


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/settings", {"revoked": "maybe"}, 422),
        ("PUT", "/settings", {"colour": "red"}, 422),
        ("PUT", "/settings", [], 422),
        ("PUT", "/regions/1", {"name": "x"}, 422),
        ("PUT", "/regions/99", {"is_active": False}, 404),
        ("PUT", "/users/99", {"is_active": False}, 404),
        ("POST", "/users", {"email": "Polydock@example.com"}, 422),
        ("DELETE", "/keys/99", None, 404),
    ],
)
def test_a_control_that_makes_no_sense_is_refused_with_a_sentence(
    ai: AiCaller, method: str, path: str, body: Json, status: int
) -> None:
    answer = ai.http.request(method, f"{ai.url}/_sim/amazee-ai{path}", json=body)

    assert answer.status_code == status
    assert answer.json()["error"]


def test_the_settings_are_shown_and_change_one_by_one(ai: AiCaller) -> None:
    ai.control("PUT", "/settings", team_users=7)
    ai.control("PUT", "/settings", revoked=True)

    shown = ai.http.get(f"{ai.url}/_sim/amazee-ai/settings").json()

    assert (shown["team_users"], shown["revoked"], shown["enable_limits"]) == (7, True, True)


def test_lagoon_and_amazee_ai_do_not_share_their_faults(caller: Caller, ai: AiCaller) -> None:
    ai.order("POST /graphql", "http500")

    assert ai.get("/health") == {"status": "healthy"}
    assert caller.send("{ lagoonVersion }").status_code == 500
