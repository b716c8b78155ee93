"""How fast trials are removed that end together: at Lagoon's rate, not at so many an hour.

The instances are copies of one signup, in a Postgres; their projects and environments are made in
the local Lagoon just before. Then a real stack starts with a rate for Lagoon's API, its alarm set
above the crowd, and all trials end in the same moment. Requests are counted by the local Lagoon.
"""

import time
import uuid
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise

import httpx
from sqlalchemy import func, select, text

from benchmarks import many_rows, people, stacks
from benchmarks.figures import Figure, at_least, at_most, plain
from benchmarks.people import CLAIMED
from benchmarks.plan import Plan
from polydock_pipelines import wiring
from polydock_pipelines.clients.lagoon.client import LagoonClient
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import AppInstance, StatusTransition
from polydock_pipelines.db.places import admin_password
from polydock_pipelines.db.vault import new_key
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.lifecycle.status import Resting
from polydock_pipelines.ports import NewProject
from polydock_pipelines.settings import load_settings
from polydock_pipelines.steps.variables import MARKER

OPS_PER_MINUTE = 6_000
UPSTREAM_PER_HOUR = 5
"""What the original engine removes an hour, however many have ended."""
BURST_SHARE = 1 / 12
"""So much of a minute's rate may be saved up (`db.buckets.BURST`)."""
SLOWEST_PER_S = 1.0
AT_LEAST_S = 240.0
BEGUN = "pre-remove-running"
COLUMNS = {
    "uuid": "gen_random_uuid()::text",
    "name": "'cms-ended-' || n",
    "status": f"'{CLAIMED}'",
    "next_check_at": "NULL",
    "deadline": "NULL",
    "handover_id": "NULL",
    "handed_until": "NULL",
    "is_trial": "true",
    "claimed_at": ":now - interval '14 days'",
    "trial_started_at": ":now - interval '14 days'",
    "trial_ends_at": ":now + interval '1 day'",
    "build_bulk_id": "gen_random_uuid()::text",
}
REST = "UPDATE app_instances SET next_check_at = NULL, status = :pool WHERE status <> :claimed"
"""The signup that all are copies of would be worked as well; let it rest."""
END = "UPDATE app_instances SET trial_ends_at = :now WHERE status = :claimed"


@dataclass
class Requests:
    """How many requests Lagoon has had, looked at now and then."""

    simulator: str
    seen: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])

    def look(self) -> None:
        """Take a sample."""
        with suppress(httpx.HTTPError):
            url = f"{self.simulator}/_sim/state"
            posts = httpx.get(url, params={"parts": "posts"}, timeout=10).json()["posts"]
            self.seen.append((time.time(), max((p["number"] for p in posts), default=0)))


def most_in(seen: Sequence[tuple[float, int]], seconds: float) -> float:
    """Return the most requests within any *seconds*, of samples (when, how many so far).

    Between two samples requests count as spread evenly. Of a shorter time all that there were.
    """
    if not seen:
        return 0.0
    starts = (at for at, _ in seen if at + seconds <= seen[-1][0])
    rises = [_at(seen, at + seconds) - _at(seen, at) for at in starts]
    return max(rises, default=float(seen[-1][1] - seen[0][1]))


def _at(seen: Sequence[tuple[float, int]], moment: float) -> float:
    for (t0, n0), (t1, n1) in pairwise(seen):
        if t0 <= moment <= t1:
            return n0 + (n1 - n0) * (moment - t0) / (t1 - t0) if t1 > t0 else n1
    return seen[-1][1]


def measure(plan: Plan) -> list[Figure]:
    """Return the rate of removals, and that of the requests which they took."""
    count, key = plan.sizes.removals, new_key()
    with (
        many_rows.house(key) as database,
        stacks.temporary_home() as home,
        stacks.simulator(home) as (simulator, to_lagoon),
    ):
        stacks.change_simulator(simulator, build_seconds=0.1, remove_seconds=1, latency_ms=0)
        _prepare(database, count, to_lagoon)
        extra = {
            **to_lagoon,
            "POLYDOCK_DATABASE_URL": database.engine.url.render_as_string(hide_password=False),
            "POLYDOCK_SECRET_KEYS": key,
            "POLYDOCK_LAGOON_OPS_PER_MINUTE": str(OPS_PER_MINUTE),
            "POLYDOCK_REMOVAL_ALARM": str(10 * count),
        }
        up = stacks.start(home, extra, simulator)
        try:
            return _drain(database, Requests(simulator), count)
        finally:
            stacks.stop(up.process)


