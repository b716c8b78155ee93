"""The asset `trial_removals`: trials whose time was up, put on their way out."""

import dagster as dg

from polydock_pipelines.actions.trials import Round, remove_ended_trials
from polydock_pipelines.assets.trial_emails import GROUP, Metadata, ids_of
from polydock_pipelines.lifecycle.table import Kind
from polydock_pipelines.resources.database import DatabaseResource
from polydock_pipelines.settings import settings

KEY = "trial_removals"
MOST_ROWS = 200
COLUMNS = dg.TableSchema([dg.TableColumn(n, "string") for n in ("project", "ended", "instance")])


@dg.asset(
    name=KEY,
    group_name=GROUP,
    kinds={"lagoon"},
    deps=["app_instances"],
    description="Trials that ended, in whatever running state they were. The job remove_instances "
    "takes them on from here, at Lagoon's rate.",
)
def trial_removals(
    context: dg.AssetExecutionContext, database: DatabaseResource
) -> dg.MaterializeResult:
    """End what is due, and ask for the removal of all that ended."""
    now = settings().make_clock().now()
    with database.open() as book:
        done = remove_ended_trials(book, now)
        today, held_back = book.calendar(now), book.gate(now).why(Kind.REMOVE)
    context.log.info("%s trials put on their way out", len(done.fallen))
    metadata: Metadata = {
        "removals begun": len(done.fallen),
        "lateness (s)": round(done.latest_by(today).total_seconds(), 1),
        "table": _table(done),
        **ids_of([one.uuid for one in done.fallen]),
    }
    if held_back:
        context.log.warning("held back: %s", held_back)
        metadata["held back"] = held_back
    return dg.MaterializeResult(metadata=metadata)


def _table(done: Round) -> dg.TableMetadataValue:
    rows = [
        dg.TableRecord(
            {"project": one.name, "ended": f"{one.at:%Y-%m-%d %H:%M:%S}", "instance": one.uuid}
        )
        for one in done.fallen[:MOST_ROWS]
    ]
    return dg.MetadataValue.table(rows, schema=COLUMNS)
