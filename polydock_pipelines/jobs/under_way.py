"""How many runs of a job are under way: for those that start another only when few are."""

import dagster as dg

MOST = 2
"""One at work and one that waits: should the first be dead, the second does its work."""
UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def are_enough(instance: dg.DagsterInstance, job_name: str) -> bool:
    """Whether so many runs of a job are under way that another would only wait."""
    unfinished = dg.RunsFilter(job_name=job_name, statuses=UNFINISHED)
    return len(instance.get_run_records(unfinished, limit=MOST)) >= MOST
