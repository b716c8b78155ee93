"""Launch the provisioning at once after a signup, instead of at the sensor's next tick."""

from datetime import datetime

from polydock_pipelines.actions.hand_over import NEW
from polydock_pipelines.actions.runs import job_of, run_config, run_tags
from polydock_pipelines.db import handovers
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.gates import gate_of_all
from polydock_pipelines.lifecycle.table import Kind
from polydock_pipelines.ports import Launcher, PortError


def launch_provisioning(db: Database, launcher: Launcher, now: datetime) -> str | None:
    """Ask Dagster for a run that takes the new requests; return its id.

    Single-flight: while a run has been asked for and has not begun, new signups are left to it (it
    takes every due row when it begins). When the launch fails, the rows are let go at once and the
    sensor makes good: nothing is lost, and nothing is raised.
    """
    if handovers.unstarted(db, Kind.PROVISION, now) or _is_held_back(db, now):
        return None
    chunks = handovers.hand_over(db, Kind.PROVISION, now, source="intake", statuses=NEW, chunks=1)
    for chunk in chunks:
        try:
            launch = launcher.launch(job_of(chunk.kind), run_config(chunk), run_tags(chunk))
        except PortError:
            handovers.end(db, chunk.handover_id, now)
        else:
            return launch.run_id
    return None


def _is_held_back(db: Database, now: datetime) -> bool:
    """Whether the run could do nothing: a brake is pulled, or Lagoon is away for all we know.

    The intake has no credential of Lagoon, so it looks at those of whoever has.
    """
    with db.read() as session:
        return bool(gate_of_all(session, now).why(Kind.PROVISION))
