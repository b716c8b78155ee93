"""People who sign up, and how far their instances are."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
from sqlalchemy import func, select

from benchmarks import processes
from benchmarks.stacks import Up
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import AppInstance

AT_ONCE = 50
BUSY_S = 1.0
TELL_EVERY_S = 15.0
CLAIMED = "running-healthy-claimed"
RUNS_END_WITHIN_S = 60.0


APP = "CMS with demo content"
"""Of the example catalogue: scripts at two stages, one build, no credentials."""


def trial_app(intake: str) -> str:
    """Return the uuid of the app that is tried in all measurements."""
    regions = httpx.get(f"{intake}/api/regions", timeout=30).json()["data"]["regions"]
    return next(app["uuid"] for app in regions[0]["apps"] if app["label"] == APP)


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


def sign_up(up: Up, count: int, first: int = 100_000, *, tries: int = 5) -> int:
    """Sign *count* people up over HTTP, AT_ONCE at a time; return how many were taken.

    An intake that is busy (503) asks to be tried again, and is, *tries* times in all.
    """
    numbers = range(first, first + count)
    codes = asyncio.run(_post_all(up.intake, trial_app(up.intake), numbers, tries))
    refused = Counter(code for code in codes if code != httpx.codes.ACCEPTED)
    if refused:
        print(f"    the intake refused: {dict(refused)}", flush=True)
    return len(codes) - refused.total()


async def _post_all(intake: str, app: str, numbers: range, tries: int) -> list[int]:
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(timeout=600, limits=limits) as client:

        async def post(number: int) -> int:
            code = 0
            for _ in range(tries):
                answer = await client.post(f"{intake}/api/register", json=body(app, number))
                code = answer.status_code
                if code != httpx.codes.SERVICE_UNAVAILABLE:
                    break
                await asyncio.sleep(BUSY_S)
            return code

        return await asyncio.gather(*(post(number) for number in numbers))


def statuses(database: Database) -> dict[str, int]:
    """Return how many instances stand where."""
    counted = select(AppInstance.status, func.count()).group_by(AppInstance.status)
    with database.read() as session:
        return dict(session.execute(counted).tuples().all())


def claimed(database: Database) -> list[float]:
    """Return when each claimed instance was, oldest first, in Unix seconds."""
    at = AppInstance.claimed_at
    chosen = select(at).where(at.is_not(None)).order_by(at)
    with database.read() as session:
        return [moment.timestamp() for moment in session.scalars(chosen) if moment]


def wait_for(
    database: Database,
    is_enough: Callable[[dict[str, int]], bool],
    patience_s: float,
    every_s: float = 1.0,
    meanwhile: Callable[[], object] = lambda: None,
) -> bool:
    """Wait until the statuses are as wished; tell where they stand now and then.

    False when that took too long.
    """
    began = told = time.monotonic()
    while not is_enough(found := statuses(database)):
        meanwhile()
        now = time.monotonic()
        if now - began > patience_s:
            print(f"    given up after {patience_s:.0f} s: {found}", flush=True)
            return False
        if now - told > TELL_EVERY_S:
            told = now
            where = ", ".join(f"{count} {status}" for status, count in sorted(found.items()))
            print(f"    {now - began:4.0f} s: {where}", flush=True)
        time.sleep(every_s)
    return True


def all_claimed(count: int) -> Callable[[dict[str, int]], bool]:
    """Return the wish that *count* instances are claimed."""
    return lambda found: found.get(CLAIMED, 0) >= count


def wait_for_runs(up: Up) -> None:
    """Wait until no run is at work: one that ends is paid for, and so belongs to what was done."""
    end = time.monotonic() + RUNS_END_WITHIN_S
    while processes.runs(up.pid) and time.monotonic() < end:
        time.sleep(0.2)


def utc(seconds: float) -> datetime:
    """Return Unix seconds as the database has them."""
    return datetime.fromtimestamp(seconds, UTC)
