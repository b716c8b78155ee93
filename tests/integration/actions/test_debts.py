"""Settling debts: what can be given back is, what cannot is told, and nobody else is touched."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import select, true

from polydock_pipelines.actions.debts import Settled, settle_debts
from polydock_pipelines.db import debts
from polydock_pipelines.db.circuits import LAGOON
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.holdings import hold, owe
from polydock_pipelines.db.models.instances import InstanceHolding
from polydock_pipelines.lifecycle.holding import Holding, HoldingKind
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import DeniedError, EndpointError, InUseError, PortError
from polydock_pipelines.ports.amazee_ai import AMAZEE_AI, AiKey, AiTeam, AiUser
from polydock_pipelines.steps.dependency_track import ENDPOINT, ENDPOINT_KEY, INSIGHTS
from tests.fakes.amazee_ai import FakeAmazeeAi
from tests.fakes.clock import START
from tests.fakes.lagoon import FakeLagoon
from tests.integration.actions.tables import dump
from tests.makers import a_book, a_variable, make_instance_row

LATER = START + timedelta(days=1)
VARIABLES = [a_variable(name) for name in (INSIGHTS, ENDPOINT, ENDPOINT_KEY, "OURS")]
AI_AWAY = EndpointError("amazee.ai did not answer", endpoint=AMAZEE_AI)
LAGOON_AWAY = EndpointError("Lagoon did not answer", endpoint=LAGOON)
IN_USE = InUseError("User 1 still has AI keys.")


def address(number: int) -> str:
    return f"trial-{number}@autogen.null"


def key(number: int, team_id: int | None = None) -> AiKey:
    owner = None if team_id else number
    url, token = "https://llm.example.com", Secret("sk-x")
    return AiKey(100 + number, f"trial-{number}-proj-creds", "eu", owner, team_id, url, token)


def an_ai(
    numbers: int = 1, failing: Mapping[str, list[PortError | None]] | None = None
) -> FakeAmazeeAi:
    """Return an amazee.ai in which each number has a user with a key."""
    users = [AiUser(n, address(n)) for n in range(1, numbers + 1)]
    return FakeAmazeeAi(users=users, keys=[key(user.id) for user in users], failing=failing)


def user_and_key(number: int) -> tuple[Holding, Holding]:
    """Return the entries of a number's things."""
    entry = Holding(HoldingKind.AI_KEY, key(number).name, address(number), 100 + number, 1)
    return entry, Holding(HoldingKind.AI_USER, address(number), external_id=number)


def variables_of(organization: str) -> Holding:
    return Holding(HoldingKind.ORGANIZATION_VARIABLES, organization)


def a_lagoon(
    *organizations: str, failing: Mapping[str, list[PortError | None]] | None = None
) -> FakeLagoon:
    """Return a Lagoon whose organizations are told of a Dependency-Track."""
    lagoon = FakeLagoon(organizations=organizations, failing=failing)
    for name in organizations:
        lagoon.organizations.set_organization_variables(name, VARIABLES)
    lagoon.calls.clear()
    return lagoon


def told(lagoon: FakeLagoon, organization: str) -> set[str]:
    return set(lagoon.state.organizations[organization])


def holding(
    database: Database, *held: Holding, status: str = "removed", at: datetime = START
) -> int:
    """Add an instance that holds something."""
    with database.write() as session:
        row = make_instance_row(session, status=status)
        for one in held:
            hold(session, row.id, one, at)
        return row.id


def owing(database: Database, *held: Holding, status: str = "removed") -> int:
    """Add an instance that owes what it holds."""
    instance_id = holding(database, *held, status=status)
    with database.write() as session:
        for one in held:
            owe(session, instance_id, one, "it could not be given back then", START)
    return instance_id


def settle(
    database: Database, ai: FakeAmazeeAi | None = None, lagoon: FakeLagoon | None = None
) -> Settled:
    """Run one round, a day later."""
    return settle_debts(a_book(database), lagoon or a_lagoon(), ai or an_ai(0), LATER)


def problems(database: Database) -> dict[str, str]:
    return {debt.name: debt.problem for debt in debts.all_of(database)}


def test_without_debts_nobody_is_asked(database: Database) -> None:
    ai, lagoon = an_ai(), a_lagoon("trials")
    holding(database, *user_and_key(1), status="running-healthy-claimed")
    assert settle(database, ai, lagoon) == Settled(0, [])
    assert ai.calls == []
    assert lagoon.calls == []


def test_what_can_be_given_back_is_and_its_entries_are_closed(database: Database) -> None:
    ai = an_ai()
    owing(database, *user_and_key(1))
    assert settle(database, ai) == Settled(2, [])
    assert (ai.stored_keys, ai.stored_user(address(1))) == ([], None)
    with database.read() as session:
        rows = session.scalars(select(InstanceHolding)).all()
    assert [(row.returned_at, row.problem) for row in rows] == [(LATER, "")] * 2


