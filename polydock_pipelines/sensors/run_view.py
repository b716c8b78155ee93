"""Dagster's runs as `actions.tend_runs` wants to see them, and the end of those that are silent."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from polydock_pipelines.actions.runs import HANDOVER_TAG, KIND_TAG
from polydock_pipelines.actions.tend_runs import RunSeen, RunState
from polydock_pipelines.db.handovers import OpenHandover

UNFINISHED = {
    dg.DagsterRunStatus.NOT_STARTED: RunState.QUEUED,
    dg.DagsterRunStatus.QUEUED: RunState.QUEUED,
    dg.DagsterRunStatus.STARTING: RunState.STARTING,
    dg.DagsterRunStatus.STARTED: RunState.STARTED,
    dg.DagsterRunStatus.CANCELING: RunState.STARTED,
}
MOST = 200
"""Runs looked at in one tick; at most four are at work, the rest wait."""


def runs_seen(
    instance: dg.DagsterInstance, open_handovers: Sequence[OpenHandover], now: datetime
) -> list[RunSeen]:
    """Return Dagster's unfinished runs of ours, and those of open hand-overs that it has ended.

    *now* is our clock, which a laptop may have shifted; Dagster's times are turned into it.
    """
    shift = now - datetime.now(UTC)
    records = instance.get_run_records(
        dg.RunsFilter(statuses=list(UNFINISHED)), limit=MOST, ascending=True
    )
    ours = [record for record in records if KIND_TAG in record.dagster_run.tags]
    seen = {record.dagster_run.run_id: _seen(record, shift) for record in ours}
    covered = {run.handover_id for run in seen.values()} | set(seen)
    missing = [one for one in open_handovers if not {one.id, one.run_id} & covered][:MOST]
    for record in _records_of(instance, missing):
        seen.setdefault(record.dagster_run.run_id, _seen(record, shift))
    return list(seen.values())


def _records_of(
    instance: dg.DagsterInstance, missing: Sequence[OpenHandover]
) -> Iterable[dg.RunRecord]:
    known = [one.run_id for one in missing if one.run_id]
    if known:
        yield from instance.get_run_records(dg.RunsFilter(run_ids=known))
    asked = [one.id for one in missing if not one.run_id]
    if asked:
        yield from instance.get_run_records(dg.RunsFilter(tags={HANDOVER_TAG: asked}))


def _seen(record: dg.RunRecord, shift: timedelta) -> RunSeen:
    run = record.dagster_run
    made = record.create_timestamp.replace(tzinfo=UTC)
    started = datetime.fromtimestamp(record.start_time, UTC) if record.start_time else made
    state = UNFINISHED.get(run.status, RunState.ENDED)
    return RunSeen(run.run_id, run.tags.get(HANDOVER_TAG), state, started + shift)


def end_run(instance: dg.DagsterInstance, run_id: str, why: str) -> None:
    """Stop what may be left of a run, and mark it failed; one that has ended meanwhile stays."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return
    try:
        instance.run_launcher.terminate(run_id)
    except Exception as error:  # noqa: BLE001 - a launcher's own errors; the run is ended anyway
        instance.report_engine_event(
            f"the worker could not be reached: {type(error).__name__}", run
        )
    instance.report_run_failed(run, why)
