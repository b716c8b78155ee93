"""The Celery app that a worker runs: broker, results and queue as Dagster's instance file has them.

`celery --app polydock_pipelines.cli.worker_app` imports it, in a process of its own. Launcher and
worker read one file, so they cannot disagree; dagster-celery's own worker command wants a second,
and leaves the broker's password in a file each time it starts.
"""

import logging
import os
import sys

import dagster as dg
from celery import Celery
from dagster._core.instance.ref import InstanceRef
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tasks import create_execute_job_task, create_resume_job_task

from polydock_pipelines.settings import SettingsError

QUIET = ("httpx", "alembic")
"""They tell of every request and every import at INFO, the level of Celery's own lines."""


def make_app(dagster_home: str) -> Celery:
    """Return the launcher's app with the tasks that it sends. No storage is opened.

    SettingsError when the instance starts its runs in another way.
    """
    launcher = InstanceRef.from_dir(dagster_home).run_launcher
    if not isinstance(launcher, CeleryRunLauncher):
        raise SettingsError(
            "POLYDOCK_DAGSTER_YAML: a worker needs an instance file with the CeleryRunLauncher, "
            "as deploy/celery/dagster.yaml has it"
        )
    if not launcher.broker:
        raise SettingsError("DAGSTER_REDIS_URL: expected redis://HOST:PORT/0 (got 0 characters)")
    create_execute_job_task(launcher.celery)
    create_resume_job_task(launcher.celery)
    return launcher.celery


for library in QUIET:
    logging.getLogger(library).setLevel(logging.WARNING)
try:
    app = make_app(os.environ["DAGSTER_HOME"])
except SettingsError as error:
    sys.exit(f"polydock: {error}")
except dg.DagsterInvalidConfigError as error:
    # A variable that is not set, or an instance file with a slip in it.
    sys.exit(f"polydock: the instance file cannot be used: {error.errors[0].message}")