def test_what_is_gone_already_is_given_back(database: Database) -> None:
    owing(database, *user_and_key(1), variables_of("nobody"))
    assert settle(database) == Settled(3, [])


def test_a_team_goes_after_its_key_its_user_and_the_token(database: Database) -> None:
    ai = FakeAmazeeAi(
        teams=[AiTeam(9, "gpt-trial-1", address(1))],
        users=[AiUser(1, address(1), team_id=9)],
        keys=[key(1, team_id=9)],
    )
    entries = (
        Holding(HoldingKind.AI_TEAM, "gpt-trial-1", external_id=9),
        Holding(HoldingKind.AI_USER, address(1), external_id=1),
        Holding(HoldingKind.AI_TOKEN, "private-gpt-backend-gpt-trial-1", address(1), 5),
        Holding(HoldingKind.AI_KEY, key(1).name, "gpt-trial-1", 101, 1),
    )
    owing(database, *entries)
    assert settle(database, ai) == Settled(4, [])
    gone = [operation for operation in ai.operations() if operation.endswith(".delete")]
    assert gone == ["keys.delete", "users.delete", "teams.delete"]


def test_a_key_whose_answer_was_lost_is_found_by_its_name(database: Database) -> None:
    ai = FakeAmazeeAi(
        users=[AiUser(1, "ada@example.com")], keys=[key(1), replace(key(2), owner_id=1)]
    )
    lost = Holding(HoldingKind.AI_KEY, key(1).name, "ada@example.com")
    owing(database, lost)
    assert settle(database, ai).paid == 1
    assert [stored.key.name for stored in ai.stored_keys] == [key(2).name]
    assert ai.stored_user("ada@example.com") is not None


# -- what cannot be given back


def test_a_refusal_is_noted_and_the_others_are_settled(database: Database) -> None:
    ai = an_ai(3, failing={"users.delete": [IN_USE]})
    for number in (1, 2, 3):
        owing(database, *user_and_key(number))
    settled = settle(database, ai)
    assert (settled.paid, len(settled.left)) == (5, 1)
    assert problems(database) == {address(1): "User 1 still has AI keys."}
    assert [debt.since for debt in settled.left] == [START]
    assert ai.stored_keys == []


def test_what_was_paid_before_a_refusal_stays_paid(database: Database) -> None:
    ai = an_ai(failing={"users.delete": [IN_USE, IN_USE]})
    owing(database, *user_and_key(1))
    assert settle(database, ai).paid == 1
    assert settle(database, ai).paid == 0
    assert settle(database, ai) == Settled(1, [])


def test_an_endpoint_that_is_away_is_asked_once_and_by_nobody_else(database: Database) -> None:
    ai = an_ai(3, failing={"keys.delete": [AI_AWAY]})
    for number in (1, 2, 3):
        owing(database, *user_and_key(number))
    settled = settle(database, ai)
    assert (settled.paid, len(settled.left)) == (0, 6)
    assert len(ai.stored_keys) == 3
    assert ai.operations().count("keys.delete") == 1
    assert [problems(database)[address(n)] for n in (1, 2)] == [
        "amazee.ai did not answer",
        "it could not be given back then",
    ]
    assert settle(database, ai) == Settled(6, [])


def test_while_amazee_ai_is_away_organizations_are_settled_all_the_same(database: Database) -> None:
    ai, lagoon = an_ai(failing={"keys.delete": [AI_AWAY]}), a_lagoon("trials")
    owing(database, *user_and_key(1))
    owing(database, variables_of("trials"))
    assert settle(database, ai, lagoon).paid == 1
    assert told(lagoon, "trials") == {"OURS"}


def test_while_lagoon_is_away_keys_are_given_back_all_the_same(database: Database) -> None:
    ai = an_ai()
    lagoon = a_lagoon("a", "b", failing={"delete_organization_variables": [LAGOON_AWAY]})
    for name in ("a", "b"):
        owing(database, variables_of(name))
    owing(database, *user_and_key(1))
    assert settle(database, ai, lagoon).paid == 2
    assert len(lagoon.calls) == 1
    assert problems(database) == {
        "a": "Lagoon did not answer",
        "b": "it could not be given back then",
    }


# -- organizations


def test_the_variables_of_an_organization_are_withdrawn(database: Database) -> None:
    lagoon = a_lagoon("trials", "others")
    owing(database, variables_of("trials"))
    assert settle(database, lagoon=lagoon) == Settled(1, [])
    assert told(lagoon, "trials") == {"OURS"}
    assert len(told(lagoon, "others")) == 4


def test_an_organization_that_refuses_is_noted_and_the_next_is_settled(database: Database) -> None:
    refusal = DeniedError("We may not change the organization a.")
    lagoon = a_lagoon("a", "b", failing={"delete_organization_variables": [refusal]})
    for name in ("a", "b"):
        owing(database, variables_of(name))
    assert settle(database, lagoon=lagoon).paid == 1
    assert problems(database) == {"a": "We may not change the organization a."}
    assert (len(told(lagoon, "a")), told(lagoon, "b")) == (4, {"OURS"})


