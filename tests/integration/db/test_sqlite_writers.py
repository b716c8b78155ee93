"""Four processes with eight threads each write to one SQLite file."""

import subprocess
import sys
from pathlib import Path

from sqlalchemy import func, select

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import AppInstance, StatusTransition
from tests.makers import new_instance

ROOT = Path(__file__).resolve().parents[3]
PROCESSES, THREADS, ROWS = 4, 8, 4


def test_four_processes_of_eight_threads_write_without_one_locked_database(
    sqlite_database: Database, sqlite_url: str
) -> None:
    ids = [new_instance(sqlite_database) for _ in range(4)]
    assert ids == [1, 2, 3, 4]
    writers = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.integration.db.sqlite_writer",
                sqlite_url,
                str(n),
                str(ROWS),
            ],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(PROCESSES)
    ]
    complaints = [writer.communicate(timeout=120)[1] for writer in writers]
    assert complaints == [""] * PROCESSES
    with sqlite_database.read() as session:
        written = session.scalar(select(func.count()).select_from(StatusTransition))
        counted = session.scalar(select(func.sum(AppInstance.event_sequence)))
    assert written == counted == PROCESSES * THREADS * ROWS
