import inspect
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from polydock_pipelines.clients.amazee_ai.client import AmazeeAiClient
from polydock_pipelines.lifecycle.holding import Holding, HoldingKind
from polydock_pipelines.lifecycle.instance import Instance
from polydock_pipelines.lifecycle.outcome import Done, Facts, Failed, Waiting
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import AlreadyExistsError, EndpointError, RefusedError
from polydock_pipelines.ports.amazee_ai import AiKey, AiRegion, AiUser
from polydock_pipelines.steps import credentials
from polydock_pipelines.steps.credentials import ANSWER_LOST
from polydock_pipelines.steps.giving_back import give_back_and_record
from tests.fakes.amazee_ai import REGION, FakeAmazeeAi
from tests.fakes.clock import START
from tests.makers import a_target
from tests.unit.steps.ai_life import KEY, OWN, ai_instance, ai_world, lost
from tests.unit.steps.step_world import StepWorld, a_world

INSTANCE = ai_instance("polydock-app-ai", stage="post-create")
OTHER = replace(INSTANCE, id=2, uuid="0c6b3f1e-0000-4000-8000-000000000002", name="trial-bold-crab")
SECOND = timedelta(seconds=1)
US = AiRegion(2, "us", is_active=True)
OWN_USER = AiUser(70, OWN)
THE_KEY = (HoldingKind.AI_KEY, KEY)
THE_USER = (HoldingKind.AI_USER, OWN)
NINE = [KEY, *(f"{KEY}-{number}" for number in range(2, 10))]


def world_with(**options: Any) -> StepWorld:
    return a_world(ai=FakeAmazeeAi(**options))


def own(world: StepWorld, instance: Instance = INSTANCE) -> AiKey | Waiting | Failed:
    return credentials.own_key(world.again(instance), world.ports)


def persons(world: StepWorld, address: str, instance: Instance = INSTANCE) -> AiKey:
    new = credentials.new_user(address)
    user = credentials.ensure_user(world.again(instance), world.ports, new, is_own=False)
    return made(credentials.key_of_user(world.again(instance), world.ports, user))


def made(outcome: AiKey | Waiting | Failed) -> AiKey:
    assert isinstance(outcome, AiKey), outcome
    return outcome


def count(world: StepWorld, operation: str) -> int:
    return world.ai.operations().count(operation)


def a_key(number: int, name: str, **changes: Any) -> AiKey:
    url = "https://llm.example.com"
    return replace(AiKey(number, name, "eu", OWN_USER.id, None, url, Secret("sk")), **changes)


def meant(world: StepWorld, *, ago: timedelta, kind: HoldingKind = HoldingKind.AI_KEY) -> None:
    """Enter in the ledger what an earlier call may have made."""
    name, owner = (KEY, OWN) if kind is HoldingKind.AI_KEY else (OWN, "")
    entry = Holding(kind, name, owner, meant_at=START - ago)
    world.journal.held[kind, name] = entry


# -- names and addresses


def test_the_names_are_those_of_the_original_engine() -> None:
    assert credentials.own_address(INSTANCE) == OWN
    assert credentials.key_name(INSTANCE) == KEY
    assert list(credentials.names(KEY)) == NINE


@pytest.mark.parametrize(
    ("address", "expected"),
    [(OWN, True), ("ada@example.com", False), ("x@autogen.null.example.com", False)],
)
def test_only_an_address_of_our_domain_is_of_an_instance(address: str, expected: bool) -> None:  # noqa: FBT001
    assert credentials.is_own(address) is expected


@pytest.mark.parametrize(
    ("address", "similar"),
    [
        ("b@x.io", "bob@x.io"),
        ("ada@x.io", "ada+trial@x.io"),
        ("%@x.io", "bob@x.io"),
        ("b_b@x.io", "bob@x.io"),
    ],
)
def test_a_person_never_gets_the_user_of_a_similar_address(address: str, similar: str) -> None:
    world = world_with(users=[AiUser(70, similar)])
    key = persons(world, address)
    asked = [call.arguments["email"] for call in world.ai.calls if "email" in call.arguments]
    assert set(asked) == {address}
    stored = world.ai.stored_user(address)
    assert stored is not None
    assert key.owner_id == stored.user.id != 70


# -- users


def test_the_own_user_is_made_once_and_the_ledger_knows_it() -> None:
    world = world_with()
    assert made(own(world)) == made(own(world))
    assert count(world, "users.create") == 1
    stored = world.ai.stored_user(OWN)
    assert stored is not None
    assert world.journal.held[THE_USER].external_id == stored.user.id


