"""`python -m polydock_pipelines.cli.leftovers`: end what a killed stack has left in its home.

A process of its own, since importing Dagster takes a second that other commands should not pay.
Called by `polydock up` for the embedded storage only, under the home's lock: so nobody else lives.
Runs that wait in Dagster's queue stay there.
"""

import sys

import dagster as dg

from polydock_pipelines.db.leftovers import release_all
from polydock_pipelines.settings import load_settings
from polydock_pipelines.wiring import open_database

AT_WORK = (
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
WHY = "its worker was gone when `polydock up` started; another run takes up its instances"


def main() -> None:
    """Say in a line what was taken over, if anything was."""
    with dg.DagsterInstance.get() as instance:
        runs = instance.get_runs(dg.RunsFilter(statuses=list(AT_WORK)))
        for run in runs:
            instance.report_run_failed(run, WHY)
    settings = load_settings()
    database = open_database(settings)
    try:
        count = release_all(database, settings.make_clock().now())
    finally:
        database.close()
    if runs or count:
        sys.stdout.write(f"Took over {len(runs)} runs and {count} instances of an earlier stack.\n")


if __name__ == "__main__":
    main()
