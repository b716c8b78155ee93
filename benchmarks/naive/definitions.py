"""The naive design as a Dagster code location: one run an instance, one op a stage.

A sensor yields a run for each signup (a file in a folder); the run is held open while Lagoon
builds. The executor is Dagster's default, one process an op. It speaks to Lagoon through the same
clients as we do. Nothing is stored between ops but what Dagster passes on: no leases, no retries,
no intents.
"""

import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from polydock_pipelines.lifecycle.instance import EnvVariable, Scope
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import Container, NewProject
from polydock_pipelines.wiring import open_lagoon, open_shell

FOLDER = "NAIVE_FOLDER"
BRANCH = "main"
SCRIPT = 'set -eu\nmkdir -p "$HOME/site"\necho installed\n'
CLAIM = 'set -eu\necho "${LAGOON_ROUTE%/}/user/reset/1/token/login"\n'
POLL_S = 1.0
BUILD_WITHIN_S = 600.0


def folder() -> Path:
    """Return where signups come from and claims go to."""
    return Path(os.environ[FOLDER])


def variables(names: Iterator[str]) -> list[EnvVariable]:
    return [EnvVariable(name, Secret("1"), Scope.GLOBAL) for name in names]


@dg.op
def create_project(config: dict) -> str:
    name = config["name"]
    with open_lagoon() as lagoon:
        new = NewProject(name, "git@git.example.com:trials/app.git", BRANCH, BRANCH, 1, 1, 1, None)
        made = lagoon.projects.add_project(new)
        lagoon.projects.add_groups_to_project(name, ["polydock-operators"])
        lagoon.projects.update_project_metadata(made.id, {"polydock-app": "naive"})
        wanted = iter(f"POLYDOCK_{number}" for number in range(12))
        lagoon.projects.set_variables(name, variables(wanted))
    return name


@dg.op
def start_build(name: str) -> dict:
    bulk_id = str(uuid.uuid4())
    with open_lagoon() as lagoon:
        lagoon.deployments.deploy_environment_branch(name, BRANCH, bulk_id=bulk_id)
    return {"name": name, "bulk_id": bulk_id}


@dg.op
def wait_for_build(build: dict) -> str:
    until = time.monotonic() + BUILD_WITHIN_S
    with open_lagoon() as lagoon:
        while time.monotonic() < until:
            found = lagoon.deployments.by_bulk_ids([build["bulk_id"]])[build["bulk_id"]]
            if found and not found[0].is_running:
                if not found[0].is_good:
                    raise dg.Failure(f"{build['name']}: the build ended {found[0].status}")
                return build["name"]
            time.sleep(POLL_S)
    raise dg.Failure(f"{build['name']}: the build takes too long")


@dg.op
def post_deploy(name: str) -> str:
    run_script(name, SCRIPT)
    return name


@dg.op
def claim(name: str) -> None:
    with open_lagoon() as lagoon:
        claimed = EnvVariable("POLYDOCK_CLAIMED_AT", Secret("now"), Scope.GLOBAL)
        lagoon.projects.set_variables(name, [claimed])
    run_script(name, CLAIM)
    (folder() / "claimed" / name).write_text(str(time.time()))


def run_script(name: str, script: str) -> None:
    with open_lagoon() as lagoon:
        project = lagoon.projects.project_by_name(name)
        assert project is not None  # noqa: S101 - it was made by the first op
        environment = lagoon.environments.environment_by_name(project.id, BRANCH)
    assert environment is not None  # noqa: S101 - its build has ended well
    at = Container(environment.namespace, host=environment.ssh_host, port=environment.ssh_port)
    result = open_shell().run(at, script)
    if result.exit_code:
        raise dg.Failure(f"{name}: the script ended with {result.exit_code}")


@dg.job
def provision() -> None:
    claim(post_deploy(wait_for_build(start_build(create_project()))))


@dg.sensor(job=provision, minimum_interval_seconds=2, default_status=dg.DefaultSensorStatus.RUNNING)
def signups() -> Iterator[dg.RunRequest]:
    for signup in sorted((folder() / "signups").iterdir()):
        config = {"ops": {"create_project": {"config": {"name": signup.name}}}}
        yield dg.RunRequest(run_key=signup.name, run_config=config)


defs = dg.Definitions(jobs=[provision], sensors=[signups])
