"""Claim and apply: who works on an instance, and whose result counts."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.leases import LEASE, Held, apply, claim, renew, set_aside
from polydock_pipelines.db.models.instances import AppInstance, StatusTransition
from polydock_pipelines.db.models.operations import OutboxEvent
from polydock_pipelines.lifecycle.outcome import Done, Facts, Failed, Unreachable, Waiting
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.lifecycle.table import STAGES, Kind, Wish
from tests.fakes.clock import START as NOW
from tests.makers import (
    a_book,
    change_row,
    instance_row,
    make_group,
    make_instance_row,
    new_instance,
)

SECOND = timedelta(seconds=1)
OUTCOMES = {
    "done": Done(),
    "waiting": Waiting(NOW + 60 * SECOND),
    "failed": Failed("it broke"),
    "failed for good": Failed("refused", is_final=True),
    "unreachable": Unreachable("away", NOW + 30 * SECOND),
}


def held(database: Database, instance_id: int, now=NOW, **options: Any) -> Held:
    """Claim and expect to get it."""
    taken = claim(a_book(database), instance_id, now, **options)
    assert taken is not None
    return taken


def story(database: Database, instance_id: int) -> list[str]:
    with database.read() as session:
        chosen = select(StatusTransition.to_status).where(
            StatusTransition.instance_id == instance_id
        )
        return list(session.scalars(chosen.order_by(StatusTransition.id)))


def counts(database: Database) -> tuple[int, int]:
    with database.read() as session:
        tables = (StatusTransition, OutboxEvent)
        first, second = (
            session.scalar(select(func.count()).select_from(table)) or 0 for table in tables
        )
        return first, second


# -- claim


def test_a_claim_puts_the_stage_to_work_and_takes_a_lease(database: Database) -> None:
    instance_id = new_instance(database)
    taken = held(database, instance_id)
    row = instance_row(database, instance_id)
    assert (row.status, row.attempt) == ("pre-create-running", 1)
    assert (row.lease_token, row.lease_until) == (taken.token, NOW + LEASE)
    assert (taken.instance.stage, taken.instance.attempt) == ("pre-create", 1)
    assert taken.status_before == "pending-pre-create"


def test_of_two_claims_one_wins(database: Database) -> None:
    instance_id = new_instance(database)
    held(database, instance_id)
    assert claim(a_book(database), instance_id, NOW) is None
    assert instance_row(database, instance_id).attempt == 1


def test_of_sixteen_claims_at_once_one_wins(database: Database) -> None:
    instance_id, book = new_instance(database), a_book(database)
    with ThreadPoolExecutor(16) as pool:
        taken = list(pool.map(lambda _: claim(book, instance_id, NOW), range(16)))
    assert sum(one is not None for one in taken) == 1
    assert instance_row(database, instance_id).attempt == 1
    assert story(database, instance_id) == ["pre-create-running"]


def test_many_threads_claim_many_instances_each_once(database: Database) -> None:
    ids, book = [new_instance(database) for _ in range(12)], a_book(database)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda i: claim(book, i, NOW), ids * 4))
    assert sorted(one.instance.id for one in taken if one) == sorted(ids)


def test_an_instance_that_is_not_due_is_not_claimed(database: Database) -> None:
    instance_id = new_instance(database, next_check_at=NOW + SECOND)
    assert claim(a_book(database), instance_id, NOW) is None
    assert claim(a_book(database), instance_id, NOW + SECOND) is not None


def test_the_time_spent_in_a_queue_does_not_count_against_the_deadline(database: Database) -> None:
    instance_id, later = new_instance(database), NOW + timedelta(days=1)
    assert held(database, instance_id, later).instance.deadline == (
        later + STAGES["pre-create"].limit
    )


def test_the_clock_of_a_stage_does_not_begin_anew_at_a_second_attempt(database: Database) -> None:
    instance_id = new_instance(database)
    apply(a_book(database), held(database, instance_id), Failed("no"), NOW)
    before = instance_row(database, instance_id).deadline
    assert held(database, instance_id, NOW + 60 * SECOND).instance.deadline == before


def test_a_run_claims_what_it_was_handed_although_it_is_not_due(database: Database) -> None:
    instance_id = new_instance(database, next_check_at=NOW + SECOND, handover_id="h-1")
    assert claim(a_book(database), instance_id, NOW, handover_id="h-2") is None
    assert claim(a_book(database), instance_id, NOW, handover_id="h-1") is not None


@pytest.mark.parametrize("status", ["running-healthy-claimed", "removed", "create-failed", "new"])
def test_what_rests_or_failed_is_not_claimed(database: Database, status: str) -> None:
    instance_id = new_instance(database, status=status)
    assert claim(a_book(database), instance_id, NOW) is None
    assert counts(database) == (0, 0)


def test_an_instance_that_does_not_exist_is_not_claimed(database: Database) -> None:
    assert claim(a_book(database), 4711, NOW) is None


def test_a_lease_that_ran_out_is_taken_by_another_and_counts_as_an_attempt(
    database: Database,
) -> None:
    instance_id = new_instance(database)
    first = held(database, instance_id)
    assert claim(a_book(database), instance_id, NOW + LEASE - SECOND) is None
    second = held(database, instance_id, NOW + LEASE)
    assert second.token != first.token
    assert (second.instance.attempt, second.status_before) == (2, "pre-create-running")


def test_an_instance_that_kills_its_workers_fails_in_the_end(database: Database) -> None:
    instance_id, now = new_instance(database), NOW
    for _ in range(STAGES["pre-create"].attempts):
        held(database, instance_id, now)
        now += LEASE
    assert claim(a_book(database), instance_id, now) is None
    row = instance_row(database, instance_id)
    assert (row.status, row.next_check_at, row.lease_token) == ("pre-create-failed", None, None)
    assert "the worker died in each of 6 attempts" in row.status_message


def test_a_lease_that_is_renewed_stays_ours(database: Database) -> None:
    instance_id = new_instance(database)
    taken = held(database, instance_id)
    renew(a_book(database), [taken.token], NOW + 50 * SECOND)
    assert claim(a_book(database), instance_id, NOW + 100 * SECOND) is None
    renew(a_book(database), [], NOW)


# -- set aside


def test_an_instance_that_is_set_aside_is_due_later_with_a_reason_and_keeps_its_time(
    database: Database,
) -> None:
    instance_id = new_instance(database, attempt=2, handed_until=NOW + SECOND)
    before, until = instance_row(database, instance_id), NOW + timedelta(minutes=5)
    set_aside(a_book(database), instance_id, NOW, until=until, reason="a key is missing")
    row = instance_row(database, instance_id)
    assert (row.status, row.next_check_at, row.attempt) == ("pending-pre-create", until, 2)
    assert (row.status_message, row.handed_until) == ("a key is missing", None)
    assert before.deadline is not None
    assert row.deadline == before.deadline + timedelta(minutes=5)


def test_what_is_held_or_rests_is_not_set_aside(database: Database) -> None:
    busy, resting = new_instance(database), new_instance(database, status="removed")
    held(database, busy)
    for instance_id in (busy, resting, 4711):
        set_aside(a_book(database), instance_id, NOW, until=NOW + SECOND, reason="no")
    assert instance_row(database, busy).next_check_at == NOW
    assert instance_row(database, resting).next_check_at is None


# -- apply


def test_done_enters_the_next_stage_at_once(database: Database) -> None:
    instance_id = new_instance(database)
    status = apply(a_book(database), held(database, instance_id), Done(), NOW + SECOND)
    row = instance_row(database, instance_id)
    assert status == row.status == "pending-create"
    assert (row.next_check_at, row.stage_since, row.attempt) == (NOW + SECOND, NOW + SECOND, 0)
    assert row.deadline == NOW + SECOND + STAGES["create"].limit
    assert row.lease_token is None


@pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES)
def test_a_stale_lease_writes_nothing(database: Database, outcome) -> None:
    instance_id = new_instance(database)
    stale = held(database, instance_id)
    held(database, instance_id, NOW + LEASE)
    before, told = instance_row(database, instance_id), counts(database)
    assert apply(a_book(database), stale, outcome, NOW + LEASE) is None
    after = instance_row(database, instance_id)
    columns = AppInstance.__table__.columns.keys()
    assert [getattr(after, c) for c in columns] == [getattr(before, c) for c in columns]
    assert counts(database) == told


def test_a_result_is_applied_once(database: Database) -> None:
    taken = held(database, new_instance(database))
    assert apply(a_book(database), taken, Done(), NOW) == "pending-create"
    assert apply(a_book(database), taken, Done(), NOW) is None


def test_of_two_results_at_once_one_counts(database: Database) -> None:
    taken, book = held(database, new_instance(database)), a_book(database)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: apply(book, taken, Done(), NOW), range(8)))
    assert sorted(filter(None, answers)) == ["pending-create"]


def test_a_lease_that_ran_out_but_was_taken_by_nobody_still_counts(database: Database) -> None:
    taken = held(database, new_instance(database))
    assert apply(a_book(database), taken, Done(), NOW + 2 * LEASE) == "pending-create"


def test_facts_are_written_whatever_the_outcome(database: Database) -> None:
    for number, make in enumerate((Done, lambda f: Failed("no", facts=f)), start=1):
        instance_id = new_instance(database)
        facts = Facts(lagoon_project_id=number, login_url=Secret("https://a.example.com/x"))
        apply(a_book(database), held(database, instance_id), make(facts), NOW)
        row = instance_row(database, instance_id)
        assert row.lagoon_project_id == number
        assert row.login_url not in (None, "https://a.example.com/x")


def test_a_failure_is_due_again_after_its_pause(database: Database) -> None:
    instance_id = new_instance(database)
    apply(a_book(database), held(database, instance_id), Failed("it broke"), NOW)
    row = instance_row(database, instance_id)
    assert (row.status, row.attempt) == ("pending-pre-create", 1)
    assert (row.next_check_at, row.status_message) == (NOW + 30 * SECOND, "it broke")


def test_an_endpoint_that_is_away_moves_the_deadline_and_spends_no_attempt(
    database: Database,
) -> None:
    instance_id, now = new_instance(database), NOW
    before = instance_row(database, instance_id).deadline
    assert before is not None
    while now < NOW + timedelta(hours=2):
        away = Unreachable("away", now + 300 * SECOND)
        apply(a_book(database), held(database, instance_id, now), away, now)
        now = instance_row(database, instance_id).next_check_at or now
    row = instance_row(database, instance_id)
    assert (row.status, row.attempt) == ("pending-pre-create", 0)
    assert row.deadline == before + (now - NOW)


def test_a_build_that_is_waited_for_is_due_at_its_deadline(database: Database) -> None:
    instance_id = new_instance(database, status="pending-deploy")
    taken = held(database, instance_id)
    apply(a_book(database), taken, Waiting(taken.instance.deadline), NOW)
    row = instance_row(database, instance_id)
    assert (row.status, row.attempt) == ("deploy-running", 0)
    assert row.next_check_at == row.deadline == NOW + STAGES["deploy"].limit


def test_an_owner_is_claimed_for_and_the_pool_rests(database: Database) -> None:
    with database.write() as session:
        owned = make_instance_row(
            session, status="pending-post-deploy", group=make_group(session)
        ).id
        pooled = make_instance_row(session, status="pending-post-deploy").id
    assert apply(a_book(database), held(database, owned), Done(), NOW) == "pending-polydock-claim"
    assert (
        apply(a_book(database), held(database, pooled), Done(), NOW) == "running-healthy-unclaimed"
    )
    row = instance_row(database, pooled)
    assert (row.next_check_at, row.deadline) == (None, None)


def test_an_upgraded_instance_returns_to_where_it_was(database: Database) -> None:
    instance_id = new_instance(
        database, status="pending-post-upgrade", running_before="running-healthy-unclaimed"
    )
    done = apply(a_book(database), held(database, instance_id), Done(), NOW)
    assert done == "running-healthy-unclaimed"


@pytest.mark.parametrize(
    ("kind", "stays"), [(Kind.PROVISION, True), (Kind.ACTIVATE, False), (None, False)]
)
def test_a_run_keeps_what_it_goes_on_with_and_lets_go_of_the_rest(
    database: Database,
    kind: Kind | None,
    stays: bool,  # noqa: FBT001
) -> None:
    instance_id = new_instance(database, handover_id="h", handed_until=NOW + 45 * SECOND)
    apply(a_book(database), held(database, instance_id, kind=kind), Done(), NOW)
    assert (instance_row(database, instance_id).handed_until is not None) is stays


@pytest.mark.parametrize("outcome", ["waiting", "failed", "unreachable"])
def test_a_run_lets_go_of_what_does_not_go_on(database: Database, outcome: str) -> None:
    instance_id = new_instance(database, handover_id="h", handed_until=NOW + 45 * SECOND)
    taken = held(database, instance_id, kind=Kind.PROVISION)
    apply(a_book(database), taken, OUTCOMES[outcome], NOW)
    assert instance_row(database, instance_id).handed_until is None


# -- wishes


@pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES)
def test_after_a_wish_every_outcome_leads_to_the_removal(database: Database, outcome) -> None:
    instance_id = new_instance(database, status="pending-deploy")
    taken = held(database, instance_id)
    change_row(database, instance_id, wanted="remove")
    assert apply(a_book(database), taken, outcome, NOW) == "pending-pre-remove"
    row = instance_row(database, instance_id)
    assert (row.wanted, row.next_check_at, row.attempt) == (None, NOW, 0)
    assert row.deadline == NOW + STAGES["pre-remove"].limit


@pytest.mark.parametrize("status", ["pending-create", "create-running", "deploy-running"])
def test_a_claim_obeys_a_wish_instead_of_working(database: Database, status: str) -> None:
    instance_id = new_instance(database, status=status, wanted="remove")
    assert claim(a_book(database), instance_id, NOW) is None
    row = instance_row(database, instance_id)
    assert (row.status, row.wanted, row.lease_token) == ("pending-pre-remove", None, None)
    assert claim(a_book(database), instance_id, NOW) is not None


def test_a_wish_set_during_a_step_whose_worker_died_is_obeyed_when_the_lease_ran_out(
    database: Database,
) -> None:
    instance_id = new_instance(database)
    held(database, instance_id)
    change_row(database, instance_id, wanted="remove")
    assert claim(a_book(database), instance_id, NOW) is None
    assert instance_row(database, instance_id).status == "pre-create-running"
    assert claim(a_book(database), instance_id, NOW + LEASE) is None
    assert instance_row(database, instance_id).status == "pending-pre-remove"


@pytest.mark.parametrize("wanted", [Wish.PURGE, Wish.UPGRADE, Wish.REMOVE])
def test_a_wish_that_must_wait_does_not_stop_the_work(database: Database, wanted: Wish) -> None:
    instance_id = new_instance(database, status="pending-remove", wanted=wanted.value)
    assert held(database, instance_id).instance.stage == "remove"


def test_a_purge_wished_for_during_the_removal_follows_it(database: Database) -> None:
    instance_id = new_instance(database, status="pending-post-remove", wanted="purge")
    apply(a_book(database), held(database, instance_id), Done(), NOW)
    row = instance_row(database, instance_id)
    assert (row.status, row.wanted, row.removed_at) == ("pending-purge", None, NOW)
    assert story(database, instance_id) == [
        "post-remove-running",
        "post-remove-completed",
        "removed",
        "pending-purge",
    ]