def test_a_new_user_gets_a_random_password_that_nobody_keeps() -> None:
    first, second = credentials.new_user(OWN), credentials.new_user(OWN)
    assert first.password != second.password
    world = world_with()
    own(world)
    assert world.journal.kept == {}


@pytest.mark.parametrize("is_active", [True, False])
def test_a_user_that_was_there_before_is_used_and_outlives_the_instance(is_active: bool) -> None:  # noqa: FBT001
    before = AiUser(70, OWN, is_active=is_active)
    world = ai_world(FakeAmazeeAi(users=[before]))
    assert made(own(world)).owner_id == 70
    assert THE_USER not in world.journal.held
    removing = world.again(replace(INSTANCE, stage="post-remove"))
    assert isinstance(give_back_and_record(removing, world.ports), Done)
    assert world.ai.stored_keys == []
    assert world.ai.stored_user(OWN) is not None
    assert "users.create" not in world.ai.operations()


def test_a_user_whose_creation_got_no_answer_is_ours_when_it_is_found() -> None:
    world = world_with(failing_after={"users.create": [lost()]})
    with pytest.raises(EndpointError):
        own(world)
    key = made(own(world))
    assert count(world, "users.create") == 1
    assert world.journal.held[THE_USER].external_id == key.owner_id


@pytest.mark.parametrize("was_meant", [False, True])
def test_a_user_that_shows_up_while_we_make_it_is_ours_only_if_we_meant_it(was_meant: bool) -> None:  # noqa: FBT001
    world = world_with(failing_after={"users.create": [AlreadyExistsError("known")]})
    if was_meant:
        meant(world, ago=timedelta(hours=1), kind=HoldingKind.AI_USER)
    assert isinstance(own(world), AiKey)
    assert (THE_USER in world.journal.held) is was_meant


@pytest.mark.parametrize("error", [RefusedError("too many users"), AlreadyExistsError("known")])
def test_a_user_that_is_refused_is_struck_from_the_ledger(error: Exception) -> None:
    world = world_with(failing={"users.create": [error]})
    with pytest.raises(type(error)):
        own(world)
    assert world.journal.held == {}


def test_a_refusal_after_a_lost_answer_leaves_the_entry() -> None:
    world = world_with(failing={"users.create": [RefusedError("no")]})
    meant(world, ago=timedelta(hours=1), kind=HoldingKind.AI_USER)
    with pytest.raises(RefusedError):
        own(world)
    assert THE_USER in world.journal.held


def test_a_persons_user_never_enters_the_ledger_even_when_we_made_it() -> None:
    world = world_with()
    persons(world, "ada@example.com")
    assert world.ai.stored_user("ada@example.com") is not None
    assert set(world.journal.held) == {THE_KEY}


# -- two instances of one person


def test_two_instances_of_one_person_have_a_key_each_and_keep_it() -> None:
    ai = FakeAmazeeAi()
    first, second = a_world(ai=ai), a_world(ai=ai)
    one, two = persons(first, "ada@example.com"), persons(second, "ada@example.com", OTHER)
    assert (one.name, two.name) == (KEY, "trial-bold-crab-proj-creds")
    assert one.owner_id == two.owner_id
    assert persons(first, "ada@example.com") == one
    assert persons(second, "ada@example.com", OTHER) == two


def test_the_removal_of_one_leaves_the_key_of_the_other_and_the_person() -> None:
    ai = FakeAmazeeAi()
    first, second = a_world(ai=ai), a_world(ai=ai)
    persons(first, "ada@example.com")
    two = persons(second, "ada@example.com", OTHER)
    removing = first.again(replace(INSTANCE, stage="post-remove"))
    assert isinstance(give_back_and_record(removing, first.ports), Done)
    assert [stored.key for stored in ai.stored_keys] == [two]
    assert ai.stored_user("ada@example.com") is not None


# -- the key that is found


def test_a_key_of_our_name_in_another_region_is_not_ours() -> None:
    elsewhere = a_key(80, KEY, region="us")
    world = world_with(regions=[REGION, US], users=[OWN_USER], keys=[elsewhere])
    key = made(own(world))
    assert (key.id != 80, key.region) == (True, "eu")
    assert elsewhere in [stored.key for stored in world.ai.stored_keys]


def test_keys_of_other_names_are_not_ours() -> None:
    others = [a_key(80, f"{KEY}-10"), a_key(81, f"x-{KEY}"), a_key(82, "mine")]
    key = made(own(world_with(users=[OWN_USER], keys=others)))
    assert (key.id > 82, key.name) == (True, KEY)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ([a_key(81, KEY), a_key(80, f"{KEY}-2")], 81),
        ([a_key(83, f"{KEY}-3"), a_key(84, f"{KEY}-2")], 84),
        ([a_key(86, KEY), a_key(85, KEY)], 85),
    ],
    ids=["the usual name", "the lower number", "the oldest of one name"],
)
def test_of_several_keys_the_first_by_name_then_by_age_is_used(
    keys: list[AiKey], expected: int
) -> None:
    world = world_with(users=[OWN_USER], keys=keys)
    assert made(own(world)).id == expected
    assert "keys.create" not in world.ai.operations()


