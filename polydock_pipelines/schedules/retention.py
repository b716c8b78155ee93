"""The schedule `retention`: every hour, and a run only when something is too old.

Hourly, so that each run may be bounded and a backlog still goes: 48,000 runs a day.
"""

import dagster as dg

from polydock_pipelines.actions.prune import plan
from polydock_pipelines.assets.retention import KEY, PruneConfig, keep_of, piles_of
from polydock_pipelines.db import version
from polydock_pipelines.jobs.retention import prune_history
from polydock_pipelines.resources.database import DatabaseResource
from polydock_pipelines.settings import settings


@dg.schedule(
    name="retention",
    job=prune_history,
    cron_schedule="17 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Takes old history away, some each hour",
)
def retention(
    context: dg.ScheduleEvaluationContext, database: DatabaseResource
) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run that deletes, if there is anything to delete."""
    now, bounds = settings().make_clock().now(), PruneConfig(dry_run=False)
    with database.open() as book:
        if wrong := version.problem(book.db):
            return dg.SkipReason(wrong)
        found = plan(piles_of(context.instance, book, keep_of(settings()), now, bounds))
    if not found:
        return dg.SkipReason("nothing is too old")
    return dg.RunRequest(run_config=dg.RunConfig(ops={KEY: PruneConfig(dry_run=False)}))
