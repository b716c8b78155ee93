"""The asset `lagoon_drift`: what stands outside and should not. One check.

Each materialization first tries to give back what removed instances owe.
"""

from collections.abc import Generator, Sequence

import dagster as dg

from polydock_pipelines.actions.debts import settle_debts
from polydock_pipelines.db.debts import Debt
from polydock_pipelines.resources.amazee_ai import AmazeeAiResource
from polydock_pipelines.resources.database import DatabaseResource
from polydock_pipelines.resources.lagoon import LagoonResource
from polydock_pipelines.settings import settings

KEY = "lagoon_drift"
RETURNED = "ai_credentials_returned"
MOST_SENTENCES = 20
MOST_NAMES = 5
COLUMNS = dg.TableSchema(
    [dg.TableColumn(name, "string") for name in ("project", "kind", "name", "since", "why")]
)


@dg.asset(
    name=KEY,
    group_name="operations",
    kinds={"report"},
    description="What removed instances left outside: AI keys, users and teams at amazee.ai, and "
    "variables of organizations. Each run tries again to give it back.",
    check_specs=[
        dg.AssetCheckSpec(
            RETURNED, asset=KEY, description="No removed instance holds anything outside"
        )
    ],
)
def lagoon_drift(
    context: dg.AssetExecutionContext,
    database: DatabaseResource,
    lagoon: LagoonResource,
    amazee_ai: AmazeeAiResource,
) -> Generator[dg.MaterializeResult | dg.AssetCheckResult, None, None]:
    """Settle what can be settled, and show the rest."""
    now = settings().make_clock().now()
    with database.open() as book, lagoon.open() as client, amazee_ai.open() as ai:
        settled = settle_debts(book, client, ai, now)
    context.log.info("%s given back, %s still owed", settled.paid, settled.owed)
    if settled.held_back:
        context.log.warning("held back: %s", settled.held_back)
    metadata: dict[str, int | str | dg.TableMetadataValue] = {
        "given back": settled.paid,
        "still owed": settled.owed,
        "table": _table(settled.left),
    }
    if settled.held_back:
        metadata["held back"] = settled.held_back
    yield dg.MaterializeResult(metadata=metadata)
    sentences = _sentences(settled.left)
    yield dg.AssetCheckResult(
        passed=not settled.owed,
        asset_key=KEY,
        check_name=RETURNED,
        description="\n".join(sentences[:MOST_SENTENCES]) or "all is given back",
        metadata={"count": settled.owed},
    )


def _sentences(owed: Sequence[Debt]) -> list[str]:
    """Return a sentence for each instance and reason: what it holds is mostly held back by one."""
    held: dict[tuple[str, str], list[str]] = {}
    for one in owed:
        held.setdefault((one.instance, one.problem), []).append(f"{one.kind} {one.name}")
    return [f"{who} holds {_listed(what)}: {why}" for (who, why), what in held.items()]


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _table(owed: Sequence[Debt]) -> dg.TableMetadataValue:
    rows = [
        dg.TableRecord(
            {
                "project": one.instance,
                "kind": one.kind,
                "name": one.name,
                "since": f"{one.since:%Y-%m-%d %H:%M:%S}",
                "why": one.problem,
            }
        )
        for one in owed
    ]
    return dg.MetadataValue.table(rows, schema=COLUMNS)
