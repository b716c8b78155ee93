from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from polydock_pipelines.apps.registry import APP_TYPES
from polydock_pipelines.lifecycle.holding import Holding, HoldingKind
from polydock_pipelines.lifecycle.instance import Instance
from polydock_pipelines.lifecycle.outcome import Done, Failed, Outcome, Waiting
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import (
    EndpointError,
    InUseError,
    NotFoundError,
    PortError,
    RefusedError,
)
from polydock_pipelines.ports.amazee_ai import AiUser, NewAiKey, NewAiUser
from polydock_pipelines.steps.credentials import ANSWER_LOST
from polydock_pipelines.steps.giving_back import TRIES, give_back_and_record
from tests.fakes.amazee_ai import FakeAmazeeAi, moment
from tests.fakes.clock import START
from tests.unit.steps.ai_life import KEY, OWN, ai_instance, ai_world, lost
from tests.unit.steps.step_world import StepWorld

TEAM = "gpt-trial-calm-otter-a1b2c3d4"
PERSON = "ada@example.com"
DELETES = ("keys.delete", "users.delete", "teams.delete")
AWAY = "amazee.ai did not answer"
REMOVED = "POLYDOCK_APP_REMOVED_DATE"


def configured(app_type: str, **options: Any) -> tuple[Instance, StepWorld]:
    """Return an instance of *app_type* with its credentials, and its world; *options* of its AI."""
    instance, world = ai_instance(app_type), ai_world(FakeAmazeeAi(**options))
    outcome = APP_TYPES[app_type].steps["post-create"](instance, world.ports)
    assert isinstance(outcome, Done)
    return instance, world


def of_a_person() -> tuple[Instance, StepWorld]:
    """Return an amazee-claw that a person with an account has claimed."""
    instance = ai_instance("amazee-claw", {"amazeeai_key_mode": "user"})
    world = ai_world(FakeAmazeeAi(users=[AiUser(70, PERSON)]))
    claim = APP_TYPES["amazee-claw"].steps["polydock-claim"]
    assert isinstance(claim(replace(instance, stage="polydock-claim"), world.ports), Done)
    return instance, world


def remove(instance: Instance, world: StepWorld, attempt: int = 1) -> Outcome:
    removing = world.again(instance, stage="post-remove", attempt=attempt)
    return give_back_and_record(removing, world.ports)


def deleted(world: StepWorld) -> list[str]:
    return [operation for operation in world.ai.operations() if operation in DELETES]


def held(world: StepWorld) -> list[str]:
    return sorted(kind.value for kind, _ in world.journal.held)


def owed(world: StepWorld) -> list[str]:
    return sorted(kind.value for kind, _ in world.journal.owed)


def is_recorded(instance: Instance, world: StepWorld) -> bool:
    return REMOVED in world.lagoon.values(instance.name)


# -- all goes well


@pytest.mark.parametrize(
    ("app_type", "expected"),
    [("polydock-app-ai", ["keys.delete", "users.delete"]), ("private-gpt", [*DELETES])],
)
def test_keys_go_first_then_users_then_teams(app_type: str, expected: list[str]) -> None:
    instance, world = configured(app_type)
    assert remove(instance, world) == Done()
    assert deleted(world) == expected
    assert (world.ai.stored_keys, world.ai.stored_teams) == ([], [])
    assert (world.ai.stored_user(OWN), world.journal.held) == (None, {})
    assert is_recorded(instance, world)


def test_an_instance_that_holds_nothing_asks_amazee_ai_nothing() -> None:
    instance, world = ai_instance("polydock-app-ai"), ai_world()
    assert remove(instance, world) == Done()
    assert world.ai.calls == []
    assert is_recorded(instance, world)


def test_what_is_not_of_amazee_ai_is_left_to_others() -> None:
    instance, world = ai_instance("polydock-app-ai"), ai_world()
    entry = Holding(HoldingKind.ORGANIZATION_VARIABLES, "trials-eu", meant_at=START)
    world.journal.held[entry.kind, entry.name] = entry
    assert remove(instance, world) == Done()
    assert held(world) == ["organization-variables"]


