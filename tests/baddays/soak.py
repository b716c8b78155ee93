"""Play random lives for hours: `python -m tests.baddays.soak 50000` (`make soak SEEDS=50000`).

One life a seed, counted on from the first; half of them on Postgres. A batch that fails shows its
shortest story; the others are played all the same.
"""

import argparse
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from polydock_pipelines.db import schema
from polydock_pipelines.db.database import Database
from tests.baddays.chance import Batch, Played, in_processes, new_seed
from tests.makers import VAULT
from tests.postgres import running_postgres

A_BATCH = 100
STEPS = 40


def main() -> int:
    """Play as many as were asked for; 1 when one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", type=int, nargs="?", default=1000)
    parser.add_argument("--seed", type=int, help="of the first batch; another each time by default")
    parser.add_argument("--steps", type=int, default=STEPS, help="at most, in each scenario")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--sqlite-only", action="store_true")
    chosen = parser.parse_args()
    first = new_seed() if chosen.seed is None else chosen.seed
    count = -(-chosen.scenarios // A_BATCH)
    with databases(count, sqlite_only=chosen.sqlite_only) as urls:
        batches = [Batch(url, first + n, A_BATCH, chosen.steps) for n, url in enumerate(urls)]
        say(f"{count * A_BATCH} scenarios of {chosen.steps} steps, seeds {first} to "
            f"{first + count - 1}, {A_BATCH} of each")  # fmt: skip
        return watch(batches, chosen.processes)


def watch(batches: list[Batch], processes: int) -> int:
    """Play and tell; return the exit code."""
    began, failed = time.monotonic(), list[Played]()
    for done, one in enumerate(in_processes(batches, processes), start=1):
        if one.trouble:
            failed.append(one)
            say(f"seed {one.batch.seed} on {one.batch.kind} FAILED:\n{one.trouble}")
        minutes = (time.monotonic() - began) / 60
        say(f"{done * A_BATCH}/{len(batches) * A_BATCH} after {minutes:.1f} min: seed "
            f"{one.batch.seed}, {one.batch.kind}, {one.seconds:.0f} s")  # fmt: skip
    seeds = ", ".join(str(one.batch.seed) for one in failed)
    say(f"failed: {seeds}" if failed else "all of them came to rest")
    return 1 if failed else 0


@contextmanager
def databases(count: int, *, sqlite_only: bool) -> Generator[list[str]]:
    """Make a migrated database for each batch; a SQLite file serves for all of its kind."""
    with TemporaryDirectory() as home, running_postgres() as postgres:
        file = f"sqlite:///{Path(home) / 'template.sqlite'}"
        migrate(file)
        template = postgres.create()
        migrate(postgres.url(template))
        spread = [n % 2 and not sqlite_only for n in range(count)]
        yield [postgres.url(postgres.create(template=template)) if p else file for p in spread]


def migrate(url: str) -> None:
    """Bring a database to our schema."""
    database = Database(url, VAULT)
    schema.upgrade(database)
    database.close()


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
