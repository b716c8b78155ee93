"""The asset `project_purges`: Lagoon projects that go because their grace is over. One check."""

from collections.abc import Generator, Sequence

import dagster as dg

from polydock_pipelines.actions.purge import Overdue, begin_due_purges, overdue_purges
from polydock_pipelines.assets.app_instances import drop_partitions
from polydock_pipelines.assets.trial_emails import Metadata, ids_of
from polydock_pipelines.lifecycle.table import Kind
from polydock_pipelines.resources.database import DatabaseResource
from polydock_pipelines.settings import settings

KEY = "project_purges"
NOT_OVERDUE = "no_overdue_purges"
MOST_SENTENCES = 20
COLUMNS = dg.TableSchema(
    [dg.TableColumn(n, "string") for n in ("project", "status", "due", "why", "instance")]
)


@dg.asset(
    name=KEY,
    group_name="operations",
    kinds={"lagoon"},
    deps=["trial_removals"],
    description="Removed instances whose grace is over: the job purge_projects deletes their "
    "Lagoon projects, and their secrets and partitions go with them.",
    check_specs=[
        dg.AssetCheckSpec(
            NOT_OVERDUE, asset=KEY, description="No project stands a day after it was to go"
        )
    ],
)
def project_purges(
    context: dg.AssetExecutionContext, database: DatabaseResource
) -> Generator[dg.MaterializeResult | dg.AssetCheckResult, None, None]:
    """Begin what is due, and show what should be gone and is not."""
    now = settings().make_clock().now()
    with database.open() as book:
        begun = begin_due_purges(book, now)
        dropped = drop_partitions(context.instance, book.db)
        late, today = overdue_purges(book, now), book.calendar(now)
        held_back = book.gate(now).why(Kind.PURGE)
    context.log.info("%s purges begun, %s overdue", len(begun.fallen), len(late))
    metadata: Metadata = {
        "purges begun": len(begun.fallen),
        "lateness (s)": round(begun.latest_by(today).total_seconds(), 1),
        "partitions taken away": dropped,
        "overdue": len(late),
        "table": _table(late),
        **ids_of([one.uuid for one in begun.fallen]),
    }
    if held_back:
        context.log.warning("held back: %s", held_back)
        metadata["held back"] = held_back
    yield dg.MaterializeResult(metadata=metadata)
    sentences = [f"{one.name} ({one.status}): {one.message}" for one in late[:MOST_SENTENCES]]
    yield dg.AssetCheckResult(
        passed=not late,
        asset_key=KEY,
        check_name=NOT_OVERDUE,
        description="\n".join(sentences) or "nothing is overdue",
        metadata={"count": len(late)},
    )


def _table(late: Sequence[Overdue]) -> dg.TableMetadataValue:
    rows = [
        dg.TableRecord(
            {
                "project": one.name,
                "status": one.status,
                "due": f"{one.since:%Y-%m-%d %H:%M:%S}",
                "why": one.message,
                "instance": one.uuid,
            }
        )
        for one in late
    ]
    return dg.MetadataValue.table(rows, schema=COLUMNS)
