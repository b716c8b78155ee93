"""A run that Dagster believes at work for ever is ended by the sensor `due_instances`."""

import dagster as dg

from polydock_pipelines.actions.runs import KIND_TAG
from polydock_pipelines.db import handovers
from polydock_pipelines.lifecycle.table import Kind
from tests.baddays.offers import PLAIN
from tests.e2e.house import DAGSTERS_WARNINGS, House

pytestmark = DAGSTERS_WARNINGS


def a_started_run(house: House, tags: dict[str, str]) -> str:
    job = house.defs.resolve_job_def("provision_instances")
    run = house.dagster.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    return run.run_id


def status_of(house: House, run_id: str) -> dg.DagsterRunStatus:
    run = house.dagster.get_run_by_id(run_id)
    assert run is not None
    return run.status


def test_a_silent_run_is_failed_with_a_sentence_and_replaced(sqlite_house: House) -> None:
    house = sqlite_house
    (uuid,) = house.sign_up(PLAIN)
    (request,) = house.tick("signups")
    run_id = a_started_run(house, dict(request.tags or {}))
    handovers.start(house.database, str(request.run_key), Kind.PROVISION, run_id, house.clock.now())
    house.tick("due_instances")
    assert status_of(house, run_id) is dg.DagsterRunStatus.STARTED
    house.move(61)
    house.tick("due_instances")
    assert status_of(house, run_id) is dg.DagsterRunStatus.FAILURE
    house.tick("due_instances")
    assert house.tick_and_run("signups")
    assert house.row(uuid).status == "deploy-running"


def test_runs_of_others_are_none_of_our_business(sqlite_house: House) -> None:
    house = sqlite_house
    job = house.defs.resolve_job_def("find_stuck_instances")
    assert KIND_TAG not in job.tags
    run = house.dagster.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    house.move(3600)
    house.tick("due_instances")
    assert status_of(house, run.run_id) is dg.DagsterRunStatus.STARTED
