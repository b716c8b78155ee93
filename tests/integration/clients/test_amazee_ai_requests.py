"""What is sent, and what a good answer becomes; contract amazee-ai §1-6."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from polydock_pipelines.clients.amazee_ai.client import AmazeeAiClient
from polydock_pipelines.clients.amazee_ai.errors import (
    AmazeeAiAuthError,
    AmazeeAiNotFoundError,
    AmazeeAiUnavailableError,
)
from polydock_pipelines.clients.amazee_ai.transport import PAGE
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports.amazee_ai import (
    AiDatabase,
    AiKey,
    AiRegion,
    AiTeam,
    AiToken,
    AiUser,
    NewAiKey,
    NewAiTeam,
    NewAiUser,
)
from tests.integration.clients.recorded import Player

URL = "https://ai.test/backend"
DELETED = httpx.Response(200, json={"message": "deleted"})


def ok(body: Any, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=body)


def client_of(
    player: Callable[[httpx.Request], httpx.Response],
    token: Callable[[], Secret] = lambda: Secret("the-token"),
    **options: Any,
) -> AmazeeAiClient:
    """Return a client that waits hardly at all before it repeats a request."""
    http = httpx.Client(transport=httpx.MockTransport(player))
    return AmazeeAiClient(http, URL, token, **{"retry_wait_s": 0.001, **options})


def user(number: int, email: str, **more: Any) -> dict[str, Any]:
    known = {"is_active": True, "is_admin": False, "team_id": None, "role": None}
    return {"id": number, "email": email, **known, **more}


def key(number: int = 9, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "name": "trial-1-proj-creds",
        "region": "eu",
        "region_label": "Europe",
        "owner_id": 7,
        "team_id": None,
        "litellm_api_url": "https://llm.test",
        "litellm_token": "sk-1",
        "database_host": "db.test",
        "database_name": "db_1",
        "database_username": "user_1",
        "database_password": "pass-1",  # pragma: allowlist secret
        "created_at": "2026-01-01T00:00:00",
        **more,
    }


NO_DATABASE = {
    "database_host": None,
    "database_name": None,
    "database_username": None,
    "database_password": None,
}
WHOLE = AiKey(
    id=9,
    name="trial-1-proj-creds",
    region="eu",
    owner_id=7,
    team_id=None,
    llm_url="https://llm.test",
    llm_token=Secret("sk-1"),
    database=AiDatabase("db.test", "db_1", "user_1", Secret("pass-1")),
)
NEW_KEY = NewAiKey(1, "trial-1-proj-creds", owner_id=7)


def sent(player: Player) -> list[tuple[str, str]]:
    """Return method and path, query included, of all requests."""
    base = httpx.URL(URL).raw_path.decode()
    return [
        (request.method, request.url.raw_path.decode().removeprefix(base))
        for request in player.requests
    ]


def test_a_known_user_is_found_at_the_first_look() -> None:
    player = Player(ok([user(7, "ada@x.io", is_active=True, team_id=3)]))
    assert client_of(player).users.by_email("Ada@X.io") == AiUser(7, "ada@x.io", team_id=3)
    assert sent(player) == [("GET", "/users/by-email?email=ada%40x.io")]


def test_an_unknown_address_is_looked_for_among_inactive_users_too() -> None:
    player = Player(ok([]), ok([user(7, "ada@x.io", is_active=False)]))
    assert client_of(player).users.by_email("ada@x.io") == AiUser(7, "ada@x.io", is_active=False)
    assert sent(player)[1] == (
        "GET",
        f"/users?search=ada%40x.io&include_inactive=true&skip=0&limit={PAGE}",
    )


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("b@x.io", "bob@x.io"),
        ("b@x.io", "b+tag@x.io"),
        ("b+tag@x.io", "b@x.io"),
        ("b+tag@x.io", "b+other@x.io"),
        ("a_b@x.io", "axb@x.io"),
        ("a%@x.io", "ab@x.io"),
        ("b@x.io", "b@x.io.example"),
    ],
)
def test_a_similar_address_is_nobody(asked: str, answered: str) -> None:
    player = Player(ok([user(1, answered)]), ok([user(1, answered)]), ok([]))
    assert client_of(player).users.by_email(asked) is None


@pytest.mark.parametrize("asked", ["b+tag@x.io", "B@X.io", "a_b@x.io", "a%25@x.io", "bob@x.io"])
def test_among_similar_addresses_the_equal_one_is_found(asked: str) -> None:
    others = ["bb@x.io", "b@x.io", "b+tag@x.io", "a_b@x.io", "a%25@x.io", "bob@x.io"]
    rows = [user(number, email) for number, email in enumerate(others, 1)]
    found = client_of(Player(ok([]), ok(rows))).users.by_email(asked)
    assert found is not None
    assert found.email == asked.lower()


def test_special_characters_of_an_address_are_percent_encoded() -> None:
    player = Player(ok([]), ok([]))
    client_of(player).users.by_email("a+b%_&=#@x.io")
    encoded = "a%2Bb%25_%26%3D%23%40x.io"
    assert sent(player)[0] == ("GET", f"/users/by-email?email={encoded}")
    assert sent(player)[1][1].startswith(f"/users?search={encoded}&")


class Paged:
    """A list that is told in pages of at most `most` rows."""

    def __init__(self, rows: list[dict[str, Any]], most: int = PAGE) -> None:
        self.rows, self.most = rows, most
        self.skips: list[int] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/by-email"):
            return ok([])
        skip, limit = (int(request.url.params[name]) for name in ("skip", "limit"))
        self.skips.append(skip)
        return ok(self.rows[skip : skip + min(limit, self.most)])


def test_a_user_on_the_third_page_is_found() -> None:
    many = Paged([user(number, f"{number}b@x.io") for number in range(1, 3 * PAGE)])
    many.rows[2 * PAGE + 1]["email"] = "b@x.io"
    found = client_of(many).users.by_email("b@x.io")
    assert found == AiUser(2 * PAGE + 2, "b@x.io")
    assert many.skips == [0, PAGE, 2 * PAGE]


def test_a_page_that_is_shorter_than_asked_for_is_not_the_last() -> None:
    many = Paged([user(number, f"{number}b@x.io") for number in range(1, 10)], most=4)
    many.rows[8]["email"] = "b@x.io"
    found = client_of(many).users.by_email("b@x.io")
    assert found == AiUser(9, "b@x.io")
    assert many.skips == [0, 4, 8]


def test_a_service_that_knows_no_pages_is_asked_twice_at_most() -> None:
    rows = [user(number, f"{number}b@x.io") for number in range(1, 200)]
    player = Player(ok([]), ok(rows))
    assert client_of(player).users.by_email("b@x.io") is None
    assert len(player.requests) == 3


def test_a_user_is_made_with_what_is_given_and_no_more() -> None:
    player = Player(ok(user(7, "Trial-1@autogen.null"), 201))
    made = client_of(player).users.create(NewAiUser("Trial-1@autogen.null", Secret("pw")))
    assert made == AiUser(7, "trial-1@autogen.null")
    (body,) = player.bodies
    assert body == {"email": "Trial-1@autogen.null", "password": "pw"}  # pragma: allowlist secret
    assert player.requests[0].headers["Content-Type"] == "application/json"


def test_a_member_of_a_team_is_made_with_its_role() -> None:
    player = Player(ok(user(7, "t@x.io", team_id=3, role="admin"), 201))
    new = NewAiUser("t@x.io", Secret("pw"), team_id=3, role="admin")
    assert client_of(player).users.create(new).team_id == 3
    (body,) = player.bodies
    assert (body["team_id"], body["role"]) == (3, "admin")


def test_a_token_is_made_for_the_user_and_never_for_us() -> None:
    made = {"id": 4, "name": "n", "token": "text", "user_id": 7, "last_used_at": None}
    player = Player(ok(made))
    assert client_of(player).users.create_token(7, "n") == AiToken(4, "n", Secret("text"))
    assert player.bodies == [{"name": "n", "user_id": 7}]


def test_a_token_of_another_user_is_not_handed_out() -> None:
    made = {"id": 4, "name": "n", "token": "text", "user_id": 1}
    with pytest.raises(AmazeeAiUnavailableError, match="token 4 of user 1"):
        client_of(Player(ok(made))).users.create_token(7, "n")


def test_tokens_are_listed_without_their_texts() -> None:
    player = Player(ok([{"id": 4, "name": "n", "user_id": 7}]))
    assert client_of(player).users.tokens(7) == [AiToken(4, "n")]
    assert sent(player) == [("GET", "/auth/token?user_id=7")]


def test_a_full_key_is_made_for_a_user() -> None:
    player = Player(ok(key()))
    assert client_of(player).keys.create(NEW_KEY) == WHOLE
    assert sent(player) == [("POST", "/private-ai-keys")]
    assert player.bodies == [{"region_id": 1, "name": "trial-1-proj-creds", "owner_id": 7}]


def test_a_key_without_a_database_is_made_for_a_team() -> None:
    answer = {name: value for name, value in key().items() if not name.startswith("database_")}
    player = Player(ok({**answer, "owner_id": None, "team_id": 3}))
    new = NewAiKey(1, "k", team_id=3, has_database=False)
    made = client_of(player).keys.create(new)
    assert (made.team_id, made.owner_id, made.database) == (3, None, None)
    assert sent(player) == [("POST", "/private-ai-keys/token")]
    assert player.bodies == [{"region_id": 1, "name": "k", "team_id": 3}]


@pytest.mark.parametrize("new", [NewAiKey(1, "k"), NewAiKey(1, "k", owner_id=7, team_id=3)])
def test_a_key_is_for_one_user_or_for_one_team(new: NewAiKey) -> None:
    player = Player(ok(key()))
    with pytest.raises(ValueError, match="one user"):
        client_of(player).keys.create(new)
    assert player.requests == []


@pytest.mark.parametrize(
    "field",
    [
        *("name", "region", "litellm_api_url", "litellm_token"),
        *("database_host", "database_name", "database_username", "database_password"),
    ],
)
@pytest.mark.parametrize("empty", [None, ""])
def test_a_new_key_that_lacks_a_part_may_stand_but_is_not_used(field: str, empty: object) -> None:
    with pytest.raises(AmazeeAiUnavailableError, match=rf"key 9, which lacks {field}\."):
        client_of(Player(ok(key() | {field: empty}))).keys.create(NEW_KEY)


def test_a_new_key_without_an_id_is_an_error_that_names_the_field() -> None:
    answer = {name: value for name, value in key().items() if name != "id"}
    with pytest.raises(AmazeeAiUnavailableError, match=r"id \(missing\).*carried out"):
        client_of(Player(ok(answer))).keys.create(NEW_KEY)


def test_the_keys_of_a_user_are_listed_and_what_is_no_whole_key_is_left_out() -> None:
    rows = [
        key(),
        key(10, **NO_DATABASE),
        key(11, litellm_token=None, litellm_api_url=None),
        key(12, database_password=None),
        key(13, name=None),
        key(14, region=""),
        key(15, owner_id=8),
    ]
    player = Player(ok(rows))
    assert [one.id for one in client_of(player).keys.owned_by(7)] == [9, 10]
    assert sent(player) == [("GET", "/private-ai-keys?owner_id=7")]


def test_the_keys_of_a_team_are_its_own_and_not_those_of_its_users() -> None:
    player = Player(ok([key(owner_id=None, team_id=3), key(10, owner_id=7)]))
    assert [one.id for one in client_of(player).keys.of_team(3)] == [9]
    assert sent(player) == [("GET", "/private-ai-keys?team_id=3")]


def test_a_cap_is_a_monthly_budget_of_the_key_in_its_region() -> None:
    player = Player(ok({"max_budget": 2.5, "budget_duration": "1mo"}))
    client_of(player).keys.cap(1, 9, 2.5)
    assert sent(player) == [("PUT", "/spend/1/key/9/budget")]
    assert player.bodies == [{"max_budget": 2.5}]


@pytest.mark.parametrize(
    ("act", "path"),
    [
        (lambda c: c.users.delete(7), "/users/7"),
        (lambda c: c.keys.delete(9), "/private-ai-keys/9"),
        (lambda c: c.teams.delete(3), "/teams/3"),
    ],
)
def test_what_is_deleted_is_named_by_its_id(act: Callable[..., None], path: str) -> None:
    player = Player(DELETED)
    act(client_of(player))
    assert sent(player) == [("DELETE", path)]


TEAM = {"id": 3, "name": "gpt-1", "admin_email": "t@x.io", "deleted_at": None, "products": []}


def test_a_team_is_made_with_its_region() -> None:
    player = Player(ok(TEAM, 201))
    assert client_of(player).teams.create(NewAiTeam("gpt-1", "t@x.io", 1)) == AiTeam(
        3, "gpt-1", "t@x.io"
    )
    assert sent(player) == [("POST", "/teams")]
    assert player.bodies == [{"name": "gpt-1", "admin_email": "t@x.io", "region_id": 1}]


def test_a_team_is_found_by_exactly_its_name_soft_deleted_or_not() -> None:
    rows = [{**TEAM, "id": 2, "name": "gpt-11"}, {**TEAM, "deleted_at": "2026-01-01T00:00:00Z"}]
    player = Player(ok(rows))
    found = client_of(player).teams.by_name("gpt-1")
    assert found == AiTeam(3, "gpt-1", "t@x.io", is_deleted=True)
    assert sent(player) == [("GET", f"/teams?name=gpt-1&include_deleted=true&skip=0&limit={PAGE}")]


def test_a_team_of_a_similar_name_is_none() -> None:
    player = Player(ok([{**TEAM, "name": "gpt-11"}]), ok([]))
    assert client_of(player).teams.by_name("gpt-1") is None


def test_a_team_on_the_second_page_is_found() -> None:
    many = Paged([{**TEAM, "id": number, "name": f"gpt-1{number}"} for number in range(1, 99)])
    many.rows[97]["name"] = "gpt-1"
    found = client_of(many).teams.by_name("gpt-1")
    assert found is not None
    assert found.id == 98


def test_the_users_of_a_team_are_listed() -> None:
    player = Player(ok({**TEAM, "users": [user(7, "T@x.io", team_id=3, is_active=False)]}))
    members = client_of(player).teams.members(3)
    assert members == [AiUser(7, "t@x.io", is_active=False, team_id=3)]
    assert sent(player) == [("GET", "/teams/3?include_deleted=true")]


def test_a_team_without_a_list_of_users_is_no_empty_team() -> None:
    with pytest.raises(AmazeeAiUnavailableError, match=r"users \(missing\)"):
        client_of(Player(ok(TEAM))).teams.members(3)


REGION = {"id": 1, "name": "eu", "is_active": True, "postgres_host": "db.test"}


def test_an_active_region_is_asked_for_once() -> None:
    player = Player(ok(REGION))
    client = client_of(player)
    assert client.region(1) == client.region(1) == AiRegion(1, "eu", is_active=True)
    assert sent(player) == [("GET", "/regions/1")]


def test_a_region_that_was_switched_off_is_asked_for_again() -> None:
    player = Player(ok({**REGION, "is_active": False}), ok(REGION))
    client = client_of(player)
    assert [client.region(1).is_active for _ in range(2)] == [False, True]


def test_a_region_that_was_missing_is_asked_for_again() -> None:
    player = Player(httpx.Response(404, json={"detail": "Region not found"}), ok(REGION))
    client = client_of(player)
    with pytest.raises(AmazeeAiNotFoundError, match=r"region 1 .*Region not found\."):
        client.region(1)
    assert client.region(1).name == "eu"


HEALTHY = ok({"status": "healthy"})


def me(**more: Any) -> httpx.Response:
    return ok(user(1, "admin@x.io", **{"is_admin": True, **more}))


def test_a_ping_asks_for_health_without_the_token_and_then_who_we_are() -> None:
    player = Player(HEALTHY, me())
    client_of(player).ping()
    assert sent(player) == [("GET", "/health"), ("GET", "/auth/me")]
    assert [r.headers.get("Authorization") for r in player.requests] == [None, "Bearer the-token"]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"is_admin": False}, r"user 1, who is no administrator \(is_admin\)\. Mend"),
        ({"is_active": False}, r"who is switched off \(is_active\)\. Mend"),
        ({"is_admin": False, "is_active": False}, r"switched off .* and is no administrator"),
        ({"team_id": 3}, r"is in team 3"),
    ],
)
def test_an_account_that_cannot_do_our_work_is_told_what_to_mend(
    more: dict[str, Any], text: str
) -> None:
    with pytest.raises(AmazeeAiAuthError, match=text):
        client_of(Player(HEALTHY, me(**more))).ping()


def test_a_role_makes_no_administrator() -> None:
    with pytest.raises(AmazeeAiAuthError, match="is_admin"):
        client_of(Player(HEALTHY, me(is_admin=False, role="system_admin"))).ping()


def test_a_service_that_is_not_healthy_is_away() -> None:
    player = Player(ok({"status": "starting"}))
    with pytest.raises(AmazeeAiUnavailableError, match="not healthy"):
        client_of(player).ping()
    assert len(player.requests) == 1


def test_a_check_asks_once_and_again_after_a_failure() -> None:
    player = Player(HEALTHY, me(is_admin=False), HEALTHY, me())
    client = client_of(player)
    with pytest.raises(AmazeeAiAuthError):
        client.check()
    client.check()
    client.check()
    assert len(player.requests) == 4


def test_unknown_fields_of_an_answer_are_no_matter() -> None:
    answer = json.loads(me().content) | {"is_new": {"in": ["a", "release"]}}
    client_of(Player(HEALTHY, ok(answer))).ping()


def test_what_is_no_whole_key_is_seen_by_a_removal_all_the_same() -> None:
    half = key(10, litellm_token=None)
    player = Player(ok([key(), half, key(11, owner_id=8), key(12, name=None)]))
    refs = client_of(player).keys.refs_of_user(7)
    assert [(one.id, one.name) for one in refs] == [
        (9, "trial-1-proj-creds"),
        (10, "trial-1-proj-creds"),
        (12, ""),
    ]
    assert {one.created_at for one in refs} == {datetime(2026, 1, 1, tzinfo=UTC)}


def test_who_waited_for_a_failed_check_does_not_wait_as_long_again() -> None:
    player = Player(*[httpx.Response(503)] * 3)
    client = client_of(player, attempts=3)
    for _ in range(2):
        with pytest.raises(AmazeeAiUnavailableError):
            client.check()
    assert len(player.requests) == 3
