"""Schedules that look after the house."""

import dagster as dg

from polydock_pipelines.actions.purge import is_failure_stale, is_purge_due, overdue_purges
from polydock_pipelines.actions.stuck import is_worth_a_look
from polydock_pipelines.db import debts, showing, version
from polydock_pipelines.jobs.under_way import are_enough
from polydock_pipelines.jobs.watching import (
    begin_project_purges,
    find_lagoon_drift,
    find_stuck_instances,
)
from polydock_pipelines.resources.database import DatabaseResource
from polydock_pipelines.settings import settings

EVERY_HALF_HOUR = (0, 30)


@dg.schedule(
    job=find_stuck_instances,
    cron_schedule="*/5 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Looks for what stands still, is away or is paused; a run each half hour at least",
)
def stuck_instances(
    context: dg.ScheduleEvaluationContext, database: DatabaseResource
) -> dg.RunRequest | dg.SkipReason:
    """Run when there is something to tell: a run every five minutes would fill the history."""
    with database.open() as book:
        if wrong := version.problem(book.db):
            return dg.SkipReason(wrong)
        now = settings().make_clock().now()
        if is_worth_a_look(book, now) or is_failure_stale(book, settings().failed_retention, now):
            return dg.RunRequest()
    if context.scheduled_execution_time.minute in EVERY_HALF_HOUR:
        return dg.RunRequest()
    return dg.SkipReason("nothing stands still, is away or is paused")


@dg.schedule(
    job=find_lagoon_drift,
    cron_schedule="37 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Gives back what removed instances still hold outside; a run a day at least",
)
def lagoon_drift(
    context: dg.ScheduleEvaluationContext, database: DatabaseResource
) -> dg.RunRequest | dg.SkipReason:
    """Run when something is owed, and once a day, so that the check stays fresh."""
    with database.open() as book:
        if wrong := version.problem(book.db):
            return dg.SkipReason(wrong)
        if debts.any_owed(book.db):
            return dg.RunRequest()
    if context.scheduled_execution_time.hour == 0:
        return dg.RunRequest()
    return dg.SkipReason("nothing is owed")


@dg.schedule(
    job=begin_project_purges,
    cron_schedule="* * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Grace that is over; every ten minutes while something is overdue, else once a day",
)
def project_purges(
    context: dg.ScheduleEvaluationContext, database: DatabaseResource
) -> dg.RunRequest | dg.SkipReason:
    """Run when a purge is due; else as often as the check has something to tell."""
    now, at = settings().make_clock().now(), context.scheduled_execution_time
    with database.open() as book:
        if wrong := version.problem(book.db):
            return dg.SkipReason(wrong)
        is_due = is_purge_due(book, now) or bool(showing.purged_with_partition(book.db, 1))
        if is_due and not are_enough(context.instance, begin_project_purges.name):
            return dg.RunRequest()
        if at.minute % 10 == 0 and overdue_purges(book, now):
            return dg.RunRequest()
    if (at.hour, at.minute) == (0, 0):
        return dg.RunRequest()
    return dg.SkipReason("no grace is over")


SCHEDULES = (stuck_instances, lagoon_drift, project_purges)
