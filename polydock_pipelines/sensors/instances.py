"""What is due becomes a run: new signups, ended builds, everything else.

A sensor selects, hands over and yields. Its only write is the hand-over mark, its only remote call
the bulk look at builds. Intervals stay below the daemon's fixed 5 s loop (ARCHITECTURE §5).
"""

import time
from collections.abc import Sequence
from datetime import datetime

import dagster as dg

from polydock_pipelines.actions.endpoints import probe_others
from polydock_pipelines.actions.hand_over import (
    hand_over_due,
    hand_over_ended,
    hand_over_new,
)
from polydock_pipelines.actions.runs import JOBS, job_of, run_config, run_tags
from polydock_pipelines.actions.tend_runs import SILENT_AFTER, tend_runs
from polydock_pipelines.actions.watch import look
from polydock_pipelines.assets.app_instances import catch_up
from polydock_pipelines.db import version
from polydock_pipelines.db.handovers import Chunk, open_handovers
from polydock_pipelines.db.leases import Book
from polydock_pipelines.jobs.instances import (
    INSTANCE_JOBS,
    activate_instances,
    provision_instances,
    remove_instances,
    upgrade_instances,
)
from polydock_pipelines.lifecycle.table import Kind
from polydock_pipelines.resources.database import DatabaseResource
from polydock_pipelines.resources.lagoon import LagoonResource
from polydock_pipelines.sensors.run_view import end_run, runs_seen
from polydock_pipelines.settings import settings

SECOND_LOOK_AFTER_S = 2.4


def run_requests(chunks: Sequence[Chunk]) -> list[dg.RunRequest]:
    """Return a run for each chunk; its key is fresh, so that a lost run is replaced."""
    return [
        dg.RunRequest(
            run_key=chunk.handover_id,
            job_name=job_of(chunk.kind),
            run_config=run_config(chunk),
            tags=run_tags(chunk),
        )
        for chunk in chunks
    ]


def schema_problem(book: Book) -> dg.SkipReason | None:
    """Return why nothing can be done with this database: somebody must migrate it first."""
    wrong = version.problem(book.db)
    return dg.SkipReason(wrong) if wrong else None


@dg.sensor(
    job=provision_instances,
    minimum_interval_seconds=2,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="New requests, people first",
)
def signups(database: DatabaseResource) -> dg.SensorResult | dg.SkipReason:
    """Hand over all new requests, in at most four chunks."""
    now = settings().make_clock().now()
    with database.open() as book:
        if skip := schema_problem(book):
            return skip
        chunks = hand_over_new(book, now, "signups")
        why = book.gate(now).why(Kind.PROVISION)
    if not chunks:
        nothing = "no new request, or the runs that were asked for will take it"
        return dg.SkipReason(why or nothing)
    return dg.SensorResult(run_requests=run_requests(chunks))


@dg.sensor(
    jobs=[activate_instances, upgrade_instances, remove_instances],
    minimum_interval_seconds=2,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Builds that ended and environments that are gone, seen in one bulk look",
)
def builds(database: DatabaseResource, lagoon: LagoonResource) -> dg.SensorResult | dg.SkipReason:
    """Hand over instances whose build ended, whose environment is gone, or whose time is up.

    A second look in mid-interval halves the time that a person waits for a tick (docs/adr/0002).
    """
    clock = settings().make_clock()
    with database.open() as book, lagoon.open() as client:
        if skip := schema_problem(book):
            return skip
        seen = look(book, client, clock.now())
        if seen.looked_at and not seen.by_kind:
            time.sleep(SECOND_LOOK_AFTER_S)
            seen = look(book, client, clock.now())
        if seen.trouble:
            return dg.SkipReason(f"Lagoon could not be asked: {seen.trouble}")
        chunks = hand_over_ended(book, seen.by_kind, clock.now(), "builds")
    if not chunks:
        return dg.SkipReason(f"{seen.looked_at} wait for Lagoon, none has ended")
    return dg.SensorResult(run_requests=run_requests(chunks))


def tend(instance: dg.DagsterInstance, book: Book, now: datetime) -> None:
    """Look after the runs that were given instances (actions/tend_runs.py)."""
    runs = runs_seen(instance, open_handovers(book.db), now)
    for run in tend_runs(book, runs, now).silent:
        seconds = int(SILENT_AFTER.total_seconds())
        end_run(instance, run.run_id, f"silent for {seconds} s; another run takes up its instances")


@dg.sensor(
    jobs=list(INSTANCE_JOBS),
    minimum_interval_seconds=3,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Retries, removals, leases that ran out: whatever is due besides new requests",
)
def due_instances(
    context: dg.SensorEvaluationContext, database: DatabaseResource
) -> dg.SensorResult | dg.SkipReason:
    """End what is silent, hand over everything that is due, show arrivals that no run has shown."""
    now = settings().make_clock().now()
    with database.open() as book:
        if skip := schema_problem(book):
            return skip
        tend(context.instance, book, now)
        probe_others(book, now)
        chunks = [
            chunk for kind in JOBS for chunk in hand_over_due(book, kind, now, "due_instances")
        ]
        events = catch_up(book.db)
    if not chunks and not events:
        return dg.SkipReason("nothing is due")
    return dg.SensorResult(run_requests=run_requests(chunks), asset_events=events)


SENSORS = (signups, builds, due_instances)
