"""The job that takes old history away."""

import dagster as dg

from polydock_pipelines.assets.retention import KEY

prune_history = dg.define_asset_job(
    "prune_history",
    selection=[KEY],
    executor_def=dg.in_process_executor,
    description="Old runs, hand-overs and stories go. From the Launchpad it only counts, unless "
    "dry_run is switched off.",
    tags={"dagster/priority": "-1", "dagster/max_runtime": "600"},
)
