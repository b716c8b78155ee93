"""From the request to the allocated instance: one transaction, whoever else comes meanwhile."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from polydock_pipelines.actions.list_registrations import list_registrations
from polydock_pipelines.actions.register import (
    Registered,
    RegisterType,
    Signup,
    register,
)
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.door import write
from polydock_pipelines.db.models.instances import AppInstance, StatusTransition
from polydock_pipelines.db.models.operations import OutboxEvent
from polydock_pipelines.db.models.people import Membership, User, UserGroup
from polydock_pipelines.db.models.requests import Registration
from polydock_pipelines.db.places import admin_password
from polydock_pipelines.db.vault import Vault, VaultError
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle.naming import is_valid
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.lifecycle.transitions import Change
from tests.fakes.clock import START
from tests.integration.actions.tables import counts, dump
from tests.makers import NEW, make_group, make_store, make_store_app, make_user

APP = "8a7be6ae-9c1b-4c12-8f0f-0d3f1a6a4a11"
ASKED = Signup(
    register_type=RegisterType.REQUEST_TRIAL,
    email="grace@example.com",
    first_name="Grace",
    last_name="Hopper",
    trial_app=APP,
    aup_and_privacy_acceptance=1,
    company_name="Harvard",
)


def offer(db: Database, *, status: str = "public", **changes: Any) -> None:
    """Put the app on offer."""
    with db.write() as session:
        make_store_app(session, make_store(session, status=status), uuid=APP, **changes)


def registered(db: Database, **changes: Any) -> Registered:
    """Register the person."""
    return register(db, replace(ASKED, **changes), START)


def instances(db: Database) -> list[AppInstance]:
    """Return all instances."""
    with db.read() as session:
        return list(session.scalars(select(AppInstance).order_by(AppInstance.id)))


def result(db: Database, taken: Registered) -> Registration:
    """Return the row."""
    with db.read() as session:
        return session.scalars(select(Registration).where(Registration.uuid == taken.uuid)).one()


def test_everything_is_linked_before_anybody_sees_the_instance(database: Database) -> None:
    offer(database)
    taken = registered(database)
    (row,) = instances(database)
    kept = result(database, taken)
    with database.read() as session:
        user = session.scalars(select(User)).one()
        group = session.scalars(select(UserGroup)).one()
        member = session.scalars(select(Membership)).one()
    assert (taken.instance_uuid, taken.status) == (row.uuid, "processing")
    assert (kept.instance_id, kept.user_id, kept.user_group_id, kept.store_app_id) == (
        row.id,
        user.id,
        group.id,
        row.store_app_id,
    )
    assert (row.status, row.next_check_at, row.priority) == (NEW, START, 0)
    assert (row.user_email, row.user_group_id, row.is_trial) == (user.email, group.id, True)
    assert (row.user_first_name, row.user_last_name) == ("Grace", "Hopper")
    assert row.company_name == "Harvard"
    assert (group.name, group.slug) == ("Grace Hopper Trials", "grace-hopper-trials")
    assert (member.user_id, member.group_id, member.role) == (user.id, group.id, "owner")


def test_its_story_begins_with_the_request(database: Database) -> None:
    offer(database)
    registered(database)
    with database.read() as session:
        moves = session.execute(
            select(StatusTransition.from_status, StatusTransition.to_status)
        ).all()
        events = session.execute(
            select(OutboxEvent.event, OutboxEvent.sequence).order_by(OutboxEvent.id)
        ).all()
    assert [tuple(move) for move in moves] == [("new", NEW)]
    assert sorted(tuple(one) for one in events) == [
        ("app_instance.created", 1),
        ("app_instance.status_changed", 2),
        ("registration.status.changed", 0),
    ]


def test_the_trial_clock_starts_at_the_claim(database: Database) -> None:
    offer(database, trial_days=14)
    registered(database)
    (row,) = instances(database)
    assert (row.claimed_at, row.trial_ends_at, row.midtrial_email_at) == (None, None, None)
    later = START + timedelta(days=3)
    with database.write() as session:
        held = session.get_one(AppInstance, row.id)
        write(session, held, Change(("running-healthy-claimed",)), Writing(later))
    (row,) = instances(database)
    assert row.claimed_at == later
    assert row.trial_ends_at == later + timedelta(days=14)


def test_the_password_is_long_and_only_its_ciphertext_is_kept(database: Database) -> None:
    offer(database)
    for number in range(5):
        registered(database, email=f"p{number}@example.com")
    everything = repr(dump(database))
    clear = [
        database.vault.open(admin_password(row), row.admin_password).reveal()
        for row in instances(database)
    ]
    assert all(len(password) >= 20 for password in clear)
    assert len(set(clear)) == 5
    assert not [password for password in clear if password in everything]


class Jammed(Vault):
    """A vault that cannot be opened."""

    def __init__(self) -> None:
        pass

    def seal(self, place: str, secret: Secret) -> str:
        raise VaultError(f"{place} cannot be sealed")


def test_a_vault_that_cannot_be_opened_leaves_nothing(database: Database) -> None:
    offer(database)
    before = dump(database)
    database.vault = Jammed()
    with pytest.raises(VaultError):
        registered(database)
    assert dump(database) == before


MODELS = (Registration, User, UserGroup, Membership, AppInstance, StatusTransition, OutboxEvent)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__tablename__)
def test_a_crash_at_any_table_leaves_nothing(database: Database, model: type) -> None:
    offer(database)
    before = dump(database)

    def crash(*_: object) -> None:
        raise RuntimeError("the process died")

    event.listen(model, "after_insert", crash)
    try:
        with pytest.raises(RuntimeError):
            registered(database)
    finally:
        event.remove(model, "after_insert", crash)
    assert dump(database) == before


def test_a_crash_at_the_commit_leaves_nothing(database: Database) -> None:
    offer(database)
    before = dump(database)

    def crash(session: Session) -> None:
        if not session.in_nested_transaction():
            raise RuntimeError("the process died")

    event.listen(Session, "before_commit", crash)
    try:
        with pytest.raises(RuntimeError):
            registered(database)
    finally:
        event.remove(Session, "before_commit", crash)
    assert dump(database) == before


def at_once(db: Database, signups: list[Signup]) -> list[Registered]:
    """Register all at the same moment."""
    gate = Barrier(len(signups))

    def one(signup: Signup) -> Registered:
        gate.wait(20)
        return register(db, signup, START)

    with ThreadPoolExecutor(len(signups)) as pool:
        return list(pool.map(one, signups))


@pytest.mark.parametrize("is_known", [False, True])
def test_sixteen_signups_of_one_person_make_one_user_and_one_group(
    database: Database, *, is_known: bool
) -> None:
    offer(database)
    if is_known:
        with database.write() as session:
            make_user(session, ASKED.email)
    taken = at_once(database, [ASKED] * 16)
    found = counts(database)
    assert [found[name] for name in ("users", "user_groups", "user_group_members")] == [1, 1, 1]
    assert [found[name] for name in ("registrations", "app_instances")] == [16, 16]
    with database.read() as session:
        links = session.scalars(select(Registration.instance_id)).all()
    assert None not in links
    assert len(set(links)) == len({one.uuid for one in taken}) == 16


def test_sixteen_people_of_one_name_get_groups_of_their_own(database: Database) -> None:
    offer(database)
    at_once(database, [replace(ASKED, email=f"p{n}@example.com") for n in range(16)])
    with database.read() as session:
        slugs = session.scalars(select(UserGroup.slug)).all()
        owners = session.execute(select(Membership.group_id, Membership.user_id)).all()
    assert len(set(slugs)) == len({tuple(owner) for owner in owners}) == 16
    assert all(slug.startswith("grace-hopper-trials") for slug in slugs)


def test_sixteen_people_who_want_one_name_get_sixteen(database: Database) -> None:
    offer(database, naming={"mode": "custom", "prefix": "cms"})
    wishes = [replace(ASKED, email=f"p{n}@example.com", project_name="My Site!") for n in range(16)]
    at_once(database, wishes)
    names = [row.name for row in instances(database)]
    assert Counter(names).most_common(1)[0][1] == 1
    assert "cms-trial-my-site" in names
    assert all(is_valid(name) and name.startswith("cms-trial-my-site") for name in names)


def test_a_wish_for_a_name_counts_only_where_the_app_allows_it(database: Database) -> None:
    offer(database)
    registered(database, project_name="mine")
    (row,) = instances(database)
    assert "mine" not in row.name
    assert is_valid(row.name)


@pytest.mark.parametrize("wish", ["", "!!!", "李明", "x" * 255, "--a--b--", "A_B; rm -rf /"])
def test_any_wish_becomes_a_name_that_lagoon_takes(database: Database, wish: str) -> None:
    offer(database, naming={"mode": "custom"})
    registered(database, project_name=wish)
    (row,) = instances(database)
    assert is_valid(row.name)


def test_the_group_of_a_victim_never_gets_the_trial(database: Database) -> None:
    offer(database)
    with database.write() as session:
        boss = make_user(session, "boss@example.com")
        theirs = make_group(session, boss)
        victim = make_user(session, ASKED.email)
        for role in ("admin",):
            session.add(
                Membership(group_id=theirs.id, user_id=victim.id, role=role, created_at=START)
            )
    registered(database)
    (row,) = instances(database)
    assert row.user_group_id != theirs.id
    with database.read() as session:
        owners = session.scalars(
            select(Membership.user_id).where(Membership.group_id == row.user_group_id)
        ).all()
    assert owners == [victim.id]


def test_a_second_trial_goes_to_the_same_group(database: Database) -> None:
    offer(database)
    registered(database)
    registered(database, email="GRACE@example.com", first_name="Eve")
    first, second = instances(database)
    assert first.user_group_id == second.user_group_id
    assert (second.user_first_name, second.user_email) == ("Eve", "grace@example.com")


@pytest.mark.parametrize("status", ["public", "private"])
def test_a_private_store_takes_those_who_know_its_app(database: Database, status: str) -> None:
    offer(database, status=status)
    assert registered(database).status == "processing"


NOT_TO_BE_HAD: list[dict[str, Any]] = [
    {"status": "unavailable"},
    {"is_available_for_trials": False},
]


@pytest.mark.parametrize("changes", NOT_TO_BE_HAD)
def test_an_app_that_cannot_be_had_does_not_say_why(
    database: Database, changes: dict[str, Any]
) -> None:
    offer(database, **changes)
    taken = registered(database)
    kept = result(database, taken)
    assert (taken.status, taken.instance_uuid) == ("failed", None)
    assert kept.message_detail == "The requested trial is not available"
    assert counts(database).keys().isdisjoint({"app_instances", "users", "user_groups"})


def test_an_app_that_was_withdrawn_cannot_be_had(database: Database) -> None:
    with database.write() as session:
        make_store_app(session, uuid=APP, status="unavailable")
    assert registered(database).status == "failed"


def test_nobody_becomes_a_user_without_the_aup(database: Database) -> None:
    offer(database)
    taken = registered(database, aup_and_privacy_acceptance=0)
    assert result(database, taken).message_detail.startswith("You must accept the AUP")
    assert "users" not in counts(database)


def test_an_unlisted_region_is_shown_to_operators_as_what_it_is(database: Database) -> None:
    kind = RegisterType.REQUEST_TRIAL_UNLISTED_REGION
    for region in ("Antarctica", ""):
        registered(database, register_type=kind, trial_app=None, region=region)
    lines = list_registrations(database)
    assert [line.result for line in lines] == [
        "waits for a region that is not offered; no trial",
        "waits for a region that is not offered (Antarctica); no trial",
    ]
    assert {(line.type, line.status, line.instance) for line in lines} == {
        ("REQUEST_TRIAL_UNLISTED_REGION", "success", None)
    }


def test_an_unlisted_region_needs_the_aup_too(database: Database) -> None:
    kind = RegisterType.REQUEST_TRIAL_UNLISTED_REGION
    registered(database, register_type=kind, trial_app=None, aup_and_privacy_acceptance=0)
    (line,) = list_registrations(database)
    assert line.status == "failed"
    assert "must accept the AUP" in line.result


def test_operators_see_the_newest_first_and_may_choose(database: Database) -> None:
    offer(database)
    first = registered(database)
    second = registered(database, aup_and_privacy_acceptance=0)
    assert [line.uuid for line in list_registrations(database)] == [second.uuid, first.uuid]
    assert [line.uuid for line in list_registrations(database, status="failed")] == [second.uuid]
    assert [line.uuid for line in list_registrations(database, limit=1)] == [second.uuid]
    (line,) = list_registrations(database, uuid=first.uuid)
    assert (line.instance, line.instance_status) == (instances(database)[0].name, NEW)
