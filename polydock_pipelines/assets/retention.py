"""The asset `retention`: how much history was taken away, and how much is kept. One check."""

import time
from collections.abc import Generator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field

from polydock_pipelines.actions.prune import Keep, Pile, Pruned, look, own_piles, plan, prune
from polydock_pipelines.assets.dagster_history import dagster_piles, lost
from polydock_pipelines.db.leases import Book
from polydock_pipelines.db.pruning import believed_shown, show_again
from polydock_pipelines.resources.database import DatabaseResource
from polydock_pipelines.settings import Settings, settings

KEY = "retention"
NOTHING_TOO_OLD = "nothing_too_old"
AT_REST_FOR = timedelta(hours=1)
"""A run that still works would show its instances itself."""
MOST_SHOWN_AGAIN = 1000
COLUMNS = dg.TableSchema(
    [
        dg.TableColumn("kind", "string"),
        dg.TableColumn("deleted", "int"),
        dg.TableColumn("left", "int"),
        dg.TableColumn("oldest", "string"),
    ]
)


class PruneConfig(dg.Config):
    """How much may go. By hand it only counts; the schedule says that it means it."""

    dry_run: bool = Field(
        default=True, description="Count what is too old, and delete nothing; switch off to delete"
    )
    most_runs: int = Field(default=2000, ge=1, description="Finished Dagster runs that go at most")
    most_rows: int = Field(default=10_000, ge=1, description="Rows of each table that go at most")
    stop_after_s: int = Field(default=120, ge=1, le=240, description="Seconds after which it stops")


def keep_of(chosen: Settings) -> Keep:
    """Return for how long the settings want history kept."""
    runs, logs = chosen.run_retention_days, chosen.log_retention_days
    return Keep(runs=timedelta(days=runs), logs=timedelta(days=logs))


def piles_of(
    instance: dg.DagsterInstance, book: Book, keep: Keep, now: datetime, bounds: PruneConfig
) -> list[Pile]:
    """Return everything that is too old, ours and Dagster's; *now* is our own clock."""
    ours = own_piles(book.db, keep, now, bounds.most_rows)
    before = datetime.now(UTC) - keep.runs
    most_runs, most_rows = bounds.most_runs, bounds.most_rows
    return [*ours, *dagster_piles(instance, before, most_runs=most_runs, most_rows=most_rows)]


def prune_all(
    instance: dg.DagsterInstance, book: Book, keep: Keep, now: datetime, bounds: PruneConfig
) -> list[Pruned]:
    """Take away what is too old within *bounds*, or only count it on a dry run.

    An instance whose last event goes with its run is shown again by the sensor's catch-up.
    """
    piles = piles_of(instance, book, keep, now, bounds)
    if bounds.dry_run:
        return look(piles)
    stop_at = time.monotonic() + bounds.stop_after_s
    pruned = prune(piles, lambda: time.monotonic() > stop_at)
    believed = believed_shown(book.db, now - AT_REST_FOR)
    show_again(book.db, lost(instance, believed, MOST_SHOWN_AGAIN))
    return pruned


@dg.asset(
    name=KEY,
    group_name="operations",
    kinds={"report"},
    description="What was taken away of the history, and what is kept: finished Dagster runs and "
    "hand-overs (POLYDOCK_RUN_RETENTION_DAYS), the stories of removed instances "
    "(POLYDOCK_LOG_RETENTION_DAYS). Materialized by hand, it only counts.",
    check_specs=[
        dg.AssetCheckSpec(NOTHING_TOO_OLD, asset=KEY, description="No more is kept than was asked")
    ],
)
def retention(
    context: dg.AssetExecutionContext, config: PruneConfig, database: DatabaseResource
) -> Generator[dg.MaterializeResult | dg.AssetCheckResult, None, None]:
    """Say what is too old, take it away, and say what is left."""
    now, keep = settings().make_clock().now(), keep_of(settings())
    with database.open() as book:
        found = plan(piles_of(context.instance, book, keep, now, config))
        context.log.info("too old: %s%s", told(found), ", dry run" if config.dry_run else "")
        pruned = prune_all(context.instance, book, keep, now, config)
    yield dg.MaterializeResult(metadata=_metadata(pruned))
    yield _check({one.name: one.left for one in pruned if one.left})


def told(found: Mapping[str, int]) -> str:
    """Say how many of what."""
    return ", ".join(f"{count} {name}" for name, count in found.items()) or "nothing"


def _metadata(pruned: Sequence[Pruned]) -> dict[str, int | dg.TableMetadataValue]:
    rows = [
        dg.TableRecord(
            {
                "kind": one.name,
                "deleted": one.deleted,
                "left": one.left,
                "oldest": f"{one.oldest:%Y-%m-%d %H:%M}" if one.oldest else "",
            }
        )
        for one in pruned
    ]
    return {
        "deleted": sum(one.deleted for one in pruned),
        "left": sum(one.left for one in pruned),
        "table": dg.MetadataValue.table(rows, schema=COLUMNS),
    }


def _check(left: Mapping[str, int]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not left,
        asset_key=KEY,
        check_name=NOTHING_TOO_OLD,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"left for the next run: {told(left)}" if left else "all is well",
        metadata={"count": sum(left.values())},
    )
