"""For operators, from the Launchpad: trials get another end, or none."""

from functools import partial

import dagster as dg
from pydantic import Field

from polydock_pipelines.actions.extend import End, extend_trial, keep_instance
from polydock_pipelines.jobs.operators import BY, INSTANCES, WHY, each, require
from polydock_pipelines.resources.database import DatabaseResource


class ExtendConfig(dg.Config):
    """Which trials end later."""

    requested_by: str = BY
    reason: str = WHY
    instances: list[str] = Field([], description=INSTANCES)
    days: int = Field(7, description="So many days after the end that each has.", ge=1, le=3650)
    keep: bool = Field(
        False,  # noqa: FBT003 - pydantic's way to a default
        description="Instead: turn them into instances that nothing ends.",
    )


@dg.op(name="extend", description="Move the ends of trials; what lies ahead is reckoned anew")
def extend(
    context: dg.OpExecutionContext, config: ExtendConfig, database: DatabaseResource
) -> None:
    """Extend what was named, or keep it."""
    require(config)
    if not config.instances:
        raise dg.Failure("name instances, by uuid or project name", allow_retries=False)
    by, reason = config.requested_by, config.reason
    with database.open() as book:
        act = partial(extend_trial, book, end=End(days=config.days), by=by, reason=reason)
        if config.keep:
            act = partial(keep_instance, book, by=by, reason=reason)
        each(context, config.instances, lambda which, now: act(which, now=now))


@dg.job(
    executor_def=dg.in_process_executor,
    description="For operators: trials end later, or become instances that are kept.",
)
def extend_trials() -> None:
    """Extend."""
    extend()
