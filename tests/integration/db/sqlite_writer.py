"""A process that writes to SQLite from eight threads: `python -m … URL NUMBER ROWS`."""

import sys
from concurrent.futures import ThreadPoolExecutor

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.door import add_log, write
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle.transitions import enter
from tests.fakes.clock import START
from tests.makers import VAULT


def main(url: str, number: int, rows: int) -> None:
    """Read, then change an instance *rows* times in each thread: what a deferred lock fails at."""
    database = Database(url, VAULT)

    def work(thread: int) -> None:
        for turn in range(rows):
            with database.write() as session:
                row = session.get_one(AppInstance, 1 + (number + thread + turn) % 4)
                write(session, row, enter("create", START), Writing(START))
                add_log(session, row, f"process {number}, thread {thread}", now=START)
            with database.read() as session:
                session.get_one(AppInstance, 1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    database.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
