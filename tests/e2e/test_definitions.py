"""What Dagster loads: names, schedules of sensors, executors, tags, config. Nothing is opened."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from polydock_pipelines.actions.runs import JOBS as KINDS
from polydock_pipelines.actions.runs import (
    MAX_RUNTIME_S,
    PRIORITY,
    job_of,
    run_config,
    run_tags,
)
from polydock_pipelines.db.handovers import Chunk
from polydock_pipelines.lifecycle.table import Kind
from polydock_pipelines.resources.all import default_resources
from tests.e2e.house import DAGSTERS_WARNINGS, load_definitions

pytestmark = DAGSTERS_WARNINGS

JOBS = {
    "provision_instances",
    "activate_instances",
    "upgrade_instances",
    "remove_instances",
    "purge_projects",
}
OPERATORS = {
    "retry_instances",
    "end_stuck_instances",
    "pause_work",
    "resume_work",
    "extend_trials",
}
WATCHING = {
    "find_stuck_instances",
    "find_lagoon_drift",
    "begin_project_purges",
    "prune_history",
}
TRIALS = {
    "send_midtrial_emails",
    "send_one_day_left_emails",
    "send_trial_complete_emails",
    "remove_ended_trials",
    "send_emails",
}
FAST_SENSORS = {"signups", "builds", "due_instances"}
SENSORS = {*FAST_SENSORS, "emails"}
EACH_MINUTE = {
    "midtrial_emails",
    "one_day_left_emails",
    "trial_complete_emails",
    "trial_removals",
    "project_purges",
}
SCHEDULES = {*EACH_MINUTE, "stuck_instances", "lagoon_drift", "retention"}
UUID = "6f1c52b0-6f0e-4c8a-9a53-0c1d4f5a7e10"
NO_SOCKETS = """
import socket
def refuse(*_args, **_options):
    raise AssertionError("a connection was opened")
socket.socket.connect = socket.create_connection = refuse
import sqlite3
sqlite3.connect = sqlite3.dbapi2.connect = refuse
from polydock_pipelines.definitions import defs
defs.get_repository_def().load_all_definitions()
print(len(list(defs.resolve_all_job_defs())))
"""


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    return load_definitions()


def chunk_of(kind: Kind) -> Chunk:
    return Chunk("5d9f3c66-0000-4000-8000-000000000000", kind, 1, "signups", UUID)


def test_definitions_load_in_an_empty_environment_without_a_connection(tmp_path: Path) -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", NO_SOCKETS],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert loaded.returncode == 0, loaded.stderr
    assert list(tmp_path.iterdir()) == []


def test_jobs_and_sensors_have_the_names_that_operators_know(defs: dg.Definitions) -> None:
    repository = defs.get_repository_def()
    assert {job.name for job in repository.get_all_jobs()} - {"__ASSET_JOB"} == (
        JOBS | OPERATORS | WATCHING | TRIALS
    )
    assert {schedule.name for schedule in repository.schedule_defs} == SCHEDULES
    assert {sensor.name for sensor in repository.sensor_defs} == SENSORS


def test_app_instances_is_an_asset_with_a_partition_an_instance(defs: dg.Definitions) -> None:
    assert dg.AssetKey("app_instances") in defs.resolve_all_asset_keys()
    partitions = defs.resolve_asset_graph().get(dg.AssetKey("app_instances")).partitions_def
    assert isinstance(partitions, dg.DynamicPartitionsDefinition)
    assert partitions.name == "app_instance"


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_schedules_run_by_default(name: str, defs: dg.Definitions) -> None:
    schedule = defs.resolve_schedule_def(name)
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert (schedule.cron_schedule == "* * * * *") == (name in EACH_MINUTE)


@pytest.mark.parametrize("name", sorted(TRIALS))
def test_trial_jobs_run_in_process_and_end_in_time(name: str, defs: dg.Definitions) -> None:
    job = defs.resolve_job_def(name)
    assert job.executor_def is dg.in_process_executor
    assert job.tags["dagster/max_runtime"] == "300"


def test_each_kind_of_mail_is_an_asset(defs: dg.Definitions) -> None:
    kinds = ("ready", "midtrial", "one_day_left", "trial_complete", "failed")
    keys = {dg.AssetKey(["trial_emails", kind]) for kind in kinds}
    assert keys <= set(defs.resolve_all_asset_keys())


@pytest.mark.parametrize("name", sorted(FAST_SENSORS))
def test_sensors_run_by_default_and_faster_than_the_daemon(name: str, defs: dg.Definitions) -> None:
    sensor = defs.resolve_sensor_def(name)
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert 1 <= (sensor.minimum_interval_seconds or 30) <= 4


@pytest.mark.parametrize("name", sorted(JOBS))
def test_jobs_run_in_process_and_end_in_time(name: str, defs: dg.Definitions) -> None:
    job = defs.resolve_job_def(name)
    assert job.executor_def is dg.in_process_executor
    assert job.tags["dagster/max_runtime"] == str(MAX_RUNTIME_S)
    assert job.tags["polydock/kind"] == name.partition("_")[0]


@pytest.mark.parametrize("kind", [*KINDS])
def test_run_config_fits_the_job_and_holds_ids_only(kind: Kind, defs: dg.Definitions) -> None:
    chunk = chunk_of(kind)
    job = defs.resolve_job_def(job_of(kind))
    assert dg.validate_run_config(job, run_config(chunk))
    (op,) = run_config(chunk)["ops"].values()  # pyright: ignore[reportAttributeAccessIssue]
    assert op == {"config": {"handover_id": chunk.handover_id}}
    assert run_tags(chunk)["polydock/instance"] == UUID


def test_every_kind_has_a_job_and_purges_go_last() -> None:
    assert set(KINDS) == set(PRIORITY) == set(Kind)
    assert min(PRIORITY, key=lambda kind: int(PRIORITY[kind])) is Kind.PURGE


@pytest.mark.parametrize("name", sorted(JOBS))
def test_a_job_can_be_launched_without_config(name: str, defs: dg.Definitions) -> None:
    assert dg.validate_run_config(defs.resolve_job_def(name), {}) is not None


def test_a_config_of_another_name_is_refused(defs: dg.Definitions) -> None:
    job = defs.resolve_job_def("provision_instances")
    wrong = {"ops": {"create_projects": {"config": {"email": "ada@example.com"}}}}
    with pytest.raises(dg.DagsterInvalidConfigError):
        dg.validate_run_config(job, wrong)


def test_resources_bear_the_names_of_their_systems() -> None:
    names = {"database", "lagoon", "shell", "amazee_ai", "mailer"}
    assert set(default_resources()) == names
