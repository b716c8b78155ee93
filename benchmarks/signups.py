"""How long a person waits, and how many a minute can come: real stack, local Lagoon, 5 s builds."""

import random
import time
from dataclasses import dataclass

import httpx
from sqlalchemy import select

from benchmarks import people
from benchmarks.figures import Figure, at_least, at_most, median, percentile, plain
from benchmarks.plan import Plan
from benchmarks.stacks import Up, fresh_stack
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import StatusTransition
from polydock_pipelines.db.models.requests import Registration

GIVE_UP_S = 600.0


@dataclass(frozen=True)
class Wait:
    """Seconds from the signup's request to two points of its way."""

    created_s: float
    claimed_s: float


def single(plan: Plan) -> list[Figure]:
    """Sign people up one at a time, at moments that do not follow the sensors' rhythm."""
    count, chance = plan.sizes.single, random.Random(plan.seed)  # noqa: S311 - pauses, no secrets
    waits: list[Wait] = []
    with fresh_stack() as up, up.database() as database, httpx.Client(timeout=30) as client:
        app = people.trial_app(up.intake)
        for number in range(count):
            time.sleep(chance.uniform(0.5, 5.5))
            waits.append(_one(up, database, client, people.body(app, number)))
            created, claimed = waits[-1].created_s, waits[-1].claimed_s
            print(f"    {number + 1}/{count}  {created:.1f} s  {claimed:.1f} s", flush=True)
    created, claimed = [w.created_s for w in waits], [w.claimed_s for w in waits]
    return [
        plain("one signup -> post-create finished, p50", median(created), "s"),
        at_most("one signup -> post-create finished, p95", percentile(created, 95), "s", 6),
        at_most("one signup -> claimed, p50", median(claimed), "s", 13),
        at_most("one signup -> claimed, p95", percentile(claimed, 95), "s", 18),
    ]


def _one(up: Up, database: Database, client: httpx.Client, body: dict[str, object]) -> Wait:
    began = time.time()
    uuid = client.post(f"{up.intake}/api/register", json=body).json()["id"]
    give_up = time.time() + 120
    while client.get(f"{up.intake}/api/register/{uuid}").json()["status"] != "success":
        if time.time() > give_up:
            raise TimeoutError(f"registration {uuid} did not succeed")
        time.sleep(0.2)
    return Wait(
        _reached(database, uuid, "post-create-completed") - began,
        _reached(database, uuid, people.CLAIMED) - began,
    )


def _reached(database: Database, uuid: str, status: str) -> float:
    with database.read() as session:
        at = session.scalar(
            select(StatusTransition.created_at)
            .join(Registration, Registration.instance_id == StatusTransition.instance_id)
            .where(Registration.uuid == uuid, StatusTransition.to_status == status)
            .limit(1)
        )
    if at is None:
        raise LookupError(f"registration {uuid} never reached {status}")
    return at.timestamp()


def rate_name(count: int) -> str:
    """Return the name of the figure that others are held against."""
    return f"{count} signups at once: rate"


def burst(plan: Plan) -> list[Figure]:
    """Sign many people up at once, and wait until all are claimed."""
    count = plan.sizes.burst
    with fresh_stack() as up, up.database() as database:
        began = time.time()
        accepted = people.sign_up(up, count, tries=1)
        posted = time.time() - began
        people.wait_for(database, people.all_claimed(accepted), GIVE_UP_S)
        times = [at - began for at in people.claimed(database)]
    total = times[-1]
    return [
        plain(f"{count} signups at once: accepted in", posted, "s"),
        at_least(f"{count} signups at once: claimed", len(times), "instances", count),
        plain(f"{count} signups at once: all claimed after", total, "s"),
        at_least(rate_name(count), len(times) / total, "instances/s", 5),
        plain(f"{count} signups at once: half claimed after", median(times), "s"),
    ]
