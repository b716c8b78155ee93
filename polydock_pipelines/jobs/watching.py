"""Jobs that look after the house, each materializing its asset."""

import dagster as dg

from polydock_pipelines.assets.stuck_instances import KEY

find_stuck_instances = dg.define_asset_job(
    "find_stuck_instances",
    selection=[KEY],
    executor_def=dg.in_process_executor,
    description="What stands still is sent on, or failed with a reason; circuits and brakes shown.",
    tags={"dagster/priority": "1", "dagster/max_runtime": "300"},
)
