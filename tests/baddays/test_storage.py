"""The disk is full, the file is read-only, the database refuses to write, a key is missing."""

import logging
from collections.abc import Generator, Iterator
from contextlib import suppress

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.exc import OperationalError

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.requests import Registration
from polydock_pipelines.db.vault import Vault, new_key
from tests.baddays.conftest import DriverMaker
from tests.baddays.day import CLAIMED
from tests.baddays.driver import Driver
from tests.baddays.house import AFTER_DEATH
from tests.baddays.meddling import once, watched
from tests.baddays.offers import SCRIPTED
from tests.baddays.soundness import assert_sound
from tests.baddays.storage import Storage, storage_of
from tests.integration.actions.tables import counts
from tests.integration.intake.door import Door, Street, listening, offer, opened

BUSY = {"status": "failed", "message": "The service is busy. Please try again in a moment."}
MOST = 200
"""So many signups need another page, whatever the page's size."""


@pytest.fixture(scope="module")
def street() -> Iterator[Street]:
    with listening() as found:
        yield found


@pytest.fixture
def storage(sqlite_database: Database) -> Generator[Storage]:
    with storage_of(sqlite_database) as storage:
        yield storage


@pytest.fixture
def sqlite_door(street: Street, sqlite_database: Database) -> Iterator[Door]:
    offer(sqlite_database)
    with opened(street, sqlite_database) as door:
        yield door


def written(door: Door) -> dict[str, int]:
    """Return how many rows there are; a launch that an earlier signup caused may write its own."""
    return {name: count for name, count in counts(door.db).items() if name != "handovers"}


def taken(door: Door) -> int:
    """Return how many registrations there are, each with its instance."""
    with door.db.read() as session:
        alone = select(func.count()).where(Registration.instance_id.is_(None))
        assert session.scalar(alone) == 0
        instances = session.scalar(select(func.count()).select_from(AppInstance))
        assert session.scalar(select(func.count()).select_from(Registration)) == instances
        return instances or 0


def test_a_full_disk_refuses_signups_whole_and_goes_on_when_there_is_room(
    storage: Storage, sqlite_door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    door, accepted = sqlite_door, 0
    storage.fill()
    while (answer := door.register(email=f"person{accepted}@example.com")).status_code == 202:
        accepted += 1
        assert accepted < MOST, "the disk never was full"
    before = written(door)
    assert (answer.status_code, answer.json()) == (503, BUSY)
    assert door.register(email="another@example.com").status_code == 503
    assert written(door) == before
    assert door.http.get("/api/regions").status_code == 200
    assert taken(door) == accepted
    assert "database or disk is full" in caplog.text
    storage.mend()
    assert door.register(email="another@example.com").status_code == 202
    assert taken(door) == accepted + 1


def test_a_read_only_file_refuses_signups_and_is_still_read(
    storage: Storage, sqlite_door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    uuid = sqlite_door.register().json()["id"]
    before = written(sqlite_door)
    storage.protect()
    answer = sqlite_door.register(email="another@example.com")
    assert (answer.status_code, answer.json()) == (503, BUSY)
    assert sqlite_door.read(uuid).status_code == 200
    assert written(sqlite_door) == before
    assert "readonly database" in caplog.text
    storage.mend()
    assert sqlite_door.register(email="another@example.com").status_code == 202


def test_a_postgres_that_only_lets_read_refuses_signups(
    street: Street, postgres_database: Database
) -> None:
    """A standby, or one that its operator made read-only because its disk is nearly full."""
    offer(postgres_database)

    def only_read(connection: object, *_rest: object) -> None:
        with connection.cursor() as cursor:  # type: ignore[attr-defined]
            cursor.execute("SET TRANSACTION READ ONLY")

    with opened(street, postgres_database) as door:
        event.listen(postgres_database.engine, "checkout", only_read)
        answer = door.register()
        assert (answer.status_code, answer.json()) == (503, BUSY)
        assert door.http.get("/api/regions").status_code == 200
        event.remove(postgres_database.engine, "checkout", only_read)
        assert door.register().status_code == 202


TROUBLES = {"full": Storage.fill, "read-only": Storage.protect}


@pytest.mark.parametrize("trouble", sorted(TROUBLES))
@pytest.mark.parametrize(
    "moment", ["after projects.add_project", "after deployments.deploy_environment_branch"]
)
def test_a_run_that_cannot_write_what_it_did_repeats_nothing_later(
    moment: str,
    trouble: str,
    storage: Storage,
    driving: DriverMaker,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL, "polydock_pipelines")
    driver = driving(storage.database)
    uuids = [driver.sign_up(SCRIPTED, f"person{n}@example.com") for n in range(2)]
    good = driver.ports
    driver.ports = watched(good, once(moment, lambda: TROUBLES[trouble](storage)))
    for _ in range(10):
        with suppress(OperationalError):  # what Dagster shows as a red tick or run
            driver.tick()
        driver.clock.advance(AFTER_DEATH)
    assert {driver.row(uuid).status for uuid in uuids} != {CLAIMED}
    storage.mend()
    driver.ports = good
    driver.clock.advance(AFTER_DEATH)
    driver.go_on()
    assert [driver.row(uuid).status for uuid in uuids] == [CLAIMED] * 2
    assert [len(driver.builds_of(uuid)) for uuid in uuids] == [1, 1]
    assert_sound(driver)


def test_a_process_without_the_secret_key_leaves_everything_to_the_others(driver: Driver) -> None:
    uuid, good = driver.sign_up(SCRIPTED), driver.database
    blind = Database(good.engine.url.render_as_string(hide_password=False), Vault([new_key()]))
    driver.database = blind
    for _ in range(20):
        driver.tick()
        driver.clock.advance(60)
    row = driver.row(uuid)
    assert (row.status, row.attempt) == ("pending-pre-create", 0)
    assert "POLYDOCK_SECRET_KEYS" in row.status_message
    assert driver.projects_of(uuid) == []
    blind.close()
    driver.database = good
    driver.go_on()
    assert driver.row(uuid).status == CLAIMED
    assert_sound(driver)