# -- what is gone already


@pytest.mark.parametrize("operation", DELETES)
def test_what_vanishes_as_we_delete_it_is_done(operation: str) -> None:
    gone = {operation: [NotFoundError("gone")]}
    instance, world = configured("private-gpt", failing=gone)
    assert remove(instance, world) == Done()
    assert (world.journal.held, world.journal.owed) == ({}, {})


def test_what_somebody_deleted_by_hand_is_done() -> None:
    instance, world = configured("private-gpt")
    world.ai.state.keys.clear()
    world.ai.state.users.clear()
    world.ai.state.teams.clear()
    assert remove(instance, world) == Done()
    assert world.journal.held == {}


def test_a_second_removal_finds_nothing_to_do() -> None:
    instance, world = configured("private-gpt")
    remove(instance, world)
    before = len(world.ai.calls)
    assert remove(instance, world) == Done()
    assert len(world.ai.calls) == before


# -- amazee.ai fails


ERRORS = [lost(), RefusedError(AWAY), InUseError(AWAY), PortError(AWAY)]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("operation", DELETES)
def test_a_failure_fails_the_attempt_and_after_the_last_it_is_owed_with_its_reason(
    operation: str, error: PortError
) -> None:
    instance, world = configured("private-gpt", failing={operation: [error] * TRIES})
    for attempt in range(1, TRIES):
        assert remove(instance, world, attempt) == Failed(str(error))
        assert world.journal.owed == {}
        assert not is_recorded(instance, world)
    outcome = remove(instance, world, TRIES)
    assert isinstance(outcome, Done)
    assert set(world.journal.owed.values()) == {str(error)}
    assert outcome.note == f"{len(world.journal.owed)} things at amazee.ai are owed: {error}"
    assert is_recorded(instance, world)


def test_a_later_attempt_may_succeed() -> None:
    instance, world = configured("private-gpt", failing={"keys.delete": [lost(), lost()]})
    assert [remove(instance, world, attempt) for attempt in (1, 2, 3)][2] == Done()
    assert (world.journal.held, world.journal.owed) == ({}, {})


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("keys.delete", ["ai-key", "ai-team", "ai-token", "ai-user"]),
        ("users.delete", ["ai-team", "ai-token", "ai-user"]),
        ("teams.delete", ["ai-team"]),
    ],
)
def test_what_is_gone_is_closed_and_only_the_rest_is_owed(
    operation: str, expected: list[str]
) -> None:
    instance, world = configured("private-gpt", failing={operation: [lost()]})
    assert isinstance(remove(instance, world, TRIES), Done)
    assert owed(world) == held(world) == expected


def test_what_was_closed_is_not_tried_again() -> None:
    instance, world = configured("private-gpt", failing={"users.delete": [lost()]})
    assert isinstance(remove(instance, world), Failed)
    assert remove(instance, world, 2) == Done()
    assert deleted(world) == ["keys.delete", "users.delete", "users.delete", "teams.delete"]


def test_a_deletion_that_was_done_although_its_answer_was_lost_is_no_debt() -> None:
    after = {"keys.delete": [lost()], "users.delete": [lost()], "teams.delete": [lost()]}
    instance, world = configured("private-gpt", failing_after=after)
    assert isinstance(remove(instance, world), Failed)
    assert isinstance(remove(instance, world), Failed)
    assert isinstance(remove(instance, world, TRIES), Done)
    assert owed(world) == ["ai-team"]
    assert (world.ai.stored_keys, world.ai.stored_teams) == ([], [])


@pytest.mark.parametrize("operation", ["users.by_email", "keys.refs_of_user"])
def test_nothing_is_called_gone_while_nobody_says_what_is_there(operation: str) -> None:
    instance, world = configured("polydock-app-ai")
    world.ai.state.failing[operation] = [lost()]
    assert remove(instance, world) == Failed(AWAY)
    assert held(world) == ["ai-key", "ai-user"]
    assert deleted(world) == []


