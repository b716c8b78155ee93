"""Ops made from the lifecycle's table: a leg takes a chunk of instances through its stages.

Each op opens its resources, calls one action and adds metadata. Legs never fail for one instance;
`summarize` does at the end of the run, and only when an instance failed for good.
"""

import time
from collections.abc import Generator
from dataclasses import asdict

import dagster as dg
from pydantic import Field

from polydock_pipelines.actions.advance import Visit
from polydock_pipelines.actions.operate import UnknownInstanceError
from polydock_pipelines.actions.work import (
    Leg,
    LegReport,
    ask_for,
    begin_run,
    end_run,
    work_leg,
)
from polydock_pipelines.assets import app_instances
from polydock_pipelines.db.leases import Book
from polydock_pipelines.lifecycle.table import FAILED, STAGES, Kind, legs_of
from polydock_pipelines.lifecycle.transitions import NotAllowedError
from polydock_pipelines.ports import Ports
from polydock_pipelines.resources.amazee_ai import AmazeeAiResource
from polydock_pipelines.resources.database import DatabaseResource
from polydock_pipelines.resources.lagoon import LagoonResource, ShellResource
from polydock_pipelines.resources.ports import open_ports
from polydock_pipelines.settings import settings

Report = dict[str, list]
"""Visits as plain dictionaries, and bugs as sentences, as they travel between ops."""

OUTS = {
    "arrived": dg.Out(str, is_required=False, description="The hand-over, when some go on"),
    "report": dg.Out(dict, description="What happened to each instance"),
}


class ChunkConfig(dg.Config):
    """Which instances the run works."""

    handover_id: str = Field(
        "",
        description="The hand-over that a sensor or the intake made. Leave it empty in the "
        "Launchpad: the run then takes every instance that is due.",
    )
    instances: list[str] = Field(
        [],
        description="Uuids or project names: the run works these and no others. An upgrade is "
        "asked for them first; any other work they must be due for.",
    )
    requested_by: str = Field(
        "", description="Who wants it; needed with `instances`. No address: runs are kept."
    )
    reason: str = Field("", description="Why, in a sentence; needed with `instances`.")


def leg_op(kind: Kind, name: str) -> dg.OpDefinition:
    """Return the op of one leg; the first of a job takes up the hand-over."""
    stages = [s.label for s in STAGES.values() if name in (s.leg, s.polled_by and s.polled_by[1])]
    about = "; ".join(stages)
    if legs_of(kind)[0] == name:
        return _first(kind, name, about)
    return _later(kind, name, about)


def _first(kind: Kind, name: str, about: str) -> dg.OpDefinition:
    @dg.op(name=name, out=OUTS, description=about)
    def leg(  # noqa: PLR0917 - each resource is a parameter of its name
        context: dg.OpExecutionContext,
        config: ChunkConfig,
        database: DatabaseResource,
        lagoon: LagoonResource,
        shell: ShellResource,
        amazee_ai: AmazeeAiResource,
    ) -> Generator[dg.Output[object], None, None]:
        handover_id = config.handover_id or context.run_id
        this = Leg(kind, name, handover_id, context.run_id)
        with database.open() as book, open_ports(lagoon, shell, amazee_ai) as ports:
            count = begin_run(book, ports, this, _ask(config, this, book, ports))
            limit = settings().instance_partitions
            app_instances.add_partitions(context.instance, book.db, handover_id, limit)
            context.log.info("took up %s instances", count)
            report = work_leg(book, ports, this, running_s=_running_s(context))
            app_instances.materialize(context, book.db, report.last_visits())
        yield from _outputs(context, this, report)

    return leg


def _ask(config: ChunkConfig, leg: Leg, book: Book, ports: Ports) -> list[str]:
    """Return the instances that an operator named, after asking for what the job does to them."""
    if config.instances and not (config.requested_by.strip() and config.reason.strip()):
        raise dg.Failure("say who asks (requested_by) and why (reason)", allow_retries=False)
    try:
        ask_for(book, ports, leg, config.instances, by=config.requested_by, reason=config.reason)
    except (UnknownInstanceError, NotAllowedError) as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    return config.instances


def _later(kind: Kind, name: str, about: str) -> dg.OpDefinition:
    @dg.op(name=name, out=OUTS, description=about)
    def leg(  # noqa: PLR0917 - each resource is a parameter of its name
        context: dg.OpExecutionContext,
        arrived: str,
        database: DatabaseResource,
        lagoon: LagoonResource,
        shell: ShellResource,
        amazee_ai: AmazeeAiResource,
    ) -> Generator[dg.Output[object], None, None]:
        this = Leg(kind, name, arrived, context.run_id)
        with database.open() as book, open_ports(lagoon, shell, amazee_ai) as ports:
            report = work_leg(book, ports, this, running_s=_running_s(context))
            app_instances.materialize(context, book.db, report.last_visits())
        yield from _outputs(context, this, report)

    return leg


def _running_s(context: dg.OpExecutionContext) -> float:
    record = context.instance.get_run_record_by_id(context.run_id)
    return time.time() - record.start_time if record and record.start_time else 0.0


def _outputs(
    context: dg.OpExecutionContext, leg: Leg, report: LegReport
) -> Generator[dg.Output[object], None, None]:
    context.log.info("%s: %s", leg.name, _counts(report.visits))
    if report.going_on:
        yield dg.Output(leg.handover_id, "arrived")
    for sentence in report.held_back:
        context.log.warning("held back: %s", sentence)
    told: Report = {
        "visits": [asdict(visit) for visit in report.visits],
        "bugs": report.bugs,
        "held_back": report.held_back,
    }
    metadata = {"visits": len(report.visits), "given_back": report.given_back}
    yield dg.Output(told, "report", metadata=metadata)


def _counts(visits: list[Visit]) -> str:
    words = [visit.outcome for visit in visits]
    counted = {word: words.count(word) for word in sorted(set(words))}
    return ", ".join(f"{count} {word}" for word, count in counted.items()) or "nothing to do"


@dg.op(description="Write the run's table; red only when an instance failed for good or met a bug")
def summarize(  # noqa: PLR0917 - each resource is a parameter of its name
    context: dg.OpExecutionContext,
    reports: list[dict],
    database: DatabaseResource,
    lagoon: LagoonResource,
    shell: ShellResource,
    amazee_ai: AmazeeAiResource,
) -> None:
    """Show what the run did, let go of its rows, and fail for those that failed for good."""
    visits = [Visit(**visit) for report in reports for visit in report["visits"]]
    bugs = [bug for report in reports for bug in report["bugs"]]
    held_back = dict.fromkeys(line for report in reports for line in report["held_back"])
    with database.open() as book, open_ports(lagoon, shell, amazee_ai) as ports:
        end_run(book, ports, context.run_id)
    failed = [visit for visit in visits if visit.status in FAILED]
    metadata = {
        "instances": len({visit.instance_id for visit in visits}),
        "failed for good": len(failed),
        "table": app_instances.table(visits),
    }
    if held_back:
        metadata["held back"] = "\n".join(held_back)
    reasons = [f"{v.name} at {v.stage}: {v.message}" for v in failed[:3]]
    reasons += [f"a bug: {bug}; its place is in the run's stderr" for bug in bugs[:3]]
    if reasons:
        raise dg.Failure(
            f"{len(failed)} instances failed for good, {len(bugs)} met a bug. "
            + "; ".join(reasons),
            metadata=metadata,
            allow_retries=False,
        )
    context.add_output_metadata(metadata)