def test_variables_that_a_younger_instance_has_written_stay(database: Database) -> None:
    lagoon = a_lagoon("trials")
    owing(database, variables_of("trials"))
    running = "running-healthy-claimed"
    holding(database, variables_of("trials"), status=running, at=START + timedelta(seconds=1))
    assert settle(database, lagoon=lagoon) == Settled(1, [])
    assert len(told(lagoon, "trials")) == 4


class MeddledLagoon(FakeLagoon):
    """A Lagoon; something happens just before its organizations are first asked for."""

    meanwhile: Callable[[], object] | None = None

    @property
    def organizations(self):
        happens, self.meanwhile = self.meanwhile, None
        if happens is not None:
            happens()
        return super().organizations


def test_variables_that_are_written_during_the_round_stay(database: Database) -> None:
    lagoon = MeddledLagoon(organizations=["a", "b"])
    for name in ("a", "b"):
        lagoon.organizations.set_organization_variables(name, VARIABLES)
        owing(database, variables_of(name))
    later = START + timedelta(seconds=1)
    lagoon.meanwhile = lambda: holding(database, variables_of("b"), status="removed", at=later)
    assert settle(database, lagoon=lagoon).paid == 2
    assert (told(lagoon, "a"), len(told(lagoon, "b"))) == ({"OURS"}, 4)


# -- nobody else


@pytest.mark.parametrize("status", ["running-healthy-claimed", "remove-running", "removed"])
def test_only_what_is_owed_is_touched(database: Database, status: str) -> None:
    ai, lagoon = an_ai(2), a_lagoon("trials")
    holding(database, *user_and_key(1), variables_of("trials"), status=status)
    owing(database, *user_and_key(2))
    assert settle(database, ai, lagoon) == Settled(2, [])
    assert [stored.key.name for stored in ai.stored_keys] == [key(1).name]
    assert ai.stored_user(address(1)) is not None
    assert len(told(lagoon, "trials")) == 4
    with database.read() as session:
        open_ones = select(InstanceHolding.name).where(InstanceHolding.returned_at.is_(None))
        assert set(session.scalars(open_ones)) == {key(1).name, address(1), "trials"}


def test_a_debt_does_not_make_its_instances_other_things_debts(database: Database) -> None:
    ai = an_ai(failing={"users.delete": [IN_USE]})
    entry, user = user_and_key(1)
    instance_id = owing(database, user)
    with database.write() as session:
        hold(session, instance_id, replace(entry, name="another key"), START)
    settled = settle(database, ai)
    assert [debt.kind for debt in settled.left] == ["ai-user"]
    with database.read() as session:
        row = session.scalars(select(InstanceHolding).filter_by(name="another key")).one()
    assert (row.problem, row.owed_since, row.returned_at) == ("", None, None)


def test_the_second_round_has_nothing_to_do(database: Database) -> None:
    ai, lagoon = an_ai(), a_lagoon("trials")
    owing(database, *user_and_key(1), variables_of("trials"))
    settle(database, ai, lagoon)
    before = dump(database)
    ai.calls.clear()
    lagoon.calls.clear()
    assert settle(database, ai, lagoon) == Settled(0, [])
    assert (ai.calls, lagoon.calls) == ([], [])
    assert dump(database) == before


def test_two_rounds_at_once_settle_everything_once(database: Database) -> None:
    ai, lagoon, gate = an_ai(8), a_lagoon("trials"), Barrier(2)
    for number in range(1, 9):
        owing(database, *user_and_key(number))
    owing(database, variables_of("trials"))

    def one(_number: int) -> Settled:
        gate.wait(20)
        return settle(database, ai, lagoon)

    with ThreadPoolExecutor(2) as pool:
        rounds = list(pool.map(one, range(2)))
    assert debts.all_of(database) == []
    assert sum(each.paid for each in rounds) >= 17
    assert (ai.stored_keys, told(lagoon, "trials")) == ([], {"OURS"})
    assert not [n for n in range(1, 9) if ai.stored_user(address(n))]


def test_debts_are_told_the_oldest_first_and_with_their_projects(database: Database) -> None:
    one, other = owing(database, variables_of("a")), owing(database, variables_of("b"))
    with database.write() as session:
        row = session.scalars(select(InstanceHolding).filter_by(instance_id=other)).one()
        row.owed_since = START - timedelta(days=1)
    found = debts.all_of(database)
    assert [debt.name for debt in found] == ["b", "a"]
    assert all(debt.instance.startswith("trial-test-") for debt in found)
    assert debts.due(database, 1, true()) == [other]
    debts.note(database, other, "no", START)
    assert debts.due(database, 1, true()) == [one]
