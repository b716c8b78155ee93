"""The profile of deploy/celery/: two workers, runs that are handed out twice, a dead worker.

The stack, its Postgres, its Redis and its workers are real. Needs `redis-server`, which `.ci/run`
installs; without it the tests that run the stack are skipped.
"""

import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import httpx
import pytest
import yaml
from dagster._core.launcher import LaunchRunContext

from tests.deploy.profile import ROOT, polydock, set_up
from tests.deploy.stacks import Upped, until, upped
from tests.deploy.workers import Worker, redis_server, running_redis, start_worker, stop_workers
from tests.postgres import running_postgres

PROFILE = ROOT / "deploy" / "celery"
PEOPLE = 6
CLAIMED = "running-healthy-claimed"
PATIENCE_S = 240

needs_redis = pytest.mark.skipif(
    redis_server() is None,
    reason="redis-server is not installed (Debian: apt-get install redis-server)",
)


@dataclass
class Beside:
    """A stack with two workers beside it."""

    stack: Upped
    folder: Path
    workers: list[Worker] = field(default_factory=list[Worker])
    names: int = 1

    def two_workers(self) -> tuple[Worker, Worker]:
        """Return the two workers; start what is missing, side by side."""
        started = [
            start_worker(self.stack.env, f"number{self.names + n}", self.folder)
            for n in range(2 - len(self.workers))
        ]
        self.names += len(started)
        self.workers += started
        for worker in started:
            worker.wait_until_ready()
        one, two = self.workers
        return one, two

    def has_ended(self) -> int:
        """Return how many runs they have brought to an end."""
        return sum(worker.has_ended() for worker in self.workers)

    def sign_up(self) -> None:
        """Sign people up, and wait until everybody is claimed."""
        people = len(self.stack.statuses()) + PEOPLE
        assert self.stack.sign_up(PEOPLE) == PEOPLE
        self.until_claimed(people)

    def until_claimed(self, people: int) -> None:
        claimed = [CLAIMED] * people
        until(lambda: self.stack.statuses() == claimed, PATIENCE_S, self.stack.statuses, every_s=3)

    @contextmanager
    def dagster(self) -> Iterator[dg.DagsterInstance]:
        home = Path(self.stack.env["POLYDOCK_HOME"]) / "dagster"
        with pytest.MonkeyPatch.context() as patch:
            for name in ("DAGSTER_POSTGRES_URL", "DAGSTER_REDIS_URL"):
                patch.setenv(name, self.stack.env[name])
            with dg.DagsterInstance.from_config(str(home)) as instance:
                yield instance


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Generator[Beside]:
    folder = tmp_path_factory.mktemp("celery")
    with ExitStack() as opened:
        postgres = opened.enter_context(running_postgres())
        redis = opened.enter_context(running_redis(folder / "redis.log"))
        variables = set_up(postgres).variables(folder) | {
            "DAGSTER_REDIS_URL": redis,
            "POLYDOCK_DAGSTER_YAML": str(PROFILE / "dagster.yaml"),
        }
        assert polydock("db", "upgrade", env={**os.environ, **variables}).returncode == 0
        stack = opened.enter_context(upped(variables, folder / "up.log"))
        beside = Beside(stack, folder)
        opened.callback(lambda: stop_workers(beside.workers))
        yield beside


def test_the_profile_differs_from_the_embedded_instance_in_storage_and_launcher_only() -> None:
    theirs = yaml.safe_load((PROFILE / "dagster.yaml").read_text())
    assert theirs.pop("storage") == {"postgres": {"postgres_url": {"env": "DAGSTER_POSTGRES_URL"}}}
    launcher = theirs.pop("run_launcher")
    assert launcher["class"] == "CeleryRunLauncher"
    assert launcher["config"]["broker"] == {"env": "DAGSTER_REDIS_URL"}
    assert launcher["config"]["backend"] == {"env": "DAGSTER_REDIS_URL"}
    assert theirs == yaml.safe_load((ROOT / "dagster.yaml").read_text())


@pytest.mark.parametrize(
    ("file", "what"),
    [("", "deploy/celery/dagster.yaml"), (str(PROFILE / "dagster.yaml"), "DAGSTER_REDIS_URL")],
    ids=["no celery", "no redis"],
)
def test_a_worker_that_cannot_work_says_what_to_do(file: str, what: str, tmp_path: Path) -> None:
    env = {**os.environ, "POLYDOCK_HOME": str(tmp_path), "POLYDOCK_DAGSTER_YAML": file}
    told = polydock("worker", env=env | {"DAGSTER_HOME": "", "DAGSTER_REDIS_URL": ""}, timeout_s=90)
    assert told.returncode == 1
    assert len(told.stderr.splitlines()) == 1
    assert what in told.stderr


# Dagster's launcher registers its task at each launch; Celery keeps the first, which is equal.
@pytest.mark.filterwarnings("ignore::celery.exceptions.DuplicateTaskNameWarning")
@needs_redis
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_both_workers_execute_runs_and_a_run_handed_out_twice_does_nothing(beside: Beside) -> None:
    one, two = beside.two_workers()
    for _ in range(5):
        beside.sign_up()
        if one.has_ended() and two.has_ended():
            break
    assert one.has_ended() > 0 < two.has_ended()
    with beside.dagster() as instance:
        runs = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]), limit=3)
        begun = beside.has_ended()
        for run in runs:
            instance.run_launcher.launch_run(LaunchRunContext(run, workspace=None))
        until(lambda: beside.has_ended() >= begun + len(runs), PATIENCE_S)
        again = [instance.get_run_by_id(run.run_id) for run in runs]
        assert [run and run.status for run in again] == [dg.DagsterRunStatus.SUCCESS] * len(runs)
    assert_one_of_each(beside.stack)


@needs_redis
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_a_killed_worker_had_in_hand_is_taken_over(beside: Beside) -> None:
    beside.two_workers()
    people = len(beside.stack.statuses()) + PEOPLE
    set_latency(beside.stack, 400)
    assert beside.stack.sign_up(PEOPLE) == PEOPLE
    with beside.dagster() as instance:
        # A worker has a run before the run has begun; one that never began is another bad day.
        until(lambda: instance.get_runs(status(dg.DagsterRunStatus.STARTED)), PATIENCE_S)
    victim = next(worker for worker in beside.workers if worker.is_at_work())
    victim.kill()
    beside.workers.remove(victim)
    set_latency(beside.stack, 0)
    beside.until_claimed(people)
    assert_one_of_each(beside.stack)
    with beside.dagster() as instance:
        failed = status(dg.DagsterRunStatus.FAILURE)
        until(lambda: instance.get_runs(failed), PATIENCE_S)
        assert [run.job_name for run in instance.get_runs(failed)] == ["provision_instances"]


def status(wanted: dg.DagsterRunStatus) -> dg.RunsFilter:
    return dg.RunsFilter(statuses=[wanted])


def assert_one_of_each(stack: Upped) -> None:
    people = len(stack.statuses())
    assert len(stack.ours("projects", "name")) == people
    builds = stack.ours("deployments", "project")
    assert (len(builds), set(builds.values())) == (people, {1})


def set_latency(stack: Upped, milliseconds: int) -> None:
    url = f"{stack.simulator}/_sim/settings"
    httpx.put(url, json={"latency_ms": milliseconds}, timeout=30).raise_for_status()
