"""Schedules that look after the house."""

import dagster as dg

from polydock_pipelines.jobs.watching import find_stuck_instances

stuck_instances = dg.ScheduleDefinition(
    name="stuck_instances",
    job=find_stuck_instances,
    cron_schedule="*/5 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Looks for what stands still, is away or is paused",
)

SCHEDULES = (stuck_instances,)
