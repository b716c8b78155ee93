"""What a step writes before its outcome: short transactions under its lease."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.journal import LeaseJournal
from polydock_pipelines.db.leases import LEASE, Held, apply, claim
from polydock_pipelines.db.models.instances import InstanceIntent, PushedVariable
from polydock_pipelines.lifecycle.instance import Effect
from polydock_pipelines.lifecycle.outcome import Done, Facts, Failed
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import StaleLeaseError
from tests.fakes.clock import START, FakeClock
from tests.makers import a_book, instance_row, new_instance


def working(database: Database, instance_id: int, clock: FakeClock) -> tuple[Held, LeaseJournal]:
    taken = claim(a_book(database), instance_id, clock.now())
    assert taken is not None
    return taken, LeaseJournal(a_book(database), taken, clock)


def intents(database: Database) -> dict[tuple[str, str], datetime]:
    with database.read() as session:
        return {(i.effect, i.key): i.intended_at for i in session.scalars(select(InstanceIntent))}


def pushed(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(PushedVariable.name)))


def test_an_intent_is_there_for_the_next_run_even_if_this_one_dies(
    database: Database, clock: FakeClock
) -> None:
    instance_id = new_instance(database)
    _, journal = working(database, instance_id, clock)
    journal.intend(Effect.CREATE_PROJECT, "trial-x")
    clock.advance(LEASE)
    resumed, _ = working(database, instance_id, clock)
    assert resumed.instance.intents == {(Effect.CREATE_PROJECT, "trial-x"): START}


def test_meaning_it_again_moves_the_time(database: Database, clock: FakeClock) -> None:
    _, journal = working(database, new_instance(database), clock)
    for _ in range(2):
        journal.intend(Effect.DEPLOY, "b-1")
        clock.advance(5)
    assert intents(database) == {("deploy", "b-1"): START + timedelta(seconds=5)}


def test_an_intent_that_is_taken_back_leaves_the_others(
    database: Database, clock: FakeClock
) -> None:
    _, journal = working(database, new_instance(database), clock)
    for effect, key in [(Effect.DEPLOY, "a"), (Effect.DEPLOY, "b"), (Effect.BUILD_MISSED, "a")]:
        journal.intend(effect, key)
    journal.retract(Effect.DEPLOY, "a")
    journal.retract(Effect.DEPLOY, "never meant")
    assert set(intents(database)) == {("deploy", "b"), ("build-missed", "a")}


def test_what_is_recorded_survives_a_failure(database: Database, clock: FakeClock) -> None:
    instance_id = new_instance(database)
    taken, journal = working(database, instance_id, clock)
    journal.record(Facts(lagoon_project_id=12, pushed_variables=frozenset({"A", "B"})))
    apply(a_book(database), taken, Failed("no"), START)
    assert instance_row(database, instance_id).lagoon_project_id == 12
    assert pushed(database) == {"A", "B"}


def test_pushed_names_are_replaced_by_those_of_the_outcome(
    database: Database, clock: FakeClock
) -> None:
    taken, journal = working(database, new_instance(database), clock)
    journal.record(Facts(pushed_variables=frozenset({"OLD", "KEPT"})))
    kept = Facts(pushed_variables=frozenset({"KEPT", "NEW"}))
    apply(a_book(database), taken, Done(kept), START)
    assert pushed(database) == {"KEPT", "NEW"}


def test_withdrawing_every_variable_forgets_their_names(
    database: Database, clock: FakeClock
) -> None:
    taken, journal = working(database, new_instance(database), clock)
    journal.record(Facts(pushed_variables=frozenset({"OLD"})))
    apply(a_book(database), taken, Done(Facts(pushed_variables=frozenset())), START)
    assert pushed(database) == set()


@pytest.mark.parametrize(
    "write",
    [
        lambda journal: journal.intend(Effect.DEPLOY, "b-1"),
        lambda journal: journal.retract(Effect.CREATE_PROJECT, "first"),
        lambda journal: journal.record(Facts(lagoon_project_id=99, login_url=Secret("https://x"))),
    ],
    ids=["intend", "retract", "record"],
)
def test_a_stale_journal_writes_nothing_and_says_so(
    database: Database, clock: FakeClock, write
) -> None:
    instance_id = new_instance(database)
    _, journal = working(database, instance_id, clock)
    journal.intend(Effect.CREATE_PROJECT, "first")
    clock.advance(LEASE)
    working(database, instance_id, clock)
    with pytest.raises(StaleLeaseError, match="another run holds trial-test-"):
        write(journal)
    assert set(intents(database)) == {("create-project", "first")}
    assert instance_row(database, instance_id).lagoon_project_id is None