def test_a_lagoon_that_is_away_is_waited_for_after_all_was_given_back() -> None:
    instance, world = configured("polydock-app-ai")
    world.lagoon.state.failing["set_variables"] = [EndpointError("no answer", endpoint="lagoon")]
    with pytest.raises(EndpointError):
        remove(instance, world)
    assert world.journal.held == {}
    assert remove(instance, world) == Done()


def test_a_project_that_is_gone_keeps_no_debt_from_being_told() -> None:
    instance, world = configured("polydock-app-ai", failing={"keys.delete": [lost()]})
    del world.lagoon.state.projects[instance.name]
    outcome = remove(instance, world, TRIES)
    assert isinstance(outcome, Done)
    assert "2 things at amazee.ai are owed" in outcome.note


# -- what may still be in the making


@pytest.mark.parametrize("kind", [HoldingKind.AI_KEY, HoldingKind.AI_USER, HoldingKind.AI_TEAM])
def test_a_late_creation_is_waited_for_before_anything_is_deleted(kind: HoldingKind) -> None:
    instance, world = configured("private-gpt")
    ago = timedelta(seconds=30)
    entry = Holding(kind, "late", meant_at=START - ago)
    calls = len(world.ai.calls)
    changed = replace(instance, stage="post-remove", holdings=(entry,))
    outcome = give_back_and_record(changed, world.ports)
    assert isinstance(outcome, Waiting)
    assert outcome.until == START - ago + ANSWER_LOST
    assert len(world.ai.calls) == calls
    assert not is_recorded(instance, world)


def test_the_latest_of_several_creations_is_waited_for() -> None:
    instance, world = ai_instance("polydock-app-ai"), ai_world()
    times = (timedelta(minutes=1), timedelta(seconds=5), timedelta(hours=2))
    entries = tuple(
        Holding(HoldingKind.AI_KEY, f"{KEY}-{number}", OWN, meant_at=START - ago)
        for number, ago in enumerate(times)
    )
    outcome = give_back_and_record(replace(instance, holdings=entries), world.ports)
    assert isinstance(outcome, Waiting)
    assert outcome.until == START - times[1] + ANSWER_LOST


def test_a_key_that_came_late_is_found_and_deleted() -> None:
    instance, world = configured("polydock-app-ai")
    (stored,) = world.ai.stored_keys
    entry = world.journal.held[HoldingKind.AI_KEY, KEY]
    world.journal.held[entry.kind, KEY] = replace(entry, external_id=None)
    world.clock.advance(ANSWER_LOST - timedelta(seconds=1))
    assert isinstance(remove(instance, world), Waiting)
    world.clock.advance(1)
    assert remove(instance, world) == Done()
    assert stored.key not in [one.key for one in world.ai.stored_keys]


def test_a_thing_whose_answer_came_is_not_waited_for() -> None:
    instance, world = configured("polydock-app-ai")
    assert all(one.meant_at == START for one in world.journal.held.values())
    assert remove(instance, world) == Done()


# -- what is ours, and what is not


def test_a_persons_user_and_their_other_keys_stay() -> None:
    instance, world = of_a_person()
    mine = world.ai.keys.create(NewAiKey(1, "my own key", owner_id=70))
    assert remove(instance, world) == Done()
    assert world.ai.stored_user(PERSON) is not None
    assert [stored.key for stored in world.ai.stored_keys] == [mine]
    assert deleted(world) == ["keys.delete"]


def test_a_persons_key_is_found_by_its_name_when_its_id_is_not_known() -> None:
    instance, world = of_a_person()
    mine = world.ai.keys.create(NewAiKey(1, f"{KEY}-2", owner_id=70))
    entry = Holding(HoldingKind.AI_KEY, KEY, PERSON, meant_at=START - timedelta(hours=1))
    world.journal.held[entry.kind, KEY] = entry
    world.clock.advance(timedelta(hours=1))
    assert remove(instance, world) == Done()
    assert [stored.key for stored in world.ai.stored_keys] == [mine]


