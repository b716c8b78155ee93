"""How long a person waits, and how many a minute can come: real stack, local Lagoon, 5 s builds."""

import asyncio
import os
import random
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from sqlalchemy import select

from benchmarks.figures import Figure, at_least, at_most, median, percentile, plain
from polydock_pipelines.cli.running import Running, running
from polydock_pipelines.cli.stack import Ports, free_port
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import AppInstance, StatusTransition
from polydock_pipelines.db.models.requests import Registration
from polydock_pipelines.wiring import open_database

SINGLE = 20
BURST = 500
GIVE_UP_S = 600.0


@contextmanager
def fresh_stack() -> Generator[Running]:
    """Run the stack in a home of its own, on ports that nobody has."""
    with tempfile.TemporaryDirectory(prefix="polydock-bench-") as home:
        os.environ["POLYDOCK_HOME"] = home
        ports = Ports(*(free_port() for _ in range(5)))
        with running(ports, simulate=True) as run:
            yield run


@dataclass(frozen=True)
class Wait:
    """Seconds from the signup's request to two points of its way."""

    created_s: float
    claimed_s: float


def trial_app(run: Running) -> str:
    """Return the uuid of the first app that can be tried."""
    regions = httpx.get(f"{run.intake}/api/regions", timeout=10).json()["data"]["regions"]
    return regions[0]["apps"][0]["uuid"]


def body(app: str, number: int) -> dict[str, object]:
    """Return a signup."""
    return {
        "register_type": "REQUEST_TRIAL",
        "email": f"person{number}@example.com",
        "first_name": "Grace",
        "last_name": "Hopper",
        "trial_app": app,
        "aup_and_privacy_acceptance": 1,
        "opt_in_to_product_updates": True,
    }


def single_signups(run: Running, count: int, seed: int) -> list[Figure]:
    """Sign people up one at a time, at moments that do not follow the sensors' rhythm."""
    app, chance = trial_app(run), random.Random(seed)  # noqa: S311 - pauses, no secrets
    waits: list[Wait] = []
    with httpx.Client(timeout=30) as client:
        for number in range(count):
            time.sleep(chance.uniform(0.5, 5.5))
            began = time.time()
            answer = client.post(f"{run.intake}/api/register", json=body(app, number))
            waits.append(_wait(run, client, answer.json()["id"], began))
            print(
                f"  {number + 1}/{count}  {waits[-1].created_s:.1f} s  {waits[-1].claimed_s:.1f} s"
            )
    created, claimed = [w.created_s for w in waits], [w.claimed_s for w in waits]
    return [
        plain("one signup -> post-create finished, p50", median(created), "s"),
        at_most("one signup -> post-create finished, p95", percentile(created, 95), "s", 6),
        at_most("one signup -> claimed, p50", median(claimed), "s", 13),
        at_most("one signup -> claimed, p95", percentile(claimed, 95), "s", 18),
    ]


def _wait(run: Running, client: httpx.Client, uuid: str, began: float) -> Wait:
    give_up = time.time() + 120
    while client.get(f"{run.intake}/api/register/{uuid}").json()["status"] != "success":
        if time.time() > give_up:
            raise TimeoutError(f"registration {uuid} did not succeed; see {run.stack.home}/logs")
        time.sleep(0.2)
    database = open_database(run.settings)
    try:
        return Wait(
            _reached(database, uuid, "post-create-completed") - began,
            _reached(database, uuid, "running-healthy-claimed") - began,
        )
    finally:
        database.close()


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


def burst(run: Running, count: int) -> list[Figure]:
    """Sign *count* people up at once, and wait until all are claimed."""
    app = trial_app(run)
    database = open_database(run.settings)
    try:
        before = _claimed(database)
        began = time.time()
        accepted = asyncio.run(_post_all(run, app, count))
        posted = time.time() - began
        while (done := len(_claimed(database)) - len(before)) < accepted:
            if time.time() - began > GIVE_UP_S:
                break
            time.sleep(1)
        times = sorted(at - began for at in _claimed(database).values() if at >= began)
    finally:
        database.close()
    total = times[-1]
    return [
        plain(f"{count} signups at once: accepted in", posted, "s"),
        at_least(f"{count} signups at once: claimed", done, "instances", count),
        plain(f"{count} signups at once: all claimed after", total, "s"),
        at_least(f"{count} signups at once: rate", count / total, "instances/s", 5),
        plain(f"{count} signups at once: half claimed after", median(times), "s"),
    ]


async def _post_all(run: Running, app: str, count: int) -> int:
    limits = httpx.Limits(max_connections=50)
    async with httpx.AsyncClient(timeout=120, limits=limits) as client:

        async def post(number: int) -> int:
            answer = await client.post(
                f"{run.intake}/api/register", json=body(app, 100_000 + number)
            )
            return answer.status_code

        codes = await asyncio.gather(*(post(number) for number in range(count)))
    return codes.count(202)


def _claimed(database: Database) -> dict[int, float]:
    with database.read() as session:
        rows = session.execute(
            select(AppInstance.id, AppInstance.claimed_at).where(
                AppInstance.claimed_at.is_not(None)
            )
        )
        return {row: at.timestamp() for row, at in rows}
