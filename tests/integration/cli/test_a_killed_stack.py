"""What a stack leaves when it is killed, and how the next one in its home takes over."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import dagster as dg
import psutil
import pytest

from polydock_pipelines.cli.stack import CHILDREN, Stack, StackError, home_lock, stop_orphans
from polydock_pipelines.db import handovers
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.leases import apply, claim
from polydock_pipelines.db.leftovers import release_all
from polydock_pipelines.lifecycle.outcome import Done
from polydock_pipelines.lifecycle.table import Kind
from tests.fakes.clock import START
from tests.makers import a_book, instance_row, new_instance

STARTED, QUEUED = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.NOT_STARTED
SUCCESS = dg.DagsterRunStatus.SUCCESS
KEY = "YSBrZXkgZm9yIHRlc3RzIG9mIDMyIGJ5dGVzIGxvbmc="  # pragma: allowlist secret
SLEEPER = [
    sys.executable,
    "-c",
    "import subprocess, sys\n"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "print('ready', flush=True)\n"
    "import time; time.sleep(600)",
]


def test_a_second_stack_in_a_home_is_told_who_has_it(tmp_path: Path) -> None:
    told = pytest.raises(StackError, match=rf"process {os.getpid()}\).*POLYDOCK_HOME")
    with home_lock(tmp_path), told, home_lock(tmp_path):
        pass
    with home_lock(tmp_path):
        pass


def test_the_processes_of_a_killed_stack_are_stopped_with_their_children(tmp_path: Path) -> None:
    stack = Stack(tmp_path, dict(os.environ))
    child = stack.start("sleeper", SLEEPER)
    stack.wait_for(child, lambda: "ready" in child.log.read_text())
    family = [psutil.Process(child.process.pid)]
    family += family[0].children(recursive=True)
    assert len(family) == 2
    assert stop_orphans(tmp_path) == 2
    child.process.wait(10)
    assert not [process for process in family if process.is_running()]
    assert stop_orphans(tmp_path) == 0


def test_a_process_that_only_has_the_number_of_an_old_child_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / CHILDREN).write_text(f"{os.getpid()} 1.0\nnot a line\n999999999 2.0\n")
    assert stop_orphans(tmp_path) == 0


def test_leases_and_hand_overs_of_the_dead_are_let_go(database: Database) -> None:
    held = new_instance(database)
    waiting = new_instance(database)
    book = a_book(database)
    chunks = handovers.hand_over(database, Kind.PROVISION, START, source="signups")
    assert [chunk.size for chunk in chunks] == [2]
    lease = claim(book, held, START, handover_id=chunks[0].handover_id)
    assert lease is not None
    assert release_all(database, START) == 2
    assert handovers.open_handovers(database) == []
    soon = START + timedelta(seconds=1)
    (chunk,) = handovers.hand_over(database, Kind.PROVISION, soon, source="signups")
    assert chunk.size == 2
    assert instance_row(database, waiting).handover_id == chunk.handover_id


def test_a_worker_that_survived_writes_nothing(database: Database) -> None:
    one, book = new_instance(database), a_book(database)
    lease = claim(book, one, START)
    assert lease is not None
    release_all(database, START)
    assert apply(book, lease, Done(), START) is None
    assert instance_row(database, one).status == "pre-create-running"


def test_runs_that_were_at_work_are_ended_and_queued_ones_stay(
    tmp_path: Path, sqlite_url: str
) -> None:
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        states = {status: a_run(instance, status) for status in (STARTED, QUEUED, SUCCESS)}
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "POLYDOCK_HOME": str(tmp_path),
        "POLYDOCK_DATABASE_URL": sqlite_url,
        "POLYDOCK_SECRET_KEYS": KEY,
    }
    argv = [sys.executable, "-m", "polydock_pipelines.cli.leftovers"]
    said = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout == "Took over 1 runs and 0 instances of an earlier stack.\n"
    with dg.DagsterInstance.from_config(str(home)) as instance:
        after = {old: run.status for old in states if (run := instance.get_run_by_id(states[old]))}
    assert after == {STARTED: dg.DagsterRunStatus.FAILURE, QUEUED: QUEUED, SUCCESS: SUCCESS}


def a_run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus) -> str:
    @dg.job
    def some() -> None:
        pass

    return instance.create_run_for_job(some, status=status).run_id