def test_a_key_is_deleted_by_its_id_when_the_list_shows_it_no_more() -> None:
    instance, world = of_a_person()
    (stored,) = world.ai.stored_keys
    stored.key = replace(stored.key, owner_id=None)
    assert remove(instance, world) == Done()
    assert world.ai.stored_keys == []


def test_all_keys_of_the_instances_own_user_go_with_it() -> None:
    instance, world = configured("polydock-app-ai")
    own = world.ai.stored_user(OWN)
    assert own is not None
    world.ai.keys.create(NewAiKey(1, "made by the app", owner_id=own.user.id))
    assert remove(instance, world) == Done()
    assert (world.ai.stored_keys, world.ai.stored_user(OWN)) == ([], None)


def test_all_keys_of_the_instances_own_team_go_with_it() -> None:
    instance, world = configured("private-gpt")
    (team,) = world.ai.stored_teams
    world.ai.keys.create(NewAiKey(1, "made by the app", team_id=team.id))
    assert remove(instance, world) == Done()
    assert world.ai.stored_keys == []


def test_a_foreign_user_in_our_team_is_not_deleted() -> None:
    instance, world = configured("private-gpt", limits=None)
    (team,) = world.ai.stored_teams
    eve = world.ai.users.create(NewAiUser("eve@example.com", instance.admin.password, team.id))
    assert remove(instance, world) == Done()
    assert world.ai.stored_user(eve.email) is not None
    assert (world.ai.stored_teams, world.ai.stored_user(OWN)) == ([], None)


def test_keys_of_other_instances_stay() -> None:
    instance, world = configured("polydock-app-ai")
    other = world.ai.users.create(NewAiUser("trial-x@autogen.null", instance.admin.password))
    theirs = world.ai.keys.create(NewAiKey(1, "trial-x-proj-creds", owner_id=other.id))
    assert remove(instance, world) == Done()
    assert [stored.key for stored in world.ai.stored_keys] == [theirs]
    assert world.ai.stored_user(other.email) is not None


def test_a_user_who_is_no_instances_is_never_deleted_even_if_the_ledger_says_so() -> None:
    instance, world = of_a_person()
    entry = Holding(HoldingKind.AI_USER, PERSON, external_id=70)
    world.journal.held[entry.kind, PERSON] = entry
    with pytest.raises(AssertionError):
        remove(instance, world)
    assert world.ai.stored_user(PERSON) is not None
    assert deleted(world) == []


def test_a_number_that_is_another_keys_by_now_is_left_alone() -> None:
    instance, world = configured("polydock-app-ai")
    (stored,) = world.ai.stored_keys
    world.ai.state.keys[stored.key.id] = replace(
        stored, key=replace(stored.key, name="a-customers-own", owner_id=4711)
    )
    assert isinstance(remove(instance, world), Done)
    assert [one.key.name for one in world.ai.stored_keys] == ["a-customers-own"]
    assert held(world) == []


def test_keys_that_people_of_the_team_had_made_while_it_stood_go_and_their_accounts_stay() -> None:
    instance, world = configured("private-gpt")
    state = world.ai.state
    state.limits = None
    (team,) = world.ai.stored_teams
    old = world.ai.users.create(NewAiUser("old@example.com", Secret("x")))
    before = world.ai.keys.create(NewAiKey(1, "from before", owner_id=old.id))
    state.teams[team.id] = replace(team, created_at=moment(before.id + 1))
    state.users[old.id].user = replace(old, team_id=team.id)
    later = world.ai.keys.create(NewAiKey(1, "on the trial", owner_id=old.id))
    assert later.id > before.id
    assert isinstance(remove(instance, world), Done)
    assert [one.key.name for one in world.ai.stored_keys] == ["from before"]
    assert world.ai.stored_user("old@example.com") is not None


def test_a_key_that_lost_a_part_goes_with_its_owner() -> None:
    instance, world = configured("polydock-app-ai")
    (stored,) = world.ai.stored_keys
    half = world.ai.keys.create(NewAiKey(1, "another", owner_id=stored.key.owner_id))
    assert isinstance(remove(instance, world), Done)
    assert half.id not in world.ai.state.keys
