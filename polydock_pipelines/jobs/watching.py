"""Jobs that look after the house, each materializing its asset."""

import dagster as dg

from polydock_pipelines.assets.lagoon_drift import KEY as DRIFT
from polydock_pipelines.assets.project_purges import KEY as PURGES
from polydock_pipelines.assets.stuck_instances import KEY as STUCK

find_stuck_instances = dg.define_asset_job(
    "find_stuck_instances",
    selection=[STUCK],
    executor_def=dg.in_process_executor,
    description="What stands still is sent on, or failed with a reason; circuits and brakes shown.",
    tags={"dagster/priority": "1", "dagster/max_runtime": "300"},
)

begin_project_purges = dg.define_asset_job(
    "begin_project_purges",
    selection=[PURGES],
    executor_def=dg.in_process_executor,
    description="Removed instances whose grace is over are handed to the job purge_projects.",
    tags={"dagster/priority": "1", "dagster/max_runtime": "300"},
)

find_lagoon_drift = dg.define_asset_job(
    "find_lagoon_drift",
    selection=[DRIFT],
    executor_def=dg.in_process_executor,
    description="What removed instances left outside is given back, and what cannot be is shown.",
    tags={"dagster/priority": "1", "dagster/max_runtime": "300"},
)
