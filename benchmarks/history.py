"""What Dagster keeps of our runs, on SQLite and on Postgres: rows and bytes for 1,000 runs.

Real runs of a real stack: people sign up one every few seconds, so that most runs hold one instance
(a chunk shares the rows of a run, and so is cheaper). Counted is what came since before the first,
scaled to 1,000 runs. Rows: of every table of runs and events. Bytes: SQLite's files and what runs
leave beside them in DAGSTER_HOME (outputs, captured logs); on Postgres its tables with indexes,
and the same files. Ticks have a retention of their own and are counted apart.
"""

import sqlite3
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg2

from benchmarks import people, stacks
from benchmarks.figures import Figure, plain
from benchmarks.plan import Plan
from tests.deploy.profile import set_up
from tests.postgres import PostgresServer, running_postgres

SIGNUP_EVERY_S = 3.0
CLAIMED_WITHIN_S = 300.0
DAY_S = 86_400
KIB = 1024
MIB = KIB**2
TICKS = frozenset({"job_ticks", "asset_daemon_asset_evaluations", "instigators", "jobs"})
"""Tables of schedules and sensors: they grow by time, not by runs."""


@dataclass(frozen=True)
class Kept:
    """What is kept at one moment."""

    runs: int = 0
    rows: int = 0
    size: int = 0
    """Bytes."""
    ticks: int = 0

    def __sub__(self, earlier: "Kept") -> "Kept":
        """Return what came since *earlier*."""
        return Kept(
            self.runs - earlier.runs,
            self.rows - earlier.rows,
            self.size - earlier.size,
            self.ticks - earlier.ticks,
        )


def measure(plan: Plan) -> list[Figure]:
    """Return rows and bytes per 1,000 runs on both storages."""
    count = plan.sizes.history
    with stacks.temporary_home() as home:
        found = _storage("SQLite", home, {}, count, lambda: on_sqlite(home / "dagster"))
    with stacks.temporary_home() as home, _postgres(home) as (server, extra):
        look = partial(on_postgres, server, home / "dagster")
        return [*found, *_storage("Postgres", home, extra, count, look)]


@contextmanager
def _postgres(home: Path) -> Generator[tuple[PostgresServer, Mapping[str, str]]]:
    with running_postgres() as server:
        yield server, set_up(server).variables(home)


def _storage(
    name: str, home: Path, extra: Mapping[str, str], count: int, look: Callable[[], Kept]
) -> list[Figure]:
    print(f"    {name}: {count} signups, one every {SIGNUP_EVERY_S:g} s", flush=True)
    with stacks.stack(home, extra):
        pass  # SQLite folds its journals into its files when the last process ends
    before = look()
    with stacks.stack(home, extra) as up, up.database() as database:
        began = time.monotonic()
        for number in range(count):
            people.sign_up(up, 1, first=number)
            time.sleep(SIGNUP_EVERY_S)
        people.wait_for(database, people.all_claimed(count), CLAIMED_WITHIN_S)
        people.wait_for_runs(up)
        seconds = time.monotonic() - began
    return _figures(name, look() - before, count, seconds)


def _figures(storage: str, kept: Kept, count: int, seconds: float) -> list[Figure]:
    if kept.runs < 1:
        raise RuntimeError(f"there was no run of {count} signups in {storage}")
    title = f"history on {storage}, scaled from {kept.runs} runs"
    thousands = 1000 / kept.runs
    return [
        plain(f"{title}: rows per 1,000 runs", kept.rows * thousands, "rows"),
        plain(f"{title}: MiB per 1,000 runs", kept.size * thousands / MIB, "MiB"),
        plain(f"{title}: signups per 1,000 runs", count * thousands, "signups"),
        plain(
            f"ticks of sensors and schedules on {storage}", kept.ticks * DAY_S / seconds, "rows/day"
        ),
    ]


def on_sqlite(dagster_home: Path) -> Kept:
    """Return what SQLite and the folders of runs hold; nobody may have the files open."""
    rows: dict[str, int] = {}
    for path in sorted(dagster_home.rglob("*.db")):
        with closing(sqlite3.connect(path)) as connection:
            tables = "SELECT name FROM sqlite_master WHERE type = 'table'"
            for (table,) in connection.execute(tables).fetchall():
                (count,) = connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()  # noqa: S608 - Dagster's own names
                rows[table] = rows.get(table, 0) + count
    return _kept(rows, size_of(dagster_home))


def on_postgres(server: PostgresServer, dagster_home: Path) -> Kept:
    """Return what the schema `dagster` and the folders of runs hold."""
    tables = """SELECT relname, pg_total_relation_size(oid) FROM pg_class
                WHERE relkind = 'r' AND relnamespace = 'dagster'::regnamespace"""
    rows: dict[str, int] = {}
    size = 0
    address = server.url("polydock").replace("+psycopg2", "")
    with closing(psycopg2.connect(address)) as connection, connection.cursor() as cursor:
        cursor.execute(tables)
        for table, taken in cursor.fetchall():
            cursor.execute(f'SELECT count(*) FROM dagster."{table}"')  # noqa: S608 - Dagster's own names
            rows[table] = (cursor.fetchone() or (0,))[0]
            size += 0 if table in TICKS else taken
    return _kept(rows, size + size_of(dagster_home))


def _kept(rows: Mapping[str, int], size: int) -> Kept:
    ours = sum(count for table, count in rows.items() if table not in TICKS)
    return Kept(rows.get("runs", 0), ours, size, rows.get("job_ticks", 0))


def size_of(dagster_home: Path) -> int:
    """Return the bytes of what runs leave in DAGSTER_HOME, ticks left out."""
    files = (path for path in dagster_home.rglob("*") if path.is_file())
    ours = (path for path in files if "schedules" not in path.relative_to(dagster_home).parts)
    return sum(path.stat().st_size for path in ours)
