"""AI credentials over a whole life: at most one key while it lasts, none after it, whoever dies."""

from collections import Counter
from itertools import product

import pytest

from polydock_pipelines.lifecycle.outcome import Done
from tests.fakes.amazee_ai import FakeAmazeeAi
from tests.unit.steps.ai_life import AI_TYPES, IN, OUT, Life, life_of, lost
from tests.unit.steps.step_world import Death

each_ai_type = pytest.mark.parametrize("app_type", AI_TYPES)


def calls_of(app_type: str) -> list[tuple[str, int]]:
    """Return each call that a good life makes: its name, and how many such came before it."""
    life = life_of(app_type, budget=5.0)
    life.run(*IN, *OUT)
    seen: Counter[str] = Counter()
    calls: list[tuple[str, int]] = []
    for name in life.world.ai.operations():
        calls.append((name, seen[name]))
        seen[name] += 1
    return calls


def troubled(app_type: str, call: tuple[str, int], when: str, error: BaseException) -> Life:
    """Return a life in which one call goes wrong, before or after it takes effect."""
    name, before = call
    options = {when: {name: [*[None] * before, error]}}
    return life_of(app_type, FakeAmazeeAi(**options), budget=5.0)  # pyright: ignore[reportArgumentType]


def assert_one_key(life: Life) -> None:
    """Assert that the instance has its one key, with its cap, and the ledger knows it."""
    (stored,) = life.world.ai.stored_keys
    assert stored.budget_usd == 5.0
    known = {one.external_id for one in life.world.journal.held.values()}
    assert stored.key.id in known


def assert_nothing_left(life: Life) -> None:
    """Assert that nothing is left at amazee.ai, and that the ledger says so."""
    state = life.world.ai.state
    assert not state.keys
    assert not state.users
    assert not state.teams
    assert not life.world.journal.held
    assert not life.world.journal.owed


@each_ai_type
def test_a_good_life_has_one_key_and_leaves_nothing(app_type: str) -> None:
    life = life_of(app_type, budget=5.0)
    assert isinstance(life.run(*IN), Done)
    assert_one_key(life)
    assert isinstance(life.run(*OUT), Done)
    assert_nothing_left(life)


CASES = [
    pytest.param(app_type, call, when, error, id=f"{app_type}-{call[0]}-{call[1]}-{when}-{word}")
    for app_type in AI_TYPES
    for call in calls_of(app_type)
    for when, (word, error) in product(
        ("failing", "failing_after"), (("death", Death), ("lost", lost))
    )
]


@pytest.mark.parametrize(("app_type", "call", "when", "error"), CASES)
def test_a_call_that_dies_or_gets_no_answer_costs_nothing(
    app_type: str, call: tuple[str, int], when: str, error: type[Death]
) -> None:
    life = troubled(app_type, call, when, error())
    assert isinstance(life.run(*IN), Done)
    assert_one_key(life)
    assert isinstance(life.run(*OUT), Done)
    assert_nothing_left(life)


@each_ai_type
@pytest.mark.parametrize("number", range(1, 16))
def test_a_death_at_a_write_of_the_journal_costs_nothing(app_type: str, number: int) -> None:
    life = life_of(app_type, budget=5.0)
    life.world.journal.dies_at = number
    assert isinstance(life.run(*IN), Done)
    assert_one_key(life)
    assert isinstance(life.run(*OUT), Done)
    assert_nothing_left(life)


@each_ai_type
@pytest.mark.parametrize("stages", [("pre-create",), ("pre-create", "post-create")])
def test_a_removal_at_any_time_leaves_nothing(app_type: str, stages: tuple[str, ...]) -> None:
    life = life_of(app_type)
    life.run(*stages)
    assert isinstance(life.run(*OUT), Done)
    assert_nothing_left(life)


@pytest.mark.parametrize(("app_type", "call"), [(a, c) for a in AI_TYPES for c in calls_of(a)])
def test_a_removal_right_after_a_death_leaves_nothing(app_type: str, call: tuple[str, int]) -> None:
    life = troubled(app_type, call, "failing_after", Death())
    for stage in IN:
        life._try(stage, 1)
        if life.deaths:
            break
    assert isinstance(life.run(*OUT), Done)
    assert_nothing_left(life)
