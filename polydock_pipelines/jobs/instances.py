"""The jobs that move instances: a short graph of legs, then the summary."""

import dagster as dg

from polydock_pipelines.actions.runs import JOBS, MAX_RUNTIME_S
from polydock_pipelines.jobs.legs import leg_op, summarize
from polydock_pipelines.lifecycle.table import Kind, legs_of

ABOUT = {
    Kind.PROVISION: "New requests become Lagoon projects, and their builds are started.",
    Kind.ACTIVATE: "Finished builds are configured and claimed: the person gets a login URL.",
    Kind.UPGRADE: "Running instances are built again, with the app's upgrade scripts.",
    Kind.REMOVE: "Builds are stopped, environments deleted, and the removal is recorded.",
    Kind.PURGE: "Lagoon projects of removed instances are deleted, once nothing stands in them.",
}


def _job(kind: Kind) -> dg.JobDefinition:
    legs = [leg_op(kind, name) for name in legs_of(kind)]

    @dg.job(
        name=JOBS[kind],
        description=ABOUT[kind],
        executor_def=dg.in_process_executor,
        tags={"polydock/kind": kind.value, "dagster/max_runtime": str(MAX_RUNTIME_S)},
    )
    def instances() -> None:
        arrived = None
        reports = []
        for leg in legs:
            arrived, report = leg() if arrived is None else leg(arrived)
            reports.append(report)
        summarize(reports)

    return instances


provision_instances = _job(Kind.PROVISION)
activate_instances = _job(Kind.ACTIVATE)
upgrade_instances = _job(Kind.UPGRADE)
remove_instances = _job(Kind.REMOVE)
purge_projects = _job(Kind.PURGE)

INSTANCE_JOBS = (
    provision_instances,
    activate_instances,
    upgrade_instances,
    remove_instances,
    purge_projects,
)
