"""The ledger of what stands outside, and kept secrets: written under the lease only."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from alembic import command
from sqlalchemy import inspect, select
from sqlalchemy.exc import IntegrityError

from polydock_pipelines.db import debts, schema
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.fields import write_field
from polydock_pipelines.db.holdings import holdings_of
from polydock_pipelines.db.journal import LeaseJournal
from polydock_pipelines.db.leases import LEASE, Held, apply, claim
from polydock_pipelines.db.models.instances import InstanceHolding, KeptValue
from polydock_pipelines.db.models.offers import FieldValue, Store
from polydock_pipelines.lifecycle.holding import Holding, HoldingKind
from polydock_pipelines.lifecycle.outcome import Done, Failed
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import StaleLeaseError
from tests.fakes.clock import START, FakeClock
from tests.integration.actions.tables import dump
from tests.makers import (
    VAULT,
    a_book,
    instance_row,
    make_fields,
    make_instance_row,
    make_store,
    make_store_app,
    new_instance,
)

CANARY = "Canary4711"
KEY = Holding(HoldingKind.AI_KEY, "trial-x-proj-creds", "trial-x@autogen.null", region_id=3)
USER = Holding(HoldingKind.AI_USER, "trial-x@autogen.null")
ORGANIZATION = Holding(HoldingKind.ORGANIZATION_VARIABLES, "trials")
SECOND = timedelta(seconds=1)


def working(database: Database, instance_id: int, clock: FakeClock) -> tuple[Held, LeaseJournal]:
    taken = claim(a_book(database), instance_id, clock.now())
    assert taken is not None
    return taken, LeaseJournal(a_book(database), taken, clock)


def journal_of(database: Database, clock: FakeClock) -> tuple[int, LeaseJournal]:
    instance_id = new_instance(database)
    return instance_id, working(database, instance_id, clock)[1]


def held_by(database: Database, instance_id: int) -> tuple[Holding, ...]:
    with database.read() as session:
        return holdings_of(session, instance_id)


def rows(database: Database) -> list[InstanceHolding]:
    with database.read() as session:
        return list(session.scalars(select(InstanceHolding).order_by(InstanceHolding.id)))


def kept_rows(database: Database) -> list[KeptValue]:
    with database.read() as session:
        return list(session.scalars(select(KeptValue).order_by(KeptValue.id)))


# -- entries


def test_what_is_meant_is_there_even_if_the_worker_dies(
    database: Database, clock: FakeClock
) -> None:
    instance_id, journal = journal_of(database, clock)
    journal.hold(KEY)
    clock.advance(LEASE)
    resumed, _ = working(database, instance_id, clock)
    assert resumed.instance.holdings == (replace(KEY, meant_at=START),)


def test_an_entry_is_amended_when_it_is_known_what_was_made(
    database: Database, clock: FakeClock
) -> None:
    instance_id, journal = journal_of(database, clock)
    journal.hold(KEY)
    made = replace(KEY, external_id=2**40, budget_usd=0.25, owner="somebody@example.com")
    journal.hold(USER)
    clock.advance(5)
    journal.hold(made)
    assert held_by(database, instance_id) == (
        replace(made, meant_at=START + 5 * SECOND),
        replace(USER, meant_at=START),
    )
    assert len(rows(database)) == 2


def test_what_was_given_back_is_held_no_more_and_still_told(
    database: Database, clock: FakeClock
) -> None:
    instance_id, journal = journal_of(database, clock)
    journal.hold(KEY)
    journal.hold(USER)
    clock.advance(5)
    journal.give_back(KEY)
    assert [one.name for one in held_by(database, instance_id)] == [USER.name]
    assert [row.returned_at for row in rows(database)] == [START + 5 * SECOND, None]


def test_what_was_given_back_may_stand_again(database: Database, clock: FakeClock) -> None:
    instance_id, journal = journal_of(database, clock)
    journal.hold(KEY)
    journal.owe(KEY, "it is in use")
    journal.give_back(KEY)
    journal.hold(replace(KEY, external_id=5))
    assert [one.external_id for one in held_by(database, instance_id)] == [5]
    (row,) = rows(database)
    assert (row.returned_at, row.owed_since, row.problem) == (None, None, "")


def test_what_was_never_made_leaves_no_trace(database: Database, clock: FakeClock) -> None:
    instance_id, journal = journal_of(database, clock)
    journal.hold(KEY)
    journal.hold(USER)
    journal.let_go(KEY)
    assert [one.kind for one in held_by(database, instance_id)] == [HoldingKind.AI_USER]
    assert [row.kind for row in rows(database)] == ["ai-user"]


def test_a_debt_keeps_its_first_day_and_its_last_reason(
    database: Database, clock: FakeClock
) -> None:
    instance_id, journal = journal_of(database, clock)
    journal.hold(KEY)
    journal.owe(KEY, "amazee.ai is away")
    clock.advance(5)
    journal.owe(KEY, "x" * 5000)
    (row,) = rows(database)
    assert (row.owed_since, row.problem) == (START, "x" * 1000)
    assert held_by(database, instance_id) == (replace(KEY, meant_at=START),)


def test_what_is_not_in_the_ledger_can_be_neither_owed_nor_given_back(
    database: Database, clock: FakeClock
) -> None:
    instance_id, journal = journal_of(database, clock)
    for write in (journal.give_back, journal.let_go):
        write(KEY)
    journal.owe(KEY, "it is in use")
    assert rows(database) == []
    assert held_by(database, instance_id) == ()


def test_two_kinds_of_one_name_are_two_entries(database: Database, clock: FakeClock) -> None:
    instance_id, journal = journal_of(database, clock)
    journal.hold(USER)
    journal.hold(replace(USER, kind=HoldingKind.AI_TEAM))
    journal.give_back(USER)
    assert [one.kind for one in held_by(database, instance_id)] == [HoldingKind.AI_TEAM]


def test_one_instance_never_touches_anothers_entry(database: Database, clock: FakeClock) -> None:
    one, first = journal_of(database, clock)
    _, second = journal_of(database, clock)
    first.hold(ORGANIZATION)
    second.hold(ORGANIZATION)
    second.owe(ORGANIZATION, "no such organization")
    second.let_go(ORGANIZATION)
    (entry,) = held_by(database, one)
    assert entry == replace(ORGANIZATION, meant_at=START)
    assert [row.owed_since for row in rows(database)] == [None]


def test_an_entry_is_in_the_table_once(database: Database, clock: FakeClock) -> None:
    instance_id, journal = journal_of(database, clock)
    journal.hold(KEY)
    with pytest.raises(IntegrityError), database.write() as session:
        session.add(
            InstanceHolding(
                instance_id=instance_id, kind=KEY.kind.value, name=KEY.name, meant_at=START
            )
        )


# -- the lease

WRITES: dict[str, Callable[[LeaseJournal], None]] = {
    "hold a new one": lambda journal: journal.hold(USER),
    "amend": lambda journal: journal.hold(replace(KEY, external_id=9)),
    "let go": lambda journal: journal.let_go(KEY),
    "give back": lambda journal: journal.give_back(KEY),
    "owe": lambda journal: journal.owe(KEY, "it is in use"),
    "keep": lambda journal: journal.keep("token", Secret("new")),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_without_the_lease_nothing_is_written(
    database: Database, clock: FakeClock, write: Callable[[LeaseJournal], None]
) -> None:
    instance_id, journal = journal_of(database, clock)
    journal.hold(KEY)
    journal.keep("token", Secret("old"))
    clock.advance(LEASE)
    working(database, instance_id, clock)
    before = dump(database)
    with pytest.raises(StaleLeaseError, match="another run holds trial-test-"):
        write(journal)
    assert dump(database) == before


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_after_the_outcome_nothing_is_written(
    database: Database, clock: FakeClock, write: Callable[[LeaseJournal], None]
) -> None:
    instance_id = new_instance(database)
    taken, journal = working(database, instance_id, clock)
    journal.hold(KEY)
    journal.keep("token", Secret("old"))
    apply(a_book(database), taken, Failed("no"), START)
    before = dump(database)
    with pytest.raises(StaleLeaseError):
        write(journal)
    assert dump(database) == before


# -- things that two instances have


def sharing(database: Database, first: datetime, second: datetime) -> tuple[int, int]:
    """Let two instances hold the organization, meant at these times; return their ids."""
    with database.write() as session:
        ids = [make_instance_row(session).id for _ in range(2)]
        for instance_id, at in zip(ids, (first, second), strict=True):
            row = InstanceHolding(
                instance_id=instance_id,
                kind=ORGANIZATION.kind.value,
                name=ORGANIZATION.name,
                meant_at=at,
            )
            session.add(row)
            session.flush()
    return ids[0], ids[1]


def shared(database: Database, *ids: int) -> list[bool]:
    return [one.is_shared for i in ids for one in held_by(database, i)]


def test_the_last_who_took_a_thing_has_it_alone(database: Database) -> None:
    older, younger = sharing(database, START, START + SECOND)
    assert shared(database, older, younger) == [True, False]


def test_whoever_takes_it_again_is_the_last(database: Database, clock: FakeClock) -> None:
    one, journal = journal_of(database, clock)
    other, others = journal_of(database, clock)
    journal.hold(ORGANIZATION)
    others.hold(ORGANIZATION)
    clock.advance(1)
    journal.hold(ORGANIZATION)
    assert shared(database, one, other) == [False, True]


def test_of_two_at_the_very_same_moment_one_is_the_last(database: Database) -> None:
    ids = sharing(database, START, START)
    assert sorted(shared(database, *ids)) == [False, True]


def test_what_the_other_gave_back_is_not_shared(database: Database) -> None:
    older, younger = sharing(database, START, START + SECOND)
    debts.close(database, younger, ORGANIZATION, START)
    assert shared(database, older) == [False]


@pytest.mark.parametrize("changes", [{"name": "others"}, {"kind": "ai-team"}], ids=["name", "kind"])
def test_only_the_same_thing_is_shared(database: Database, changes: dict[str, str]) -> None:
    older, younger = sharing(database, START, START + SECOND)
    with database.write() as session:
        row = session.scalars(
            select(InstanceHolding).where(InstanceHolding.instance_id == younger)
        ).one()
        for name, value in changes.items():
            setattr(row, name, value)
    assert shared(database, older, younger) == [False, False]


# -- kept secrets


def test_a_kept_secret_is_sealed_and_told_to_the_next_step(
    database: Database, clock: FakeClock
) -> None:
    instance_id, journal = journal_of(database, clock)
    journal.keep("token", Secret("an old one"))
    journal.keep("token", Secret(CANARY))
    journal.keep("word", Secret(f"{CANARY}-2"))
    assert CANARY not in repr(dump(database))
    clock.advance(LEASE)
    resumed, _ = working(database, instance_id, clock)
    assert resumed.instance.kept == {"token": Secret(CANARY), "word": Secret(f"{CANARY}-2")}
    assert CANARY not in repr(resumed)


def test_kept_secrets_are_forgotten_when_the_instance_is_removed(
    database: Database, clock: FakeClock
) -> None:
    removed = new_instance(database, status="pending-post-remove")
    other, others = journal_of(database, clock)
    taken, journal = working(database, removed, clock)
    journal.keep("token", Secret("x"))
    others.keep("token", Secret("y"))
    journal.hold(KEY)
    journal.owe(KEY, "it is in use")
    assert len(kept_rows(database)) == 2
    assert apply(a_book(database), taken, Done(), START) == "removed"
    assert [row.instance_id for row in kept_rows(database)] == [other]
    assert [row.name for row in rows(database)] == [KEY.name], "a debt is not forgotten"


def test_a_removal_that_fails_forgets_nothing(database: Database, clock: FakeClock) -> None:
    instance_id = new_instance(database, status="pending-post-remove")
    taken, journal = working(database, instance_id, clock)
    journal.keep("token", Secret("x"))
    apply(a_book(database), taken, Failed("no", is_final=True), START)
    assert instance_row(database, instance_id).status == "post-remove-failed"
    assert len(kept_rows(database)) == 1


# -- what a step sees


def with_fields(database: Database) -> int:
    """Add an instance of an app in a store, all of them with fields, and others beside it."""
    with database.write() as session:
        place = make_store(session, name="Europe", amazee_ai_region_id=3)
        app = make_store_app(session, place, app_type="amazee-claw", ai_budget_usd=2.5)
        make_fields(session, app, {"openclaw_default_model": "app", "amazeeai_key_mode": "user"})
        make_fields(session, make_store_app(session, app_type="private-gpt"), {"cluster": "ch4"})
        row, other = (make_instance_row(session, app, ai_region_id=4) for _ in range(2))
        for owner, name, value in (
            (row.id, "openclaw_default_model", "instance"),
            (row.id, "llm_key", Secret(CANARY)),
            (other.id, "llm_url", "of another instance"),
        ):
            field = FieldValue(owner_type="app_instance", owner_id=owner, name=name)
            write_field(field, value, VAULT)
            session.add(field)
        return row.id


def test_an_instances_fields_come_before_its_apps(database: Database, clock: FakeClock) -> None:
    found = working(database, with_fields(database), clock)[0].instance
    assert {name: value.reveal() for name, value in found.fields.items()} == {
        "amazeeai_key_mode": "user",
        "openclaw_default_model": "instance",
        "llm_key": CANARY,
    }
    assert (found.field("llm_key"), found.field("llm_url", "none")) == (CANARY, "none")
    assert CANARY not in repr(found)


def test_where_and_with_what_budget_keys_are_made(database: Database, clock: FakeClock) -> None:
    found = working(database, with_fields(database), clock)[0].instance
    assert found.target.ai_region_id == 4, "the row's, which is not moved with its store"
    assert (found.app.ai_budget_usd, found.app.store_name) == (2.5, "Europe")
    with database.read() as session:
        assert session.get_one(Store, found.app.store_id).name == "Europe"


def test_an_instance_of_a_plain_app_has_none_of_it(database: Database, clock: FakeClock) -> None:
    found = working(database, new_instance(database), clock)[0].instance
    assert (found.fields, found.kept, found.holdings) == ({}, {}, ())
    assert (found.target.ai_region_id, found.app.ai_budget_usd) == (None, None)


def test_a_step_sees_its_own_holdings_in_the_order_in_which_they_were_meant(
    database: Database, clock: FakeClock
) -> None:
    instance_id, journal = journal_of(database, clock)
    _, others = journal_of(database, clock)
    for one in (USER, KEY, ORGANIZATION):
        journal.hold(one)
    others.hold(replace(ORGANIZATION, name="others"))
    clock.advance(1)
    journal.hold(USER)
    clock.advance(LEASE)
    found = working(database, instance_id, clock)[0].instance
    assert [one.kind for one in found.holdings] == [USER.kind, KEY.kind, ORGANIZATION.kind]
    assert found.holding(KEY.kind, KEY.name) == replace(KEY, meant_at=START)
    assert found.holding(KEY.kind, "other") is None


def test_an_older_database_keeps_its_rows_on_the_way_here_and_back(database: Database) -> None:
    instance_id = new_instance(database)
    before = {name: found for name, found in dump(database).items() if found}
    with database.engine.connect() as connection:
        config = schema._config(connection)
        command.downgrade(config, "0003")
        assert "field_values" not in inspect(connection).get_table_names()
        connection.commit()
    schema.upgrade(database)
    assert {name: found for name, found in dump(database).items() if found} == before
    assert instance_row(database, instance_id).ai_region_id is None
