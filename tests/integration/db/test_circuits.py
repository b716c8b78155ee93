"""Circuits: one row holds work back for everybody, one probe at a time asks again."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from polydock_pipelines.actions.operate import remove_instance
from polydock_pipelines.actions.stuck import end_instance
from polydock_pipelines.db import circuits
from polydock_pipelines.db.circuits import LAGOON
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.handovers import hand_over
from polydock_pipelines.db.leases import claim
from polydock_pipelines.db.waiting import rows_waiting
from polydock_pipelines.lifecycle.table import Kind
from tests.fakes.clock import START as NOW
from tests.makers import a_book, change_row, instance_row, new_instance

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
SSH = "lagoon-ssh ssh.example.com:22"
OURS = ""
"""The credential of `a_book`."""


def away(database: Database, endpoint: str = LAGOON, at: datetime = NOW) -> None:
    circuits.open_circuit(database, endpoint, OURS, "it does not answer", at)


def handed(database: Database, at: datetime, kind: Kind = Kind.PROVISION) -> int:
    lets = a_book(database).gate(at).lets(kind)
    return sum(c.size for c in hand_over(database, kind, at, source="a test", lets=lets))


def test_while_lagoon_is_away_nothing_is_handed_over_or_claimed(database: Database) -> None:
    one = new_instance(database)
    away(database)
    assert handed(database, NOW) == 0
    assert claim(a_book(database), one, NOW) is None
    assert instance_row(database, one).attempt == 0
    circuits.close_circuit(database, LAGOON, OURS, NOW + HOUR)
    assert handed(database, NOW + HOUR) == 1


def test_all_who_see_it_at_once_open_one_circuit(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: away(database, at=NOW + n * SECOND), range(16)))
    (one,) = a_book(database).gate(NOW).away
    assert (one.endpoint, one.reason) == (LAGOON, "it does not answer")
    away(database, at=NOW + HOUR)
    assert a_book(database).gate(NOW).away[0].since == one.since


def test_of_all_who_want_to_probe_one_may_and_pauses_grow(database: Database) -> None:
    away(database)
    at, pauses = NOW, list[float]()
    for _ in range(6):
        before = at
        while not won(database, at):
            at += SECOND
        pauses.append((at - before).total_seconds())
    assert pauses == [5, 10, 20, 30, 30, 30]


def won(database: Database, at: datetime) -> int:
    with ThreadPoolExecutor(4) as pool:
        wins = list(pool.map(lambda _: circuits.take_probe(database, LAGOON, OURS, at), range(4)))
    assert sum(wins) <= 1
    return sum(wins)


def test_an_outage_moves_deadlines_and_the_looks_that_wait_for_them(database: Database) -> None:
    polled = new_instance(database, status="deploy-running")
    deadline = NOW + 20 * timedelta(minutes=1)
    change_row(database, polled, deadline=deadline, next_check_at=deadline)
    soon = NOW + timedelta(minutes=3)
    timed = new_instance(database, status="deploy-running")
    change_row(database, timed, deadline=deadline, next_check_at=soon)
    resting = new_instance(database, status="removed")
    away(database)
    circuits.close_circuit(database, LAGOON, OURS, NOW + 2 * HOUR)
    row = instance_row(database, polled)
    assert row.deadline == row.next_check_at == deadline + 2 * HOUR
    row = instance_row(database, timed)
    assert (row.deadline, row.next_check_at) == (deadline + 2 * HOUR, soon)
    assert instance_row(database, resting).deadline is None


def test_after_an_outage_every_stage_has_ten_minutes(database: Database) -> None:
    one = new_instance(database)
    change_row(database, one, deadline=NOW - 3 * HOUR)
    away(database)
    circuits.close_circuit(database, LAGOON, OURS, NOW + HOUR)
    assert instance_row(database, one).deadline == NOW + HOUR + timedelta(minutes=10)


def test_another_credential_meets_a_closed_circuit(database: Database) -> None:
    circuits.open_circuit(database, LAGOON, "revoked", "HTTP 401", NOW)
    new_instance(database)
    assert handed(database, NOW) == 1
    with database.read() as session:
        assert len(circuits.away(session, now=NOW + timedelta(minutes=9))) == 1
        assert circuits.away(session, now=NOW + timedelta(minutes=11)) == []


def test_an_ssh_server_that_is_away_holds_back_only_those_who_need_it(database: Database) -> None:
    needs, free = new_instance(database), new_instance(database)
    change_row(database, needs, waits_for=SSH)
    away(database, SSH)
    assert claim(a_book(database), needs, NOW) is None
    assert claim(a_book(database), free, NOW) is not None


def test_the_one_who_waits_longest_probes_and_others_are_barred(database: Database) -> None:
    first, second = new_instance(database), new_instance(database)
    change_row(database, second, stage_since=NOW - HOUR)
    for one in (first, second):
        change_row(database, one, waits_for=SSH)
    away(database, SSH)
    assert not circuits.grant_probe(database, SSH, OURS, NOW)
    assert circuits.grant_probe(database, SSH, OURS, NOW + 5 * SECOND)
    assert instance_row(database, second).waits_for is None
    assert circuits.barred(database, SSH, OURS, first) == "it does not answer"
    assert circuits.barred(database, SSH, OURS, second) == ""
    assert circuits.close_circuit(database, SSH, OURS, NOW + 9 * SECOND)
    row = instance_row(database, first)
    assert (row.waits_for, row.next_check_at) == (None, NOW + 9 * SECOND)


def test_one_that_was_ended_while_it_waited_is_not_woken_when_the_endpoint_is_back(
    database: Database,
) -> None:
    ended, removed = new_instance(database), new_instance(database)
    for one in (ended, removed):
        change_row(database, one, waits_for=SSH, unreachable_since=NOW)
    uuids = [instance_row(database, one).uuid for one in (ended, removed)]
    away(database, SSH)
    end_instance(a_book(database), uuids[0], NOW, by="a test", reason="enough")
    remove_instance(database, uuids[1], NOW, by="a test")
    assert not circuits.grant_probe(database, SSH, OURS, NOW + 5 * SECOND)
    circuits.close_circuit(database, SSH, OURS, NOW + 9 * SECOND)
    assert instance_row(database, ended).next_check_at is None
    row = instance_row(database, removed)
    assert (row.status, row.waits_for, row.unreachable_since) == ("pending-pre-remove", None, None)


def test_a_circuit_that_nobody_waits_for_closes_by_itself(database: Database) -> None:
    away(database, SSH)
    assert not circuits.grant_probe(database, SSH, OURS, NOW + 5 * SECOND)
    assert a_book(database).gate(NOW).away == ()


def test_what_lagoon_builds_is_not_looked_at_while_it_is_away(database: Database) -> None:
    one = new_instance(database, status="deploy-running")
    change_row(database, one, next_check_at=NOW + HOUR, deadline=NOW + HOUR)
    book = a_book(database)
    assert len(rows_waiting(database, NOW, {k: book.gate(NOW).lets(k) for k in Kind})) == 1
    away(database)
    assert rows_waiting(database, NOW, {k: book.gate(NOW).lets(k) for k in Kind}) == []
