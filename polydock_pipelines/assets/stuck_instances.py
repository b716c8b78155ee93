"""The asset `stuck_instances`: what stands still, what is away, what is paused. Three checks."""

from collections.abc import Generator, Sequence
from datetime import datetime

import dagster as dg

from polydock_pipelines.actions.endpoints import lagoon_away, note
from polydock_pipelines.actions.purge import sweep_failures
from polydock_pipelines.actions.stuck import Mended, Stuck, mend_stuck
from polydock_pipelines.db.leases import Book
from polydock_pipelines.ports import EndpointError, Lagoon
from polydock_pipelines.resources.database import DatabaseResource
from polydock_pipelines.resources.lagoon import LagoonResource
from polydock_pipelines.settings import settings

KEY = "stuck_instances"
NOT_STUCK, REACHABLE, NOT_PAUSED = "no_stuck_instances", "lagoon_reachable", "nothing_paused"
MOST_ROWS = 200
COLUMNS = dg.TableSchema(
    [dg.TableColumn(name, "string") for name in ("project", "status", "since", "why", "instance")]
)


@dg.asset(
    name=KEY,
    group_name="operations",
    kinds={"report"},
    description="Instances that stand still although nothing holds them back. They are sent on "
    "once, and failed with a reason if that did not help. What failed long ago and nobody retried "
    "is removed. Its checks tell, too, whether Lagoon is "
    "away and whether somebody has paused work.",
    check_specs=[
        dg.AssetCheckSpec(NOT_STUCK, asset=KEY, description="Nothing stands past its deadline"),
        dg.AssetCheckSpec(REACHABLE, asset=KEY, description="Lagoon answers our credential"),
        dg.AssetCheckSpec(NOT_PAUSED, asset=KEY, description="No brake is pulled"),
    ],
)
def stuck_instances(
    context: dg.AssetExecutionContext, database: DatabaseResource, lagoon: LagoonResource
) -> Generator[dg.MaterializeResult | dg.AssetCheckResult, None, None]:
    """Find and mend what stands still, and look at circuits and brakes."""
    now = settings().make_clock().now()
    with database.open() as book, lagoon.open() as client:
        away = _away(book, client, now)
        mended = mend_stuck(book, now)
        swept = sweep_failures(book, settings().failed_retention, now)
        gate = book.gate(now)
    context.log.info(
        "%s stand still, %s sent on, %s failed",
        len(mended.found), len(mended.nudged), len(mended.failed),
    )  # fmt: skip
    if swept:
        context.log.info("swept: %s", ", ".join(one.name for one in swept[:MOST_ROWS]))
    yield dg.MaterializeResult(metadata=_metadata(mended) | {"old failures removed": len(swept)})
    yield _check(NOT_STUCK, [f"{one.name} ({one.status}): {one.why}" for one in mended.left])
    elsewhere = [one.sentence() for one in gate.away if one.endpoint != "lagoon"]
    yield _check(REACHABLE, [sentence for sentence in (away, *elsewhere) if sentence])
    brakes = [brake.sentence() for brake in gate.paused]
    yield _check(NOT_PAUSED, brakes, dg.AssetCheckSeverity.WARN)


def _away(book: Book, lagoon: Lagoon, now: datetime) -> str:
    """Return why Lagoon is away; ask it, also when nobody else does."""
    gone = lagoon_away(book, lagoon, now)
    if gone:
        return gone
    try:
        lagoon.ping()
    except EndpointError as error:
        note(book, error, now, ping=lagoon.ping)
        return str(error)
    return ""


def _metadata(mended: Mended) -> dict[str, int | dg.TableMetadataValue]:
    return {
        "standing still": len(mended.left),
        "sent on": len(mended.nudged),
        "failed": len(mended.failed),
        "table": _table(mended.found),
    }


def _table(stuck: Sequence[Stuck]) -> dg.TableMetadataValue:
    rows = [
        dg.TableRecord(
            {
                "project": one.name,
                "status": one.status,
                "since": f"{one.since:%Y-%m-%d %H:%M:%S}",
                "why": one.why,
                "instance": one.uuid,
            }
        )
        for one in stuck[:MOST_ROWS]
    ]
    return dg.MetadataValue.table(rows, schema=COLUMNS)


def _check(
    name: str,
    sentences: Sequence[str],
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
) -> dg.AssetCheckResult:
    shown = "\n".join(sentences[:20])
    return dg.AssetCheckResult(
        passed=not sentences,
        asset_key=KEY,
        check_name=name,
        severity=severity,
        description=shown or "all is well",
        metadata={"count": len(sentences)},
    )
