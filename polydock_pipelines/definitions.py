"""All that Dagster knows of us. Importing it opens no connection and needs no variable."""

from collections.abc import Mapping

import dagster as dg

from polydock_pipelines.assets.app_instances import app_instances
from polydock_pipelines.assets.lagoon_drift import lagoon_drift
from polydock_pipelines.assets.project_purges import project_purges
from polydock_pipelines.assets.retention import retention
from polydock_pipelines.assets.stuck_instances import stuck_instances
from polydock_pipelines.assets.trial_emails import TRIAL_EMAILS
from polydock_pipelines.assets.trial_removals import trial_removals
from polydock_pipelines.jobs.extend_trials import extend_trials
from polydock_pipelines.jobs.instances import INSTANCE_JOBS
from polydock_pipelines.jobs.operators import OPERATOR_JOBS
from polydock_pipelines.jobs.retention import prune_history
from polydock_pipelines.jobs.trials import TRIAL_JOBS
from polydock_pipelines.jobs.watching import (
    begin_project_purges,
    find_lagoon_drift,
    find_stuck_instances,
)
from polydock_pipelines.resources.all import default_resources
from polydock_pipelines.schedules.retention import retention as retention_schedule
from polydock_pipelines.schedules.trials import TRIAL_SCHEDULES
from polydock_pipelines.schedules.watching import SCHEDULES
from polydock_pipelines.sensors.emails import emails
from polydock_pipelines.sensors.instances import SENSORS


def build_defs(resources: Mapping[str, object] | None = None) -> dg.Definitions:
    """Return the definitions, with *resources* in place of the real ones of the same names."""
    return dg.Definitions(
        assets=[
            app_instances,
            *TRIAL_EMAILS,
            trial_removals,
            project_purges,
            stuck_instances,
            lagoon_drift,
            retention,
        ],
        jobs=[
            *INSTANCE_JOBS,
            *TRIAL_JOBS,
            begin_project_purges,
            find_stuck_instances,
            find_lagoon_drift,
            prune_history,
            *OPERATOR_JOBS,
            extend_trials,
        ],
        sensors=[*SENSORS, emails],
        schedules=[*TRIAL_SCHEDULES, *SCHEDULES, retention_schedule],
        resources={**default_resources(), **(resources or {})},
    )


defs = build_defs()
