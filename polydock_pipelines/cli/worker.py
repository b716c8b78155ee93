"""`polydock worker`: a Celery worker that executes the runs which the daemon puts into the broker.

It needs the packages of the extra `celery`, and nothing of them is imported here: other commands
should not pay for it.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from polydock_pipelines.cli.failing import fail
from polydock_pipelines.cli.output import sentences
from polydock_pipelines.cli.stack import ROOT, place_instance_file
from polydock_pipelines.settings import Settings, load_settings

APP = "polydock_pipelines.cli.worker_app"
JOBS = "polydock_pipelines.definitions"
"""Loaded before the processes that execute runs are forked: a run then begins at once."""


def worker(
    name: Annotated[
        str, typer.Option(help="What it is called; two on one machine need two names.")
    ] = "polydock",
    runs: Annotated[int, typer.Option(min=1, max=64, help="How many runs at once.")] = 2,
) -> None:
    """Execute runs that the Celery broker hands out (deploy/celery), until Ctrl-C.

    SIGTERM lets the runs in hand end first. SIGQUIT does not; others take up their instances.
    """
    if find_spec("dagster_celery") is None:
        fail("a worker needs Celery: pip install 'polydock-pipelines[celery]'")
    with sentences():
        settings = load_settings()
        env = worker_environment(settings)
    argv = ["celery", "--app", APP, "worker", "--include", JOBS, "--hostname", f"{name}@%h"]
    # It takes our place, so that a supervisor's signals reach Celery itself.
    os.execve(  # noqa: S606 - our own interpreter
        sys.executable,
        [sys.executable, "-m", *argv, "--loglevel", "INFO", "--concurrency", str(runs)],
        env,
    )


def worker_environment(settings: Settings) -> dict[str, str]:
    """Fill DAGSTER_HOME as `polydock up` does; return the variables of the worker and its runs."""
    home = settings.home.resolve()
    dagster_home = Path(os.environ.get("DAGSTER_HOME") or home / "dagster")
    place_instance_file(settings.dagster_yaml or ROOT / "dagster.yaml", dagster_home)
    env = {**os.environ, "POLYDOCK_HOME": str(home), "DAGSTER_HOME": str(dagster_home)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    return env | {"DAGSTER_DISABLE_TELEMETRY": "1", "PYTHONUNBUFFERED": "1"}
