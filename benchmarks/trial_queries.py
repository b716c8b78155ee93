"""What the trials' schedules ask at each tick, beside a million instances and as many mails.

Two states: nothing is due, and a thousand are due in every list. In each are timed the question
that a tick asks, and the first chunk that a run then takes, rows fetched; the slower of both
counts. Then what a tick of all of them costs that finds nothing: processor time of this process,
which is warm as the daemon's code server is, and of Postgres.
"""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import dagster as dg
from sqlalchemy import Select, text

from benchmarks import many_rows, processes, stacks, trial_rows
from benchmarks.figures import Figure, at_most, median, percentile
from benchmarks.plan import Plan
from polydock_pipelines.actions import purge, trials
from polydock_pipelines.actions.send_mails import BATCH, is_worth_a_run
from polydock_pipelines.actions.trials import CHUNK
from polydock_pipelines.db import posting
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.leases import Book
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.trials import (
    ends_due,
    locked,
    purges_due,
    reminders_due,
    removals_due,
    stale_failures,
    write_reminders,
)
from polydock_pipelines.db.vault import new_key
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle.mails import MailKind
from polydock_pipelines.resources.database import DatabaseResource
from polydock_pipelines.schedules.trials import TRIAL_SCHEDULES
from polydock_pipelines.schedules.watching import project_purges
from polydock_pipelines.sensors.emails import emails
from polydock_pipelines.settings import settings

GOAL_MS = 50
RETENTION = timedelta(days=7)
Look = Callable[[], object]


def measure(plan: Plan) -> list[Figure]:
    """Return how long each question takes, and what a tick costs."""
    rows, looks = plan.sizes.rows, plan.sizes.looks
    now, key = datetime.now(UTC), new_key()
    with trial_rows.house(rows, now, key) as database:
        book = Book(database, "https://polydock.example.com")
        found = _figures("nothing due", book, now, looks)
        found.append(_tick(database, key, plan.sizes.ticks))
        _let_fall_due(database, plan.sizes.due, now)
        found += _figures(f"{plan.sizes.due:,} due", book, now, looks)
    return found


def _figures(state: str, book: Book, now: datetime, looks: int) -> list[Figure]:
    found: list[Figure] = []
    for name, (question, chunk) in _queries(book, now).items():
        p95: list[float] = []
        for what, look in (("tick", question), ("first chunk", chunk)):
            times = [1000 * s for s in many_rows.times(look, looks)]
            p95.append(percentile(times, 95))
            print(f"    {name}, {state}, {what}: p50 {median(times):.1f} ms, p95 {p95[-1]:.1f} ms")
        found.append(at_most(f"{name}, {state}, p95", max(p95), "ms", GOAL_MS))
    return found


def _queries(book: Book, now: datetime) -> dict[str, tuple[Look, Look]]:
    """Return, for each schedule, what its tick asks and what its run takes first."""
    midtrial, last_day = MailKind.MIDTRIAL, MailKind.ONE_DAY_LEFT
    first = partial(_first_chunk, book)
    return {
        "midtrial_emails": (
            partial(trials.is_reminder_due, book, now, midtrial),
            partial(first, reminders_due(midtrial, now)),
        ),
        "one_day_left_emails": (
            partial(trials.is_reminder_due, book, now, last_day),
            partial(first, reminders_due(last_day, now)),
        ),
        "trial_complete_emails": (
            partial(trials.is_end_due, book, now),
            partial(first, ends_due(now)),
        ),
        "trial_removals": (
            partial(trials.is_removal_due, book, now),
            partial(first, removals_due()),
        ),
        "project_purges": (
            partial(purge.is_purge_due, book, now),
            partial(first, purges_due(now)),
        ),
        "project_purges, what is overdue": (
            partial(purge.overdue_purges, book, now),
            partial(purge.overdue_purges, book, now),
        ),
        "stuck_instances, stale failures": (
            partial(purge.is_failure_stale, book, RETENTION, now),
            partial(first, stale_failures(now - RETENTION)),
        ),
        "emails": (partial(is_worth_a_run, book, now), partial(_lease_and_give_back, book, now)),
    }


def _first_chunk(book: Book, chosen: Select[tuple[AppInstance]]) -> None:
    with book.db.read() as session:
        locked(session, chosen, CHUNK)


def _lease_and_give_back(book: Book, now: datetime) -> None:
    token, ids = posting.lease(book.db, None, now, BATCH)
    posting.give_back(book.db, token, ids)


def _let_fall_due(database: Database, count: int, now: datetime) -> None:
    """Let as many fall due in each list; the mails are a chunk of reminders that were written."""
    trial_rows.fall_due(database, "midtrial", count, now)
    with database.write() as session:
        write_reminders(session, MailKind.MIDTRIAL, Writing(now), count)
    for what in trial_rows.FALL_DUE:
        trial_rows.fall_due(database, what, count, now)
    with database.write() as session:
        session.execute(text("ANALYZE"))


def _tick(database: Database, key: str, ticks: int) -> Figure:
    """Return what it costs to evaluate the schedules of each minute and the sensor, once each."""
    with _configured(database, key), dg.DagsterInstance.ephemeral() as instance:
        _evaluate(instance)  # imports, and the first connection
        before = processes.cpu(os.getpid())
        for _ in range(ticks):
            _evaluate(instance)
        spent = (processes.cpu(os.getpid()) - before).everything / ticks
    name = "five schedules and the sensor emails, nothing due, a tick"
    return at_most(name, spent, "CPU s", 1)


@contextmanager
def _configured(database: Database, key: str) -> Generator[None]:
    """Let the resources of this process lead to *database*."""
    url = database.engine.url.render_as_string(hide_password=False)
    env = {"POLYDOCK_DATABASE_URL": url, "POLYDOCK_SECRET_KEYS": key}
    with stacks.variables({**stacks.clean_environment(), **env}):
        settings.cache_clear()
        try:
            yield
        finally:
            settings.cache_clear()


def _evaluate(instance: dg.DagsterInstance) -> None:
    # At no full hour and no tenth minute: then the purges' schedule looks after more.
    at = datetime.now(UTC).replace(hour=13, minute=17)
    resources = {"database": DatabaseResource()}
    for schedule in (*TRIAL_SCHEDULES, project_purges):
        with dg.build_schedule_context(instance, at, resources) as context:
            _skipped(schedule.name, schedule.evaluate_tick(context).run_requests)
    with dg.build_sensor_context(instance, resources=resources) as context:
        _skipped(emails.name, emails.evaluate_tick(context).run_requests)


def _skipped(name: str, requests: object) -> None:
    if requests:
        raise RuntimeError(f"{name} found something due where nothing is")
