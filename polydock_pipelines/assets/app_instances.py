"""The asset `app_instances`: a partition an instance, a materialization for each leg it passed.

Events are dear in Dagster, so a large chunk gets one materialization with a table; those that were
claimed, failed or were removed get theirs later, a few a tick (`catch_up`).
"""

from collections.abc import Sequence

import dagster as dg

from polydock_pipelines.actions.advance import Visit
from polydock_pipelines.db import showing
from polydock_pipelines.db.database import Database

KEY = "app_instances"
SMALL = 20
"""Up to so many instances, each gets a materialization of its own at once."""
MOST_AT_A_TICK = 50
MOST_ROWS = 200
COLUMNS = dg.TableSchema(
    [
        dg.TableColumn("project", "string"),
        dg.TableColumn("stage", "string"),
        dg.TableColumn("outcome", "string"),
        dg.TableColumn("status", "string"),
        dg.TableColumn("seconds", "float"),
        dg.TableColumn("message", "string"),
        dg.TableColumn("instance", "string"),
    ]
)
"""Said outright, because Dagster cannot tell them from a table without a row."""

PARTITIONS = dg.DynamicPartitionsDefinition(name="app_instance")
"""Keys are the instances' uuids."""

app_instances = dg.AssetSpec(
    KEY,
    partitions_def=PARTITIONS,
    group_name="trials",
    kinds={"lagoon"},
    description="Instances of store apps. Each partition is one instance; its materializations "
    "are the legs of its way: created, built, claimed, removed. The whole story of one: "
    "`polydock instances show UUID`.",
)


def add_partitions(instance: dg.DagsterInstance, db: Database, handover_id: str, limit: int) -> int:
    """Let Dagster know the instances of a hand-over that it does not know yet."""
    keys = showing.take_partitions(db, handover_id, limit)
    if keys:
        instance.add_dynamic_partitions("app_instance", keys)
    return len(keys)


def drop_partitions(instance: dg.DagsterInstance, db: Database, limit: int = 500) -> int:
    """Let Dagster forget purged instances; whoever dies half-way leaves the rest to the next."""
    keys = showing.purged_with_partition(db, limit)
    for key in keys:
        instance.delete_dynamic_partition("app_instance", key)
    if keys:
        showing.forget_partitions(db, keys)
    return len(keys)


def materialize(context: dg.OpExecutionContext, db: Database, visits: Sequence[Visit]) -> None:
    """Show where the instances of a leg have come to."""
    if not visits:
        return
    if len(visits) > SMALL:
        context.log_event(
            dg.AssetMaterialization(
                KEY,
                description=f"{len(visits)} instances in one chunk",
                metadata={"instances": len(visits), "visits": table(visits)},
            )
        )
        return
    known = showing.with_partition(db, [v.instance_uuid for v in visits])
    for visit in visits:
        if visit.instance_uuid in known:
            context.log_event(_of_visit(visit))
    showing.mark_shown(db, {v.instance_uuid: v.status for v in visits if v.status})


def _of_visit(visit: Visit) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(
        KEY,
        partition=visit.instance_uuid,
        description=f"{visit.name}: {visit.status}",
        metadata={
            "project": visit.name,
            "status": visit.status or "",
            "stage": visit.stage,
            "outcome": visit.outcome,
            "seconds": round(visit.seconds, 3),
            "message": visit.message,
        },
    )


def table(visits: Sequence[Visit]) -> dg.TableMetadataValue:
    """Return what happened as a table, the failed first."""
    ordered = sorted(visits, key=lambda v: v.outcome != "failed")[:MOST_ROWS]
    rows = [
        dg.TableRecord(
            {
                "project": v.name,
                "stage": v.stage,
                "outcome": v.outcome,
                "status": v.status or "",
                "seconds": round(v.seconds, 2),
                "message": v.message,
                "instance": v.instance_uuid,
            }
        )
        for v in ordered
    ]
    return dg.MetadataValue.table(rows, schema=COLUMNS)


def catch_up(db: Database) -> list[dg.AssetMaterialization]:
    """Return materializations for arrivals that no run has shown, and note them as shown."""
    missing = showing.unshown(db, MOST_AT_A_TICK)
    showing.mark_shown(db, {row.uuid: row.status for row in missing})
    return [
        dg.AssetMaterialization(
            KEY,
            partition=row.uuid,
            description=f"{row.name}: {row.status}",
            metadata={"project": row.name, "status": row.status, "message": row.message},
        )
        for row in missing
    ]
