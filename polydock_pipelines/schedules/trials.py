"""A trial's calendar: each minute one indexed query a list, a run only when something is due."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

import dagster as dg

from polydock_pipelines.actions.trials import is_end_due, is_reminder_due, is_removal_due
from polydock_pipelines.db import version
from polydock_pipelines.db.leases import Book
from polydock_pipelines.jobs.trials import (
    remove_ended_trials,
    send_midtrial_emails,
    send_one_day_left_emails,
    send_trial_complete_emails,
)
from polydock_pipelines.jobs.under_way import are_enough
from polydock_pipelines.lifecycle.mails import MailKind
from polydock_pipelines.resources.database import DatabaseResource
from polydock_pipelines.settings import settings

IsDue = Callable[[Book, datetime], bool]


def _schedule(name: str, job_name: str, about: str, is_due: IsDue) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=name,
        job_name=job_name,
        cron_schedule="* * * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=about,
    )
    def tick(
        context: dg.ScheduleEvaluationContext, database: DatabaseResource
    ) -> dg.RunRequest | dg.SkipReason:
        with database.open() as book:
            if wrong := version.problem(book.db):
                return dg.SkipReason(wrong)
            if not is_due(book, settings().make_clock().now()):
                return dg.SkipReason("nothing is due")
        if are_enough(context.instance, job_name):
            return dg.SkipReason("runs of the last ticks are still at it")
        return dg.RunRequest()

    return tick


midtrial_emails = _schedule(
    "midtrial_emails",
    send_midtrial_emails.name,
    "Half time of a trial",
    partial(is_reminder_due, kind=MailKind.MIDTRIAL),
)
one_day_left_emails = _schedule(
    "one_day_left_emails",
    send_one_day_left_emails.name,
    "A day before the end of a trial",
    partial(is_reminder_due, kind=MailKind.ONE_DAY_LEFT),
)
trial_complete_emails = _schedule(
    "trial_complete_emails",
    send_trial_complete_emails.name,
    "The end of a trial: it is ended, and its mail written with that",
    is_end_due,
)
trial_removals = _schedule(
    "trial_removals",
    remove_ended_trials.name,
    "Ended trials are put on their way out",
    is_removal_due,
)

TRIAL_SCHEDULES = (midtrial_emails, one_day_left_emails, trial_complete_emails, trial_removals)
