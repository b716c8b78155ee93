"""When something behind the door is broken: an answer that says so, quickly, and no more."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from polydock_pipelines.db.database import Database
from polydock_pipelines.ports import PortError
from tests.fakes.launcher import FakeLauncher
from tests.integration.actions.tables import dump
from tests.integration.intake.door import Door, Street, opened
from tests.integration.intake.trials import END, LINKS, Trial
from tests.makers import VAULT

CANARY = "Canary4711"
UNEXPECTED = {"status": "failed", "message": "An unexpected error occurred."}
BUSY = {"status": "failed", "message": "The service is busy. Please try again in a moment."}


@contextmanager
def raising(database: Database, error: Exception, at: str = "before_commit") -> Iterator[None]:
    """Let every transaction on *database* end in *error*."""

    def listener(session: Session, *_rest: Any) -> None:
        if session.get_bind().engine.url == database.engine.url:
            raise error

    event.listen(Session, at, listener)
    try:
        yield
    finally:
        event.remove(Session, at, listener)


@pytest.mark.parametrize("moment", ["before_flush", "before_commit"])
def test_an_unexpected_error_tells_nothing_and_stores_nothing(door: Door, moment: str) -> None:
    before = dump(door.db)
    with raising(door.db, RuntimeError(f"no such column {CANARY}"), moment):
        answer = door.register(key="a key")
    assert (answer.status_code, answer.json()) == (500, UNEXPECTED)
    assert dump(door.db) == before
    assert door.register(key="a key").status_code == 202


def test_the_log_of_an_unexpected_error_holds_no_person(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    with raising(door.db, RuntimeError(CANARY)):
        door.register(first_name="Personne", email="personne@example.com")
    assert "personne" not in caplog.text.lower()
    assert CANARY not in caplog.text
    assert "RuntimeError" in caplog.text
    assert "register.py" in caplog.text


def test_a_pool_without_a_free_connection_is_a_busy_service(door: Door) -> None:
    with raising(door.db, PoolTimeoutError(f"QueuePool limit {CANARY}")):
        answer = door.register()
    assert (answer.status_code, answer.json()) == (503, BUSY)


@contextmanager
def nothing_there(street: Street, url: str) -> Iterator[Door]:
    database = Database(url, VAULT)
    with opened(street, database) as door:
        yield door
    database.close()


@pytest.fixture
def dead_url() -> str:
    """The address of a Postgres that nobody runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return f"postgresql+psycopg2://polydock:{CANARY}@127.0.0.1:{port}/polydock"


def test_a_database_that_is_away_is_a_503_at_once(street: Street, dead_url: str) -> None:
    with nothing_there(street, dead_url) as door:
        began = time.monotonic()
        answers = [
            door.register(),
            door.read("00000000-0000-0000-0000-000000000000"),
            door.http.get("/api/regions"),
        ]
        ready, alive = door.http.get("/readyz"), door.http.get("/healthz")
        took = time.monotonic() - began
    assert [(answer.status_code, answer.json()) for answer in answers] == [(503, BUSY)] * 3
    assert ready.status_code == 503
    assert ready.json() == {"status": "unavailable", "message": "no database"}
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert took < 5


def test_a_person_whose_link_meets_no_database_is_told_to_try_again(
    street: Street, dead_url: str
) -> None:
    nobody = Trial(0, "6f1c52b0-6f0e-4c8a-9a53-0c1d4f5a7e10")
    with nothing_there(street, dead_url) as door:
        answers = [
            door.http.get(nobody.login),
            door.http.get(nobody.extension),
            door.http.post(nobody.extension, data={"seen_end": END.isoformat()}),
            door.http.get(LINKS.unsubscribe(1)),
            door.http.post(LINKS.unsubscribe(1)),
        ]
        foreign = door.http.get(nobody.login[:-1])
    assert [(answer.status_code, answer.json()) for answer in answers] == [(503, BUSY)] * 5
    assert foreign.status_code == 403  # takes no database to tell


def test_a_database_that_came_back_is_used_again(street: Street, postgres_url: str) -> None:
    with nothing_there(street, postgres_url) as door:
        assert door.http.get("/api/regions").status_code == 200
        with door.db.engine.connect() as connection, pytest.raises(Exception, match="terminat"):
            connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
        assert door.http.get("/api/regions").status_code == 200


def test_a_database_without_tables_says_what_to_run(street: Street, tmp_path: Any) -> None:
    with nothing_there(street, f"sqlite:///{tmp_path / 'empty.db'}") as door:
        answer = door.http.get("/readyz")
    assert answer.status_code == 503
    assert "run `polydock db upgrade`" in answer.json()["message"]


def test_a_dagster_that_is_away_costs_the_caller_nothing(street: Street, door: Door) -> None:
    door.launcher._failing = [PortError("no webserver")] * 3
    answers = [door.register().status_code for _ in range(3)]
    assert answers == [202] * 3


def test_a_ready_service_says_so(door: Door) -> None:
    assert door.http.get("/readyz").json() == {"status": "ok"}


def test_a_path_that_is_nothing_is_a_404(shut_door: Door) -> None:
    assert shut_door.http.get("/api/nothing").status_code == 404


def test_the_launcher_is_the_only_thing_that_is_asked(door: Door) -> None:
    assert isinstance(door.launcher, FakeLauncher)
    door.register(aup_and_privacy_acceptance=0)
    assert door.launcher.calls == []
