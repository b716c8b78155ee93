"""How a hand-over becomes a run: the job's name, its config, its tags. Ids only, everywhere."""

from polydock_pipelines.db.handovers import Chunk
from polydock_pipelines.lifecycle.table import Kind, legs_of

JOBS = {
    Kind.PROVISION: "provision_instances",
    Kind.ACTIVATE: "activate_instances",
    Kind.UPGRADE: "upgrade_instances",
    Kind.REMOVE: "remove_instances",
    Kind.PURGE: "purge_projects",
}
PRIORITY = {
    Kind.ACTIVATE: "10",
    Kind.PROVISION: "9",
    Kind.UPGRADE: "2",
    Kind.REMOVE: "0",
    Kind.PURGE: "-1",
}
"""People who wait go before anything else in Dagster's queue; who waits longest, first."""
MAX_RUNTIME_S = 300
HANDOVER_TAG = "polydock/handover"
KIND_TAG = "polydock/kind"


def job_of(kind: Kind) -> str:
    """Return the name of the job that works *kind*."""
    return JOBS[kind]


def run_config(chunk: Chunk) -> dict[str, object]:
    """Return the run config: the id of the hand-over, for the job's first leg."""
    return {"ops": {legs_of(chunk.kind)[0]: {"config": {"handover_id": chunk.handover_id}}}}


def run_tags(chunk: Chunk) -> dict[str, str]:
    """Return the run's tags."""
    tags = {
        KIND_TAG: chunk.kind.value,
        "polydock/instances": str(chunk.size),
        "polydock/source": chunk.source,
        HANDOVER_TAG: chunk.handover_id,
        "dagster/priority": PRIORITY[chunk.kind],
    }
    return tags | ({"polydock/instance": chunk.instance_uuid} if chunk.instance_uuid else {})
