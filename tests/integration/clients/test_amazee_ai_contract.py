"""The same cases on the fake and on the client of a simulated amazee.ai, over real sockets."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from polydock_pipelines.clients.amazee_ai.client import AmazeeAiClient
from polydock_pipelines.clients.amazee_ai.errors import (
    AmazeeAiAuthError,
    AmazeeAiRefusedError,
    AmazeeAiUnavailableError,
)
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import (
    AlreadyExistsError,
    EndpointError,
    InUseError,
    NotFoundError,
    RefusedError,
)
from polydock_pipelines.ports.amazee_ai import (
    AiRegion,
    AiTeam,
    AiUser,
    AmazeeAi,
    NewAiKey,
    NewAiTeam,
    NewAiUser,
)
from polydock_pipelines.simulator.amazee_ai import key_service, model
from polydock_pipelines.simulator.options import SimulatorOptions
from polydock_pipelines.simulator.seeds import fresh_world
from polydock_pipelines.simulator.simulator import Simulator
from polydock_pipelines.simulator.world import World
from tests.fakes.amazee_ai import FakeAmazeeAi
from tests.fakes.clock import FakeClock

EU = AiRegion(1, "eu-central", is_active=True)
US = AiRegion(2, "us-east", is_active=True)
OFF = AiRegion(3, "ap-old", is_active=False)
"""The regions that a fresh simulator has."""


@dataclass(frozen=True)
class Start:
    """What is there before a case begins; numbers from 100 on, which nothing new gets."""

    users: tuple[AiUser, ...] = ()
    teams: tuple[AiTeam, ...] = ()
    locked_names: tuple[str, ...] = ()
    """Locked for the first user."""
    is_admin: bool = True
    is_active: bool = True


Opening = Callable[[Start], AmazeeAi]


def fake_of(start: Start) -> AmazeeAi:
    return FakeAmazeeAi(
        regions=[EU, US, OFF],
        users=start.users,
        teams=start.teams,
        locked_names=start.locked_names,
        is_admin=start.is_admin,
        is_active=start.is_active,
    )


def put(start: Start, world: World) -> None:
    """Make a fresh simulated world what *start* says."""
    ai, now = world.amazee_ai, world.clock()
    ai.users[model.ADMIN_ID].is_admin = start.is_admin
    ai.users[model.ADMIN_ID].is_active = start.is_active
    for user in start.users:
        ai.users[user.id] = model.AiUser(
            user.id, user.email.lower(), is_active=user.is_active, team_id=user.team_id
        )
    for team in start.teams:
        deleted_at = now if team.is_deleted else None
        ai.teams[team.id] = model.AiTeam(
            team.id, team.name, team.admin_email, EU.id, now, deleted_at=deleted_at
        )
    for name in start.locked_names:
        owner = ai.users[start.users[0].id]
        ai.aliases.add((EU.id, key_service.alias_of(owner, name)))


@pytest.fixture(scope="module")
def one_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    home = tmp_path_factory.mktemp("amazee-ai")
    options = SimulatorOptions(home=home, port=0, ssh_port=0, smtp_port=0, clock=FakeClock().now)
    with Simulator(options) as simulator:
        yield simulator


@pytest.fixture
def simulator(one_simulator: Simulator) -> Simulator:
    one_simulator._call(lambda world: world.become(fresh_world(one_simulator.options)))
    return one_simulator


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    # Without certificates to load: that costs more than a whole test here.
    with httpx.Client(verify=False) as client:  # noqa: S501 - plain HTTP
        yield client


@pytest.fixture
def client(simulator: Simulator, http: httpx.Client) -> AmazeeAiClient:
    """A client of a fresh simulated amazee.ai."""
    variables = simulator.environment
    token = Secret(Path(variables["AMAZEE_AI_TOKEN_FILE"]).read_text())
    url = variables["AMAZEE_AI_BASE_URL"]
    return AmazeeAiClient(http, url, lambda: token, retry_wait_s=0.001)


@pytest.fixture(params=["fake", "client"])
def opening(request: pytest.FixtureRequest) -> Opening:
    """Open either kind, holding what a case asks for."""
    if request.param == "fake":
        return fake_of
    simulator: Simulator = request.getfixturevalue("simulator")
    client: AmazeeAiClient = request.getfixturevalue("client")

    def opened(start: Start) -> AmazeeAi:
        simulator._call(lambda world: put(start, world))
        return client

    return opened


@pytest.fixture
def ai(opening: Opening) -> AmazeeAi:
    """Either kind, with nothing but regions."""
    return opening(Start())


USER = AiUser(100, "trial-1@autogen.null")
TEAM = AiTeam(100, "gpt-1", "gpt-1@autogen.null")
MEMBER = AiUser(101, "gpt-1@autogen.null", team_id=TEAM.id)
NEW_USER = NewAiUser("trial-2@autogen.null", Secret("a-password"))
NEW_KEY = NewAiKey(EU.id, "trial-1-proj-creds", owner_id=USER.id)
NEW_TEAM = NewAiTeam("gpt-2", "gpt-2@autogen.null", EU.id)


def test_an_active_administrator_is_let_in(ai: AmazeeAi) -> None:
    ai.ping()
    ai.check()


@pytest.mark.parametrize("start", [Start(is_admin=False), Start(is_active=False)])
def test_any_other_account_is_not(opening: Opening, start: Start) -> None:
    ai = opening(start)
    for ask in (ai.ping, ai.check):
        with pytest.raises(EndpointError):
            ask()


def test_without_the_flag_what_administrators_may_is_refused(opening: Opening) -> None:
    ai = opening(Start(is_admin=False, users=(USER,)))
    with pytest.raises(EndpointError):
        ai.users.by_email(USER.email)
    with pytest.raises(EndpointError):
        ai.users.tokens(USER.id)


@pytest.mark.parametrize("region", [EU, US, OFF])
def test_a_region_is_found_active_or_not(ai: AmazeeAi, region: AiRegion) -> None:
    assert ai.region(region.id) == region


def test_an_unknown_region_is_not_found(ai: AmazeeAi) -> None:
    with pytest.raises(NotFoundError):
        ai.region(9)


ADDRESSES = (
    "b@x.io",
    "bob@x.io",
    "b+tag@x.io",
    "b+off@x.io",
    "a_b@x.io",
    "axb@x.io",
    "a%b@x.io",
)
CROWD = tuple(
    AiUser(100 + number, email, is_active="off" not in email)
    for number, email in enumerate(ADDRESSES)
)


@pytest.mark.parametrize("user", CROWD, ids=lambda user: user.email)
@pytest.mark.parametrize("spelt", [str.lower, str.upper])
def test_a_user_is_found_by_exactly_its_address(
    opening: Opening, user: AiUser, spelt: Callable[[str], str]
) -> None:
    assert opening(Start(users=CROWD)).users.by_email(spelt(user.email)) == user


@pytest.mark.parametrize(
    "email", ["o@x.io", "b+other@x.io", "bo@x.io", "a%@x.io", "a__@x.io", "b@x.i", "_@x.io"]
)
def test_nobody_is_found_by_a_similar_address(opening: Opening, email: str) -> None:
    assert opening(Start(users=CROWD)).users.by_email(email) is None


def test_an_inactive_user_among_many_similar_ones_is_found(opening: Opening) -> None:
    similar = [AiUser(200 + number, f"{number}b@x.io") for number in range(120)]
    wanted = AiUser(999, "b@x.io", is_active=False)
    assert opening(Start(users=(*similar, wanted))).users.by_email("b@x.io") == wanted


def test_a_new_user_is_found_and_deleted(ai: AmazeeAi) -> None:
    made = ai.users.create(replace(NEW_USER, email="Trial-2@Autogen.null"))
    assert made.email == "trial-2@autogen.null"
    assert (made.is_active, made.team_id) == (True, None)
    assert ai.users.by_email("trial-2@autogen.null") == made
    ai.users.delete(made.id)
    assert ai.users.by_email("trial-2@autogen.null") is None


@pytest.mark.parametrize("known", [USER, replace(USER, is_active=False)])
def test_an_address_is_taken_whatever_its_case(opening: Opening, known: AiUser) -> None:
    ai = opening(Start(users=(known,)))
    with pytest.raises(AlreadyExistsError):
        ai.users.create(NewAiUser("Trial-1@Autogen.Null", Secret("a-password")))


def test_an_address_with_a_tag_is_another_user(opening: Opening) -> None:
    ai = opening(Start(users=(USER,)))
    made = ai.users.create(replace(NEW_USER, email="trial-1+tag@autogen.null"))
    assert ai.users.by_email("trial-1+tag@autogen.null") == made
    assert ai.users.by_email(USER.email) == USER


def test_a_user_that_is_gone_is_not_found(ai: AmazeeAi) -> None:
    with pytest.raises(NotFoundError):
        ai.users.delete(99)
    with pytest.raises(NotFoundError):
        ai.users.tokens(99)
    with pytest.raises(NotFoundError):
        ai.users.create_token(99, "n")


def test_a_user_with_a_key_stays_until_the_key_is_gone(opening: Opening) -> None:
    ai = opening(Start(users=(USER,)))
    key = ai.keys.create(NEW_KEY)
    with pytest.raises(InUseError):
        ai.users.delete(USER.id)
    ai.keys.delete(key.id)
    ai.users.delete(USER.id)


def test_each_token_is_another_and_its_text_is_told_once(opening: Opening) -> None:
    ai = opening(Start(users=(USER,)))
    one, two = (ai.users.create_token(USER.id, "n") for _ in range(2))
    assert one.token is not None
    assert one.token != two.token
    assert [(token.id, token.name, token.token) for token in ai.users.tokens(USER.id)] == [
        (one.id, "n", None),
        (two.id, "n", None),
    ]


def test_a_full_key_is_made_and_listed_alike(opening: Opening) -> None:
    ai = opening(Start(users=(USER,)))
    key = ai.keys.create(NEW_KEY)
    assert (key.name, key.region, key.owner_id, key.team_id) == (
        NEW_KEY.name,
        EU.name,
        USER.id,
        None,
    )
    assert key.llm_url.startswith("https://")
    assert key.llm_token.reveal()
    assert key.database is not None
    assert key.database.password.reveal()
    assert ai.keys.owned_by(USER.id) == [key]


def test_a_key_without_a_database_is_made_for_a_team(opening: Opening) -> None:
    ai = opening(Start(users=(MEMBER,), teams=(TEAM,)))
    key = ai.keys.create(NewAiKey(EU.id, "llm", team_id=TEAM.id, has_database=False))
    ai.keys.create(NewAiKey(EU.id, "own", owner_id=MEMBER.id))
    assert (key.owner_id, key.team_id, key.database) == (None, TEAM.id, None)
    assert ai.keys.of_team(TEAM.id) == [key]


def test_a_key_is_known_by_its_number_and_by_its_owner(opening: Opening) -> None:
    ai = opening(Start(users=(USER,), teams=(TEAM,)))
    key = ai.keys.create(NEW_KEY)
    team_key = ai.keys.create(NewAiKey(EU.id, "llm", team_id=TEAM.id, has_database=False))
    ref = ai.keys.ref(key.id)
    assert (ref.id, ref.name, ref.owner_id, ref.team_id) == (key.id, key.name, USER.id, None)
    assert ref.created_at is not None
    assert ai.keys.refs_of_user(USER.id) == [ref]
    assert [one.id for one in ai.keys.refs_of_team(TEAM.id)] == [team_key.id]
    ai.keys.delete(key.id)
    with pytest.raises(NotFoundError):
        ai.keys.ref(key.id)


def test_who_has_no_keys_has_an_empty_list(opening: Opening) -> None:
    ai = opening(Start(users=(USER,), teams=(TEAM,)))
    assert ai.keys.owned_by(USER.id) == []
    assert ai.keys.owned_by(99) == []
    assert ai.keys.of_team(TEAM.id) == []


def test_a_name_of_a_key_is_taken_until_the_key_is_gone(opening: Opening) -> None:
    ai = opening(Start(users=(USER,)))
    key = ai.keys.create(NEW_KEY)
    with pytest.raises(AlreadyExistsError):
        ai.keys.create(NEW_KEY)
    ai.keys.create(replace(NEW_KEY, region_id=US.id))
    ai.keys.delete(key.id)
    assert ai.keys.create(NEW_KEY).name == NEW_KEY.name


def test_a_name_may_be_locked_with_no_key_to_be_seen(opening: Opening) -> None:
    ai = opening(Start(users=(USER,), locked_names=(NEW_KEY.name,)))
    with pytest.raises(AlreadyExistsError):
        ai.keys.create(NEW_KEY)
    assert ai.keys.owned_by(USER.id) == []
    numbered = ai.keys.create(replace(NEW_KEY, name=f"{NEW_KEY.name}-2"))
    assert ai.keys.owned_by(USER.id) == [numbered]


@pytest.mark.parametrize("region_id", [OFF.id, 9])
def test_a_key_in_no_active_region_is_refused(opening: Opening, region_id: int) -> None:
    ai = opening(Start(users=(USER,)))
    with pytest.raises(RefusedError):
        ai.keys.create(replace(NEW_KEY, region_id=region_id))


def test_a_key_of_nobody_is_not_made(ai: AmazeeAi) -> None:
    with pytest.raises(NotFoundError):
        ai.keys.create(replace(NEW_KEY, owner_id=99))
    with pytest.raises(NotFoundError):
        ai.keys.create(NewAiKey(EU.id, "k", team_id=99))


def test_a_team_has_a_limit_of_keys(opening: Opening) -> None:
    ai = opening(Start(users=(MEMBER,), teams=(TEAM,)))
    ai.keys.create(NewAiKey(EU.id, "k1", owner_id=MEMBER.id))
    with pytest.raises(RefusedError):
        ai.keys.create(NewAiKey(EU.id, "k2", owner_id=MEMBER.id))


def test_a_key_that_is_gone_is_not_found(ai: AmazeeAi) -> None:
    with pytest.raises(NotFoundError):
        ai.keys.delete(99)


def test_a_key_is_capped_in_its_region_again_and_again(opening: Opening) -> None:
    ai = opening(Start(users=(USER,)))
    key = ai.keys.create(NEW_KEY)
    ai.keys.cap(EU.id, key.id, 2.5)
    ai.keys.cap(EU.id, key.id, 0)
    with pytest.raises(NotFoundError):
        ai.keys.cap(US.id, key.id, 2.5)
    with pytest.raises(RefusedError):
        ai.keys.cap(EU.id, key.id, -1)


def test_a_new_team_is_found_and_deleted(ai: AmazeeAi) -> None:
    made = ai.teams.create(NEW_TEAM)
    assert (made.name, made.admin_email, made.is_deleted) == (
        NEW_TEAM.name,
        NEW_TEAM.admin_email,
        False,
    )
    assert ai.teams.by_name("gpt-2") == made
    assert ai.teams.by_name("gpt") is None
    ai.teams.delete(made.id)
    assert ai.teams.by_name("gpt-2") is None


def timeless(team: AiTeam | None) -> AiTeam | None:
    """Return a team without the time at which it was made."""
    return replace(team, created_at=None) if team else None


@pytest.mark.parametrize("known", [TEAM, replace(TEAM, is_deleted=True)])
def test_a_teams_name_and_address_are_taken_for_ever(opening: Opening, known: AiTeam) -> None:
    ai = opening(Start(teams=(known,)))
    assert timeless(ai.teams.by_name(TEAM.name)) == known
    with pytest.raises(AlreadyExistsError):
        ai.teams.create(replace(NEW_TEAM, name=TEAM.name))
    with pytest.raises(AlreadyExistsError):
        ai.teams.create(replace(NEW_TEAM, admin_email=TEAM.admin_email))


def test_a_team_in_no_active_region_is_refused(ai: AmazeeAi) -> None:
    with pytest.raises(RefusedError):
        ai.teams.create(replace(NEW_TEAM, region_id=OFF.id))


def test_a_team_on_a_later_page_is_found(opening: Opening) -> None:
    teams = [AiTeam(200 + n, f"{n}-gpt", f"{n}@x.io") for n in range(120)]
    wanted = AiTeam(999, "gpt", "gpt@x.io")
    found = opening(Start(teams=(*teams, wanted))).teams.by_name("gpt")
    assert timeless(found) == wanted


def test_the_members_of_a_team_are_listed(opening: Opening) -> None:
    ai = opening(Start(teams=(TEAM,)))
    assert ai.teams.members(TEAM.id) == []
    made = ai.users.create(replace(NEW_USER, team_id=TEAM.id, role="admin"))
    assert made.team_id == TEAM.id
    assert ai.teams.members(TEAM.id) == [made]
    with pytest.raises(RefusedError):
        ai.users.create(replace(NEW_USER, email="another@x.io", team_id=TEAM.id))


def test_a_soft_deleted_team_still_shows_its_members(opening: Opening) -> None:
    ai = opening(Start(users=(MEMBER,), teams=(replace(TEAM, is_deleted=True),)))
    assert ai.teams.members(TEAM.id) == [MEMBER]


def test_a_team_that_is_gone_is_not_found(ai: AmazeeAi) -> None:
    with pytest.raises(NotFoundError):
        ai.teams.members(99)
    with pytest.raises(NotFoundError):
        ai.teams.delete(99)


def test_keys_and_users_of_a_deleted_team_live_on(opening: Opening) -> None:
    ai = opening(Start(users=(MEMBER,), teams=(TEAM,)))
    key = ai.keys.create(NewAiKey(EU.id, "llm", team_id=TEAM.id, has_database=False))
    ai.teams.delete(TEAM.id)
    assert ai.users.by_email(MEMBER.email) == replace(MEMBER, team_id=None)
    assert ai.keys.of_team(TEAM.id) == []
    ai.keys.delete(key.id)


KEYS = "POST /amazee-ai/private-ai-keys"


@pytest.mark.parametrize("kind", ["drop_after_commit", "ai_500_after_commit"])
def test_a_key_whose_answer_was_lost_is_found_in_the_list(
    simulator: Simulator, client: AmazeeAiClient, kind: str
) -> None:
    user = client.users.create(NEW_USER)
    simulator.fault(KEYS, kind)
    with pytest.raises(AmazeeAiUnavailableError, match="may have been carried out"):
        client.keys.create(replace(NEW_KEY, owner_id=user.id))
    assert [key.name for key in client.keys.owned_by(user.id)] == [NEW_KEY.name]


def test_a_backend_that_dies_half_way_locks_the_name(
    simulator: Simulator, client: AmazeeAiClient
) -> None:
    new = replace(NEW_KEY, owner_id=client.users.create(NEW_USER).id)
    simulator.fault(KEYS, "ai_locked_alias")
    with pytest.raises(AmazeeAiUnavailableError):
        client.keys.create(new)
    with pytest.raises(AlreadyExistsError, match="LiteLLM has a key of that name"):
        client.keys.create(new)
    assert client.keys.owned_by(NEW_KEY.owner_id or 0) == []


def test_a_plain_500_that_closes_the_connection_is_read_over(
    simulator: Simulator, client: AmazeeAiClient
) -> None:
    simulator.fault("GET /amazee-ai/private-ai-keys", "ai_plain_500", times=2)
    assert client.keys.owned_by(USER.id) == []
    simulator.fault("DELETE /amazee-ai/private-ai-keys/*", "ai_plain_500")
    with pytest.raises(AmazeeAiUnavailableError):
        client.keys.delete(9)
    assert client.keys.owned_by(USER.id) == []


def test_a_refused_token_is_ours_to_mend(simulator: Simulator, client: AmazeeAiClient) -> None:
    simulator.fault("GET /amazee-ai/auth/me", "expired_token")
    with pytest.raises(AmazeeAiAuthError, match="AMAZEE_AI_TOKEN_FILE"):
        client.ping()


def test_a_limit_says_what_to_do(simulator: Simulator, client: AmazeeAiClient) -> None:
    simulator.fault("POST /amazee-ai/users", "ai_limit")
    with pytest.raises(AmazeeAiRefusedError, match="too many users in the team; raise"):
        client.users.create(NEW_USER)


@pytest.mark.parametrize(
    ("email", "text"),
    [
        ("ada@mailinator.com", r"Invalid email domain\.$"),
        ("no-address", r"body\.email \(value_error\)\.$"),
    ],
)
def test_an_address_that_is_not_taken_is_refused_without_the_password(
    client: AmazeeAiClient, email: str, text: str
) -> None:
    with pytest.raises(AmazeeAiRefusedError, match=text) as caught:
        client.users.create(NewAiUser(email, Secret("canary-Passw0rd")))
    assert "canary" not in str(caught.value)


def test_another_path_than_the_services_own_is_not_gone(
    simulator: Simulator, http: httpx.Client
) -> None:
    wrong = AmazeeAiClient(http, f"{simulator.url}/amazee-ai/v2", lambda: Secret("t"))
    with pytest.raises(AmazeeAiUnavailableError, match="AMAZEE_AI_BASE_URL"):
        wrong.keys.delete(9)
