"""Hundreds in flight on the worst days: nobody fails, nothing is doubled, Lagoon is left alone."""

from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update

from polydock_pipelines.clients.lagoon.errors import LagoonAuthError, LagoonUnavailableError
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.handovers import WHILE_ALIVE
from polydock_pipelines.db.leases import LEASE, apply, claim
from polydock_pipelines.db.leftovers import release_all
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.operations import Handover
from polydock_pipelines.db.models.requests import Registration
from polydock_pipelines.lifecycle.outcome import Done
from polydock_pipelines.lifecycle.table import FAILED, leg_of
from tests.baddays.chance import in_memory
from tests.baddays.crowd import crowd, in_flight
from tests.baddays.day import CLAIMED, REMOVED
from tests.baddays.fake_house import FakeHouse
from tests.baddays.soundness import assert_at_any_time
from tests.makers import VAULT, a_book

MINUTE = timedelta(minutes=1)
ALL_THREADS = 8 * 2
"""Requests that are on their way when an endpoint goes away, each with its probe."""


@pytest.fixture
def database(sqlite_template: Path) -> Generator[Database]:
    with in_memory(sqlite_template) as url:
        opened = Database(url, VAULT)
        yield opened
        opened.close()


@dataclass
class Lagoons:
    """How Lagoon is: well for so many calls more, then in trouble."""

    trouble: str = ""
    calls: int = 0
    well_for: int = 0

    def __call__(self, moment: str) -> None:
        when, call = moment.split(" ")
        if call.startswith("shell"):
            return
        if when == "before":
            self.calls += 1
            self.well_for -= 1
        if self.well_for >= 0:
            return
        if (when, self.trouble) == ("before", "its token revoked"):
            raise LagoonAuthError("Lagoon refuses our token (HTTP 401). Check LAGOON_TOKEN.")
        if (when, self.trouble) == ("before", "away"):
            raise LagoonUnavailableError("Lagoon cannot be reached (ConnectError).")
        if (when, self.trouble) == ("after", "slow"):
            # 30 s an answer, and we wait for 25: each is carried out, and nobody hears of it.
            raise LagoonUnavailableError("Lagoon did not answer in time; it may have been done.")


OUTAGES = {"its token revoked": 60, "slow": 60, "away": 120}
"""Minutes."""
FIVE_HUNDRED = {
    "pending-pre-create": 40,
    "deploy-running": 100,
    "pending-polydock-claim": 40,
    "remove-running": 370,
}


@pytest.mark.slow
def test_five_hundred_in_flight_outlive_a_revoked_token_a_slow_and_an_absent_lagoon(
    database: Database,
) -> None:
    lagoon = Lagoons()
    house = crowd(database, FIVE_HUNDRED, lagoon)
    for trouble, minutes in OUTAGES.items():
        lagoon.trouble, lagoon.well_for = trouble, 100
        house.tick()  # Lagoon answers, and in the middle of the work no more
        with database.read() as session:
            assert in_flight(session) >= 500
        spent = lagoon.calls
        wait(house, minutes)
        assert lagoon.calls - spent <= ALL_THREADS + 2 * 2 * minutes, "Lagoon is pestered"
        assert statuses(house).keys().isdisjoint(FAILED)
        assert a_book(database).gate(house.clock.now()).sentences()
    lagoon.well_for = 1_000_000
    house.clock.advance(MINUTE)
    house.go_on()
    assert statuses(house) == {CLAIMED: 180, REMOVED: 370}
    assert_all_well(house, claimed=180)


def wait(house: FakeHouse, minutes: int) -> None:
    for _ in range(minutes // 2):
        house.clock.advance(2 * MINUTE)
        house.tick()


def statuses(house: FakeHouse) -> Counter[str]:
    with house.database.read() as session:
        return Counter(session.scalars(select(AppInstance.status)))


def assert_all_well(house: FakeHouse, *, claimed: int) -> None:
    """Assert one project and build each, and that every person was told."""
    rows = assert_at_any_time(house)
    names = [project["name"] for project in house.projects()]
    assert sorted(names) == sorted(row.name for row in rows)
    builds = Counter(build["project"] for build in house.builds.values())
    assert set(builds.values()) == {1}
    with house.database.read() as session:
        told = Counter(session.scalars(select(Registration.status)))
    assert told["success"] == claimed


ONE_THOUSAND = {
    "pre-create-running": 20,
    "deploy-running": 40,
    "polydock-claim-running": 60,
    "remove-running": 80,
    "post-remove-running": 800,
}
AT_WORK = ("pre-create-running", "polydock-claim-running", "post-remove-running")
"""The others wait for Lagoon, and no run holds them."""
HELD = sum(ONE_THOUSAND[status] for status in AT_WORK)
TOKEN = AppInstance.lease_token


@pytest.mark.slow
def test_everything_is_restarted_with_a_thousand_in_flight(database: Database) -> None:
    house = crowd(database, ONE_THOUSAND, lambda _moment: None)
    book = a_book(database)
    survivor = claim(book, a_row_in(database, "post-remove-running"), house.clock.now())
    assert survivor is not None
    hold_all(database, house.clock.now())
    house.clock.advance(5)
    assert house.due() == []  # those runs may be alive: nobody takes what is theirs
    assert release_all(database, house.clock.now()) == HELD
    first = house.due()
    assert sum(chunk.size for chunk in first) == HELD
    assert len(first) <= 3 * 4
    assert apply(book, survivor, Done(), house.clock.now()) is None
    for chunk in first:
        house.work(chunk)
    house.go_on()
    assert statuses(house) == {CLAIMED: 120, REMOVED: 880}
    assert_all_well(house, claimed=120)


def a_row_in(database: Database, status: str) -> int:
    with database.read() as session:
        found = session.scalar(select(AppInstance.id).where(AppInstance.status == status))
        assert found is not None
        return found


def hold_all(database: Database, now: datetime) -> None:
    """Let the runs of the killed stack have everything that a step worked on when it ended."""
    alive = {"handed_until": now + WHILE_ALIVE, "lease_until": now + LEASE}
    with database.write() as session:
        for status in AT_WORK:
            run = Handover(
                id=str(uuid4()),
                kind=leg_of(status)[0].value,  # pyright: ignore[reportOptionalSubscript]
                source="a test",
                run_id=str(uuid4()),
                created_at=now,
                started_at=now,
                beat_at=now,
            )
            session.add(run)
            session.execute(
                update(AppInstance)
                .where(AppInstance.status == status)
                .values(handover_id=run.id, lease_token=func.coalesce(TOKEN, run.id), **alive)
            )
