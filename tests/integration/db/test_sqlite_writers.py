"""Four processes with eight threads each write to one SQLite file, and the intake beside them."""

import subprocess
import sys
from pathlib import Path

from sqlalchemy import func, select

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import AppInstance, StatusTransition
from tests.integration.intake.door import listening, offer, opened
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
    offer(sqlite_database)
    with listening() as street, opened(street, sqlite_database) as door:
        answers = [door.register().status_code]
        while any(writer.poll() is None for writer in writers):
            answers.append(door.register().status_code)
    complaints = [writer.communicate(timeout=120)[1] for writer in writers]
    assert complaints == [""] * PROCESSES
    assert set(answers) == {202}
    with sqlite_database.read() as session:
        by_writers = AppInstance.id.in_(ids)
        counted = session.scalar(select(func.sum(AppInstance.event_sequence)).where(by_writers))
        written = session.scalar(
            select(func.count())
            .select_from(StatusTransition)
            .where(StatusTransition.instance_id.in_(ids))
        )
        signed_up = session.scalar(select(func.count()).select_from(AppInstance)) or 0
    assert written == counted == PROCESSES * THREADS * ROWS
    assert signed_up == len(ids) + len(answers)
