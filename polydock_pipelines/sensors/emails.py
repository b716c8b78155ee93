"""Mails that wait become a run: those that an event caused, and those that a server put off."""

import dagster as dg

from polydock_pipelines.actions.send_mails import is_worth_a_run
from polydock_pipelines.db import version
from polydock_pipelines.jobs.trials import send_emails
from polydock_pipelines.jobs.under_way import are_enough
from polydock_pipelines.resources.database import DatabaseResource
from polydock_pipelines.settings import settings


@dg.sensor(
    job=send_emails,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Mails that wait to be sent",
)
def emails(
    context: dg.SensorEvaluationContext, database: DatabaseResource
) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run when a mail waits and nothing holds it back."""
    with database.open() as book:
        if wrong := version.problem(book.db):
            return dg.SkipReason(wrong)
        verdict = is_worth_a_run(book, settings().make_clock().now())
    if not verdict.is_worth:
        return dg.SkipReason(verdict.why)
    if are_enough(context.instance, send_emails.name):
        return dg.SkipReason("runs are at it already")
    return dg.RunRequest()