def test_a_key_that_was_deleted_by_hand_is_made_anew_with_its_cap() -> None:
    world, instance = world_with(), ai_instance("polydock-app-ai", budget=5.0)
    gone = made(own(world, instance))
    world.ai.keys.delete(gone.id)
    key = made(own(world, instance))
    assert (key.id != gone.id, key.name) == (True, KEY)
    assert [(s.key.id, s.budget_usd) for s in world.ai.stored_keys] == [(key.id, 5.0)]
    assert world.journal.held[THE_KEY].external_id == key.id


def test_a_key_whose_name_is_locked_because_it_just_came_is_used() -> None:
    world = world_with(failing_after={"keys.create": [AlreadyExistsError("locked")]})
    key = made(own(world))
    assert (key.name, count(world, "keys.create")) == (KEY, 1)
    assert world.journal.held[THE_KEY].external_id == key.id


# -- names that are locked


def test_a_locked_name_gives_the_next_number_and_leaves_no_entry() -> None:
    world = world_with(locked_names=NINE[:2])
    assert made(own(world)).name == f"{KEY}-3"
    assert set(world.journal.held) == {THE_USER, (HoldingKind.AI_KEY, f"{KEY}-3")}
    assert made(own(world)).name == f"{KEY}-3"
    assert count(world, "keys.create") == 3


def test_a_locked_name_that_we_meant_before_keeps_its_entry() -> None:
    world = world_with(locked_names=[KEY])
    meant(world, ago=timedelta(hours=1))
    assert made(own(world)).name == f"{KEY}-2"
    assert world.journal.held[THE_KEY].external_id is None


def test_a_key_that_is_listed_no_more_but_locks_its_name_is_not_forgotten() -> None:
    # The list leaves out keys that have lost a part; removal must still know the key's id.
    world = world_with(locked_names=[KEY])
    world.journal.held[THE_KEY] = Holding(HoldingKind.AI_KEY, KEY, OWN, external_id=99)
    assert made(own(world)).name == f"{KEY}-2"
    assert world.journal.held[THE_KEY].external_id == 99


def test_nine_locked_names_fail_for_good_and_say_what_to_do() -> None:
    world = world_with(locked_names=NINE)
    outcome = own(world)
    assert outcome == Failed(
        f"amazee.ai has locked {KEY} and 8 numbered names after it; delete these aliases in "
        "LiteLLM, then retry",
        is_final=True,
    )
    assert set(world.journal.held) == {THE_USER}


# -- answers that never came


def test_a_lost_answer_is_awaited_longer_than_the_client_waits() -> None:
    waits = inspect.signature(AmazeeAiClient).parameters["create_timeout_s"].default
    assert timedelta(seconds=waits) < ANSWER_LOST


def test_a_creation_without_an_answer_is_not_repeated_before_it_must_be_through() -> None:
    world = world_with(failing={"keys.create": [lost()]})
    with pytest.raises(EndpointError):
        own(world)
    for pause in (timedelta(0), ANSWER_LOST - SECOND):
        world.clock.advance(pause)
        outcome = own(world)
        assert isinstance(outcome, Waiting)
        assert (outcome.until, outcome.is_unsure) == (START + ANSWER_LOST, True)
    assert count(world, "keys.create") == 1
    world.clock.advance(SECOND)
    assert isinstance(own(world), AiKey)
    assert count(world, "keys.create") == 2


def test_a_key_that_is_listed_although_its_answer_was_lost_is_used_at_once() -> None:
    world = world_with(failing_after={"keys.create": [lost()]})
    key = made(own(world))
    assert [stored.key for stored in world.ai.stored_keys] == [key]
    assert world.journal.held[THE_KEY].external_id == key.id


def test_a_key_that_is_listed_later_is_used_without_waiting() -> None:
    silent = EndpointError("the list got no answer", endpoint="amazee-ai")
    world = world_with(
        failing_after={"keys.create": [lost()]}, failing={"keys.owned_by": [None, silent]}
    )
    with pytest.raises(EndpointError, match=str(lost())):  # what matters is the creation
        own(world)
    assert world.journal.held[THE_KEY].external_id is None
    made(own(world))
    assert count(world, "keys.create") == 1


