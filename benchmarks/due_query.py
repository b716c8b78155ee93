"""How long the sensors' queries take on Postgres beside a million instances.

The rows are copies of one real instance, spread as a house would look after years: most are removed
or claimed, some failed, a few thousand are under way. The queries are the sensors' own, with their
rows fetched; the goal is for the 95th percentile of the slowest.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import text

from benchmarks import many_rows
from benchmarks.figures import Figure, at_most, median, percentile, plain
from benchmarks.plan import Plan
from polydock_pipelines.actions.hand_over import NEW, allowed
from polydock_pipelines.db import handovers, showing, waiting
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.leases import Book
from polydock_pipelines.lifecycle.table import Kind, statuses_of

LIMIT = 2000
"""As many rows as a hand-over takes."""
UNDER_WAY = 4_000
# Of two weeks, as `retention` keeps them; the last few are under way.
HANDOVERS = """
INSERT INTO handovers (id, kind, source, size, created_at, started_at, beat_at, ended_at)
SELECT gen_random_uuid()::text, (ARRAY['provision', 'activate'])[n % 2 + 1], 'signups', 1,
 :now - n * interval '10 seconds', :now - n * interval '10 seconds',
 :now - n * interval '10 seconds', CASE WHEN n > 4 THEN :now - n * interval '9 seconds' END
FROM generate_series(1, :rows) AS n
"""
REST = """CASE WHEN n % 100 < 62 THEN 'removed' WHEN n % 100 < 92 THEN 'running-healthy-claimed'
 WHEN n % 100 < 95 THEN 'running-healthy-unclaimed' WHEN n % 100 < 98 THEN 'deploy-failed'
 ELSE 'post-deploy-failed' END"""
# Of those under way, by eights: due now, waiting for a build, in a run's hands, later again.
MOVING = """(ARRAY['pending-pre-create','pending-create','deploy-running','deploy-running',
 'pending-post-deploy','pending-polydock-claim','remove-running','pending-pre-remove'])
 [n % 8 + 1]"""


def measure(plan: Plan) -> list[Figure]:
    """Return how long the slowest of the sensors' queries takes."""
    rows, looks = plan.sizes.rows, plan.sizes.looks
    with many_rows.house() as database:
        now = datetime.now(UTC)
        many_rows.multiply(database, rows, _columns(rows), now)
        with database.write() as session:
            session.execute(text(HANDOVERS), {"rows": rows // 10, "now": now})
        many_rows.settle(database)
        times = {name: many_rows.times(look, looks) for name, look in _queries(database).items()}
    for name, seconds in times.items():
        print(
            f"    {name}: p50 {1000 * median(seconds):.1f} ms, "
            f"p95 {1000 * percentile(seconds, 95):.1f} ms, most {1000 * max(seconds):.1f} ms"
        )
    slowest = max(times, key=lambda name: percentile(times[name], 95))
    title = f"due query at {rows} rows on Postgres"
    p95 = 1000 * percentile(times[slowest], 95)
    found = [at_most(f"{title}, slowest ({slowest}), p95", p95, "ms", 50)]
    found += [plain(f"{title}, {name}, p50", 1000 * median(t), "ms") for name, t in times.items()]
    return [*found, plain(f"{title}, {slowest}, most", 1000 * max(times[slowest]), "ms")]


def _queries(database: Database) -> dict[str, Callable[[], object]]:
    """Return what the sensors ask at each tick, by what it is for."""
    book = Book(database, "https://polydock.example.com")
    now = datetime.now(UTC)
    others = tuple(s for s in statuses_of(Kind.PROVISION) if s not in NEW)
    kinds = {"new signups": (Kind.PROVISION, NEW), "provisioning": (Kind.PROVISION, others)}
    kinds |= {kind.value: (kind, statuses_of(kind)) for kind in Kind if kind is not Kind.PROVISION}
    found: dict[str, Callable[[], object]] = {}
    for name, (kind, statuses) in kinds.items():
        if statuses:
            found[f"is any due, {name}"] = _is_any_due(database, kind, statuses, now)
            found[f"due, {name}"] = _due(book, kind, statuses, now)
    found["builds"] = _waiting(book, now)
    found["hand-overs that run"] = lambda: handovers.open_handovers(database)
    found["hand-overs not begun"] = lambda: handovers.unstarted(database, Kind.ACTIVATE, now)
    found["arrivals not shown"] = lambda: showing.unshown(database, 50)
    return found


def _is_any_due(
    database: Database, kind: Kind, statuses: tuple[str, ...], now: datetime
) -> Callable[[], object]:
    return lambda: handovers.is_any_due(database, kind, now, statuses)


def _due(book: Book, kind: Kind, statuses: tuple[str, ...], now: datetime) -> Callable[[], object]:
    def look() -> list[int]:
        chosen = handovers.due(kind, now, statuses).where(allowed(book, kind, now).lets)
        with book.db.read() as session:
            return list(session.scalars(chosen.limit(LIMIT)))

    return look


def _waiting(book: Book, now: datetime) -> Callable[[], object]:
    def look() -> object:
        gate = book.gate(now)
        return waiting.rows_waiting(book.db, now, {kind: gate.lets(kind) for kind in Kind})

    return look


def _columns(rows: int) -> dict[str, str]:
    """Return the columns that differ from row to row, as SQL over *n*, the row's number."""
    every = max(1, rows // UNDER_WAY)
    moves = f"n % {every} = 0"
    moving = MOVING.replace("n %", f"(n / {every}) %")
    is_moving = f"CASE WHEN {moves} THEN {{yes}} ELSE {{no}} END"
    later = ":now + (n % 3600) * interval '1 second'"
    earlier = ":now - (n % 600) * interval '1 second'"
    waits = f"(n / {every}) % 8 IN (2, 3, 6)"
    next_check = f"CASE WHEN {waits} THEN {later} ELSE {earlier} END"
    return {
        "uuid": "gen_random_uuid()::text",
        "name": "'trial-' || n",
        "status": is_moving.format(yes=moving, no=REST),
        "next_check_at": is_moving.format(yes=next_check, no="NULL"),
        "deadline": is_moving.format(yes=later, no="NULL"),
        "priority": "n % 2",
        "build_bulk_id": "gen_random_uuid()::text",
        "lagoon_project_id": "n",
        "has_partition": "n % 50 = 0",
        "shown_status": is_moving.format(yes=moving, no=REST),
        "stage_since": ":now - (n % 10000) * interval '1 hour'",
        "handed_until": "NULL",
        "handover_id": "NULL",
        "lease_until": "NULL",
        "lease_token": "NULL",
    }