def _prepare(database: Database, count: int, env: Mapping[str, str]) -> None:
    """Make the instances, and for each a project with an environment."""
    many_rows.multiply(database, count, COLUMNS, datetime.now(UTC))
    with database.write() as session:
        session.execute(text(REST), {"pool": Resting.HEALTHY_UNCLAIMED, "claimed": CLAIMED})
        rows = session.scalars(select(AppInstance).where(AppInstance.status == CLAIMED)).all()
        for row in rows:
            row.admin_password = database.vault.seal(admin_password(row), Secret(new_key()))
    with _lagoon(env) as lagoon, ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(partial(_project, lagoon), rows))
    with database.write() as session:
        for row, project_id in zip(rows, ids, strict=True):
            found = session.get_one(AppInstance, row.id)
            found.lagoon_project_id = project_id
    print(f"    {count} projects made", flush=True)


@contextmanager
def _lagoon(env: Mapping[str, str]) -> Generator[LagoonClient]:
    with stacks.variables({**stacks.clean_environment(), **env}):
        settings = load_settings()
    with wiring.open_lagoon(settings) as lagoon:
        yield lagoon


def _project(lagoon: LagoonClient, row: AppInstance) -> int:
    made = lagoon.projects.add_project(
        NewProject(
            name=row.name,
            git_url=row.git_url,
            branch=row.branch,
            production_environment=row.production_environment,
            deploy_target_id=row.deploy_target_id,
            organization_id=row.organization_id,
            auto_idle=row.auto_idle,
            private_key=None,
        )
    )
    lagoon.projects.update_project_metadata(made.id, {MARKER: row.uuid})
    bulk_id = row.build_bulk_id or str(uuid.uuid4())
    lagoon.deployments.deploy_environment_branch(row.name, row.branch, bulk_id=bulk_id)
    return made.id


def _drain(database: Database, requests: Requests, count: int) -> list[Figure]:
    ended = datetime.now(UTC)
    with database.write() as session:
        session.execute(text(END), {"now": ended, "claimed": CLAIMED})
    people.wait_for(
        database,
        lambda found: found.get(Resting.REMOVED, 0) >= count,
        AT_LEAST_S + count / SLOWEST_PER_S,
        meanwhile=requests.look,
    )
    with database.read() as session:
        at, removed_at = StatusTransition.created_at, AppInstance.removed_at
        begun = session.scalar(select(func.min(at)).where(StatusTransition.to_status == BEGUN))
        gone = session.scalars(select(removed_at).where(removed_at.is_not(None)))
        removed = sorted(moment for moment in gone if moment)
    if begun is None or not removed:
        raise RuntimeError("no removal was begun")
    return _figures(count, Drain(ended, begun, removed), requests.seen)


@dataclass(frozen=True)
class Drain:
    """When it happened."""

    ended: datetime
    """The trials, all of them."""
    begun: datetime
    """The first removal."""
    removed: Sequence[datetime]

    @property
    def seconds(self) -> float:
        """Return how long the removals took."""
        return (self.removed[-1] - self.begun).total_seconds()

    @property
    def most_of_it(self) -> datetime:
        """Return when nine of ten were gone: the last ones wait for ticks, not for the rate."""
        return self.removed[len(self.removed) * 9 // 10]


def _figures(count: int, drain: Drain, seen: Sequence[tuple[float, int]]) -> list[Figure]:
    title = f"{count:,} trials end at once"
    paced = f"{title}: requests to Lagoon, {OPS_PER_MINUTE:,} a minute allowed"
    busy = (drain.begun.timestamp(), drain.most_of_it.timestamp())
    a_minute = 60 * (_at(seen, busy[1]) - _at(seen, busy[0])) / (busy[1] - busy[0])
    per_hour = 3600 * len(drain.removed) / drain.seconds
    waited = (drain.begun - drain.ended).total_seconds()
    requests = _at(seen, drain.removed[-1].timestamp()) - _at(seen, busy[0])
    allowed = OPS_PER_MINUTE * (1 + BURST_SHARE)
    return [
        at_least(f"{title}: removed", len(drain.removed), "instances", count),
        plain(f"{title}: first removal begins after", waited, "s"),
        plain(f"{title}: all gone after another", drain.seconds, "s"),
        plain(f"{title}: rate", len(drain.removed) / drain.seconds, "removals/s"),
        at_least(f"{title}: removals an hour", per_hour, "removals", 100 * UPSTREAM_PER_HOUR),
        at_least(paced, a_minute, "requests/min", 0.8 * OPS_PER_MINUTE),
        at_most(f"{paced}, most", most_in(seen, 60), "requests/min", allowed),
        plain(f"{title}: requests a removal", requests / len(drain.removed), "requests"),
    ]