def test_each_lost_answer_starts_the_waiting_anew() -> None:
    world = world_with(failing={"keys.create": [lost(), lost()]})
    with pytest.raises(EndpointError):
        own(world)
    world.clock.advance(ANSWER_LOST)
    with pytest.raises(EndpointError):
        own(world)
    outcome = own(world)
    assert isinstance(outcome, Waiting)
    assert outcome.until == START + 2 * ANSWER_LOST


# -- refusals


def test_a_refused_key_is_struck_from_the_ledger() -> None:
    world = world_with(failing={"keys.create": [RefusedError("too many AI keys")]})
    with pytest.raises(RefusedError, match="too many AI keys"):
        own(world)
    assert set(world.journal.held) == {THE_USER}


def test_a_refusal_after_a_lost_answer_leaves_the_keys_entry() -> None:
    world = world_with(failing={"keys.create": [RefusedError("too many AI keys")]})
    meant(world, ago=timedelta(hours=1))
    with pytest.raises(RefusedError):
        own(world)
    assert THE_KEY in world.journal.held


# -- the cap


def caps(world: StepWorld) -> list[object]:
    return [call.arguments["usd"] for call in world.ai.calls if call.operation == "keys.cap"]


@pytest.mark.parametrize(
    ("budgets", "expected"),
    [
        ([None, None], []),
        ([5.0, 5.0], [5.0]),
        ([5.0, 7.5, 7.5], [5.0, 7.5]),
        ([None, 5.0], [5.0]),
        ([0.0, 0.0], [0.0]),
    ],
    ids=["none", "once", "changed", "later", "nothing at all"],
)
def test_a_key_is_capped_when_the_budget_is_new_and_not_again(
    budgets: list[float | None], expected: list[float]
) -> None:
    world = world_with()
    for budget in budgets:
        made(own(world, ai_instance("polydock-app-ai", budget=budget)))
    assert caps(world) == expected
    assert world.ai.stored_keys[0].budget_usd == (expected[-1] if expected else None)
    assert world.journal.held[THE_KEY].budget_usd == (expected[-1] if expected else None)


def test_a_cap_that_got_no_answer_is_set_again() -> None:
    world = world_with(failing={"keys.cap": [lost()]})
    instance = ai_instance("polydock-app-ai", budget=5.0)
    with pytest.raises(EndpointError):
        own(world, instance)
    made(own(world, instance))
    assert caps(world) == [5.0, 5.0]
    assert count(world, "keys.create") == 1


# -- the region


def in_region(region_id: int | None, facts: Facts | None = None) -> Instance:
    known = facts or Facts()
    return replace(INSTANCE, target=a_target(ai_region_id=region_id), facts=known)


OFF = AiRegion(3, "mars", is_active=False)
REGIONS = pytest.mark.parametrize(
    ("region_id", "reason"),
    [
        (None, "the store has no amazee.ai region; set amazee_ai_region_id in the catalogue"),
        (9, "amazee.ai has no region 9; choose another in the catalogue"),
        (3, "amazee.ai has switched off region 3 (mars); choose another in the catalogue"),
    ],
    ids=["none", "unknown", "off"],
)


@REGIONS
def test_a_region_that_cannot_be_used_fails_for_good_before_anything_is_made(
    region_id: int | None, reason: str
) -> None:
    world = world_with(regions=[REGION, OFF])
    outcome = own(world, in_region(region_id))
    assert isinstance(outcome, Failed)
    assert outcome.is_final
    assert outcome.reason.startswith(reason)
    assert outcome.reason.endswith("then retry")
    assert set(world.ai.operations()) <= {"check", "region"}


@REGIONS
def test_an_instance_with_a_project_keeps_its_region_so_a_retry_is_not_advised(
    region_id: int | None, reason: str
) -> None:
    world = world_with(regions=[REGION, OFF])
    outcome = own(world, in_region(region_id, Facts(lagoon_project_id=1)))
    assert isinstance(outcome, Failed)
    assert outcome.reason.startswith(reason)
    assert outcome.reason.endswith("then remove this instance and make another")


def test_an_amazee_ai_that_refuses_our_account_is_not_asked_for_a_region() -> None:
    world = world_with(is_active=False)
    with pytest.raises(EndpointError):
        own(world)
    assert world.ai.operations() == ["check"]


# -- what is kept


def test_a_secret_is_made_once_and_kept() -> None:
    world = world_with()
    first = credentials.kept(world.again(INSTANCE), world.ports, "word", lambda: Secret("tiger"))
    again = credentials.kept(world.again(INSTANCE), world.ports, "word", lambda: Secret("lion"))
    assert (first, again) == (Secret("tiger"), Secret("tiger"))
    assert world.journal.kept == {"word": Secret("tiger")}
