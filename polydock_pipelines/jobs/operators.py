"""What operators start from the Launchpad: each asks who wants it and why."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Protocol

import dagster as dg
from pydantic import Field

from polydock_pipelines.actions import pause as brake
from polydock_pipelines.actions.operate import Asked, UnknownInstanceError, retry_instance
from polydock_pipelines.actions.read_instances import list_instances
from polydock_pipelines.actions.stuck import end_instance, find_stuck
from polydock_pipelines.db.leases import Book
from polydock_pipelines.lifecycle.transitions import NotAllowedError
from polydock_pipelines.lifecycle.trials import TrialError
from polydock_pipelines.lifecycle.work import ALL
from polydock_pipelines.resources.database import DatabaseResource
from polydock_pipelines.settings import settings

BY = Field(description="Who wants it: your name as colleagues know it. No address; runs are kept.")
WHY = Field(description="Why, in a sentence. It is kept with what it changes.")
INSTANCES = "Uuids or project names."
COLUMNS = dg.TableSchema(
    [dg.TableColumn(name, "string") for name in ("instance", "project", "status", "note")]
)


class Asking(Protocol):
    """What every operator's config says."""

    requested_by: str
    reason: str


class RetryConfig(dg.Config):
    """Which failed instances go on."""

    requested_by: str = BY
    reason: str = WHY
    instances: list[str] = Field([], description=INSTANCES)
    status: str = Field(
        "",
        description="Instead of `instances`: every instance that failed with this status, for "
        "example `deploy-failed`, at most `limit`.",
    )
    limit: int = Field(50, description="At most so many, the newest first.", ge=1, le=1000)


class EndConfig(dg.Config):
    """Which instances are ended where they stand."""

    requested_by: str = BY
    reason: str = WHY
    instances: list[str] = Field([], description=INSTANCES)
    all_stuck: bool = Field(
        False,  # noqa: FBT003 - pydantic's way to a default
        description="Instead of `instances`: all that the asset stuck_instances shows.",
    )


class BrakeConfig(dg.Config):
    """What is paused or goes on."""

    requested_by: str = BY
    reason: str = WHY
    only: str = Field(ALL, description="all, provisioning, removal, purge, emails or webhooks.")
    store: str = Field("", description="Only in this store: its key in the catalogue.")


@dg.op(name="retry", description="Take failed instances on from where they stood")
def retry(context: dg.OpExecutionContext, config: RetryConfig, database: DatabaseResource) -> None:
    """Retry what was named, or everything that failed with a status."""
    require(config)
    with database.open() as book:
        names = config.instances or _failed_with(book, config.status, config.limit)
        act = partial(retry_instance, book.db, by=config.requested_by, reason=config.reason)
        each(context, names, act)


def require(config: Asking) -> None:
    """Refuse blanks where a name and a reason belong."""
    if not (config.requested_by.strip() and config.reason.strip()):
        raise dg.Failure("say who asks (requested_by) and why (reason)", allow_retries=False)


def _failed_with(book: Book, status: str, limit: int) -> list[str]:
    if not status:
        raise dg.Failure("name instances, or a status such as deploy-failed", allow_retries=False)
    lines = list_instances(book.db, status=status, failed_only=True, limit=limit)
    return [line.uuid for line in lines]


@dg.op(name="end", description="Fail instances where they stand; a retry or a removal goes on")
def end(context: dg.OpExecutionContext, config: EndConfig, database: DatabaseResource) -> None:
    """End what was named, or everything that stands still."""
    require(config)
    with database.open() as book:
        stuck = find_stuck(book, _now()) if config.all_stuck else []
        names = config.instances or [one.uuid for one in stuck]
        act = partial(end_instance, book, by=config.requested_by, reason=config.reason)
        each(context, names, act)


def each(
    context: dg.OpExecutionContext, names: list[str], act: Callable[[str, datetime], Asked]
) -> None:
    """Do it to each, and show what came of it; red when one could not be done."""
    context.log.info("asked for: %s", ", ".join(names) or "nothing")
    rows, refused = list[dg.TableRecord](), 0
    for name in names:
        try:
            asked = act(name, _now())
        except (UnknownInstanceError, NotAllowedError, TrialError) as error:
            refused += 1
            rows.append(_row(name, "", "refused", str(error)))
        else:
            rows.append(_row(asked.uuid, asked.name, asked.status, asked.note))
    metadata = {
        "done": len(names) - refused,
        "refused": refused,
        "table": dg.MetadataValue.table(rows, schema=COLUMNS),
    }
    if refused:
        raise dg.Failure(f"{refused} of {len(names)} refused", metadata, allow_retries=False)
    context.add_output_metadata(metadata)


def _row(instance: str, project: str, status: str, note: str) -> dg.TableRecord:
    return dg.TableRecord(
        {"instance": instance, "project": project, "status": status, "note": note}
    )


def _now() -> datetime:
    return settings().make_clock().now()


@dg.op(name="pull_brake", description="Begin nothing more; what is in hand is finished")
def pull_brake(
    context: dg.OpExecutionContext, config: BrakeConfig, database: DatabaseResource
) -> None:
    """Pause."""
    require(config)
    with database.open() as book:
        _brake(context, config, partial(brake.pause, book.db))


@dg.op(name="release_brake", description="Go on; deadlines move by as long as it was paused")
def release_brake(
    context: dg.OpExecutionContext, config: BrakeConfig, database: DatabaseResource
) -> None:
    """Resume."""
    require(config)
    with database.open() as book:
        _brake(context, config, partial(brake.resume, book.db))


def _brake(
    context: dg.OpExecutionContext, config: BrakeConfig, act: Callable[..., brake.Braked]
) -> None:
    try:
        done = act(
            _now(),
            work=config.only,
            store=config.store,
            by=config.requested_by,
            reason=config.reason,
        )
    except brake.PauseError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    context.log.info("%s: %s", done.work, done.note)
    context.add_output_metadata({"work": done.work, "store": done.store, "note": done.note})


@dg.job(
    executor_def=dg.in_process_executor,
    description="For operators: failed instances go on from where they stood.",
)
def retry_instances() -> None:
    """Retry."""
    retry()


@dg.job(
    executor_def=dg.in_process_executor,
    description="For operators: instances that stand still are failed, so that they can be "
    "retried or removed.",
)
def end_stuck_instances() -> None:
    """End."""
    end()


@dg.job(
    executor_def=dg.in_process_executor,
    description="For operators: nothing more is begun, everywhere or in one store.",
)
def pause_work() -> None:
    """Pause."""
    pull_brake()


@dg.job(executor_def=dg.in_process_executor, description="For operators: what was paused goes on.")
def resume_work() -> None:
    """Resume."""
    release_brake()


OPERATOR_JOBS = (retry_instances, end_stuck_instances, pause_work, resume_work)
