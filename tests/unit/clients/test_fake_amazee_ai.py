"""The fake plays what steps must survive: locked names, limits, and answers that get lost."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import (
    AlreadyExistsError,
    EndpointError,
    RefusedError,
)
from polydock_pipelines.ports.amazee_ai import (
    AMAZEE_AI,
    AiDatabase,
    AiKey,
    AiRegion,
    AiTeam,
    AiUser,
    AmazeeAi,
    NewAiKey,
    NewAiUser,
)
from tests.fakes.amazee_ai import REGION, FakeAmazeeAi, TeamLimits

AWAY = EndpointError("amazee.ai is away.", endpoint=AMAZEE_AI)
PASSWORD = "a-password"  # pragma: allowlist secret
USER = AiUser(7, "Trial-1@autogen.null")
NEW_USER = NewAiUser("trial-2@autogen.null", Secret(PASSWORD))
NEW_KEY = NewAiKey(REGION.id, "trial-1-proj-creds", owner_id=USER.id)
TEAM = AiTeam(3, "gpt-1", "gpt@x.io")
MEMBER = AiUser(8, "gpt@x.io", team_id=3)
KEY = AiKey(
    id=9,
    name="trial-1-proj-creds",
    region="eu",
    owner_id=USER.id,
    team_id=None,
    llm_url="https://llm.test",
    llm_token=Secret("sk"),
    database=AiDatabase("db.test", "db", "user", Secret("pass")),
)


def test_the_fake_is_a_port() -> None:
    ai: AmazeeAi = FakeAmazeeAi()
    ai.ping()
    ai.check()
    assert ai.region(1) == REGION


def test_a_call_may_fail_before_or_after_it_was_carried_out() -> None:
    ai = FakeAmazeeAi(
        failing={"users.create": [AWAY, None]}, failing_after={"users.create": [AWAY]}
    )
    with pytest.raises(EndpointError):
        ai.users.create(NEW_USER)
    assert ai.stored_user(NEW_USER.email) is None
    with pytest.raises(EndpointError):
        ai.users.create(NEW_USER)
    assert ai.stored_user(NEW_USER.email) is not None
    assert ai.operations() == ["users.create", "users.create"]


def test_calls_are_read_back_without_secrets() -> None:
    ai = FakeAmazeeAi(users=[USER])
    ai.users.create(NEW_USER)
    ai.keys.create(NEW_KEY)
    assert ai.calls == [
        ("users.create", {"email": NEW_USER.email, "team_id": None, "role": None}),
        ("keys.create", {"new": NEW_KEY}),
    ]
    assert PASSWORD not in repr(ai.calls)


def test_what_was_made_can_be_read_back() -> None:
    ai = FakeAmazeeAi(users=[USER])
    key = ai.keys.create(NEW_KEY)
    ai.keys.cap(REGION.id, key.id, 2.5)
    (stored,) = ai.stored_keys
    assert (stored.key, stored.budget_usd) == (key, 2.5)
    ai.users.create(NEW_USER)
    made = ai.stored_user(NEW_USER.email)
    assert made is not None
    assert made.new == NEW_USER
    assert ai.stored_teams == []


def test_what_existed_before_is_there_and_its_numbers_are_taken() -> None:
    ai = FakeAmazeeAi(users=[USER], keys=[KEY], teams=[TEAM])
    assert ai.users.by_email("trial-1@autogen.null") == replace(USER, email=USER.email.lower())
    assert ai.keys.owned_by(USER.id) == [KEY]
    assert ai.teams.by_name("gpt-1") == TEAM
    assert ai.users.create(NEW_USER).id == 10


def test_a_key_that_existed_before_locks_its_name() -> None:
    ai = FakeAmazeeAi(users=[USER], keys=[KEY])
    with pytest.raises(AlreadyExistsError):
        ai.keys.create(NEW_KEY)


def test_a_name_can_be_locked_without_a_key() -> None:
    ai = FakeAmazeeAi(users=[USER], locked_names={NEW_KEY.name})
    with pytest.raises(AlreadyExistsError):
        ai.keys.create(NEW_KEY)
    assert ai.keys.owned_by(USER.id) == []
    ai.keys.create(replace(NEW_KEY, name=f"{NEW_KEY.name}-2"))


def test_a_name_is_locked_in_its_region_and_for_its_owner_only() -> None:
    regions = [REGION, AiRegion(2, "us", is_active=True)]
    ai = FakeAmazeeAi(regions=regions, users=[USER, replace(USER, id=8, email="other@x.io")])
    ai.keys.create(NEW_KEY)
    ai.keys.create(replace(NEW_KEY, region_id=2))
    ai.keys.create(replace(NEW_KEY, owner_id=8))
    assert len(ai.stored_keys) == 3


def test_without_the_flag_everything_refuses_us() -> None:
    ai = FakeAmazeeAi(is_admin=False)
    for act in (ai.ping, ai.check, lambda: ai.users.by_email("a@x.io"), lambda: ai.region(1)):
        with pytest.raises(EndpointError) as caught:
            act()
        assert caught.value.endpoint == AMAZEE_AI


def test_an_inactive_account_is_refused_by_the_ping_alone() -> None:
    ai = FakeAmazeeAi(is_active=False)
    with pytest.raises(EndpointError):
        ai.ping()
    assert ai.users.by_email("a@x.io") is None


def test_a_team_has_limits_and_a_user_without_one_has_none() -> None:
    ai = FakeAmazeeAi(users=[USER, MEMBER], teams=[TEAM])
    for number in range(9):
        ai.keys.create(replace(NEW_KEY, name=f"k{number}"))
    ai.keys.create(NewAiKey(1, "k", owner_id=MEMBER.id))
    with pytest.raises(RefusedError, match="keys"):
        ai.keys.create(NewAiKey(1, "k2", owner_id=MEMBER.id))
    with pytest.raises(RefusedError, match="users"):
        ai.users.create(replace(NEW_USER, team_id=TEAM.id))


def test_databases_of_a_team_and_its_users_are_counted_together() -> None:
    limits = TeamLimits(databases=1)
    ai = FakeAmazeeAi(users=[MEMBER], teams=[TEAM], limits=limits)
    ai.keys.create(NewAiKey(1, "k", owner_id=MEMBER.id))
    with pytest.raises(RefusedError, match="databases"):
        ai.keys.create(NewAiKey(1, "k", team_id=TEAM.id))
    assert ai.keys.create(NewAiKey(1, "k2", team_id=TEAM.id, has_database=False)).id


def test_without_limits_nothing_is_counted() -> None:
    ai = FakeAmazeeAi(users=[MEMBER], teams=[TEAM], limits=None)
    ai.users.create(replace(NEW_USER, team_id=TEAM.id))
    ai.keys.create(NewAiKey(1, "k1", owner_id=MEMBER.id))
    ai.keys.create(NewAiKey(1, "k2", owner_id=MEMBER.id))


def test_threads_do_not_lose_each_others_calls() -> None:
    ai = FakeAmazeeAi()

    def add(number: int) -> int:
        user = ai.users.create(replace(NEW_USER, email=f"u{number}@x.io"))
        return ai.keys.create(replace(NEW_KEY, owner_id=user.id)).id

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(add, range(200)))
    assert len(ids) == len(ai.stored_keys) == 200
