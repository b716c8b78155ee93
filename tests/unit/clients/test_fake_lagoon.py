"""The fake plays what steps must survive: two-phase things, and answers that get lost."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from polydock_pipelines.lifecycle.instance import EnvVariable
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import (
    Container,
    EndpointError,
    EnvironmentRef,
    Lagoon,
    NewProject,
    NotFoundError,
    PortError,
    RefusedError,
)
from tests.fakes.clock import FakeClock
from tests.fakes.lagoon import FakeLagoon
from tests.fakes.launcher import FakeLauncher
from tests.fakes.shell import FakeShell, result

NEW = NewProject("trial-1", "g", "main", "main", 1, 3, 0, None)
AWAY = EndpointError("Lagoon is away.", endpoint="lagoon")
MINUTE = timedelta(minutes=1)


def built(lagoon: FakeLagoon) -> FakeLagoon:
    """Give a Lagoon one project whose build was just started."""
    lagoon.projects.add_project(NEW)
    lagoon.deployments.deploy_environment_branch("trial-1", "main", bulk_id="b")
    return lagoon


def main(lagoon: FakeLagoon) -> EnvironmentRef:
    stored = lagoon.stored("trial-1")
    assert stored is not None
    return EnvironmentRef(stored.project.id, "main")


def route(lagoon: FakeLagoon) -> str | None:
    environment = lagoon.environments.environment_by_name(main(lagoon).project_id, "main")
    assert environment is not None
    return environment.route


def status(lagoon: Lagoon) -> str:
    (deployment,) = lagoon.deployments.by_bulk_ids(["b"])["b"]
    return deployment.status


def test_a_build_takes_its_time_and_then_gives_the_environment_a_route() -> None:
    clock = FakeClock()
    lagoon = built(FakeLagoon(clock, build_takes=MINUTE))
    assert status(lagoon) == "new"
    clock.advance(30)
    assert status(lagoon) == "running"
    assert len(lagoon.deployments.running()) == 1
    assert route(lagoon) is None
    clock.advance(30)
    assert status(lagoon) == "complete"
    assert lagoon.deployments.running() == []
    assert route(lagoon) == "https://trial-1-main.example.com"


def test_a_build_ends_as_the_test_says() -> None:
    clock = FakeClock()
    lagoon = built(FakeLagoon(clock, build_takes=MINUTE, build_status=lambda _deployment: "failed"))
    clock.advance(MINUTE)
    assert status(lagoon) == "failed"


def test_a_build_can_hang_and_be_cancelled() -> None:
    clock = FakeClock()
    lagoon = built(FakeLagoon(clock, build_takes=MINUTE, build_status=lambda _deployment: None))
    clock.advance(timedelta(days=1))
    assert status(lagoon) == "running"
    lagoon.deployments.cancel_deployment(lagoon.builds[0].id)
    assert status(lagoon) == "cancelled"


def test_each_deploy_queues_one_more_build() -> None:
    lagoon = built(FakeLagoon())
    lagoon.deployments.deploy_environment_branch("trial-1", "main", bulk_id="b")
    assert len(lagoon.builds) == 2


def test_an_environment_goes_later_and_takes_its_builds_with_it() -> None:
    clock = FakeClock()
    lagoon = built(FakeLagoon(clock, removal_takes=MINUTE))
    ref = main(lagoon)
    lagoon.environments.delete_environment("trial-1", "main")
    assert lagoon.environments.standing([ref]) == {ref}
    with pytest.raises(PortError):
        lagoon.projects.delete_project("trial-1")
    clock.advance(MINUTE)
    assert lagoon.environments.standing([ref]) == frozenset()
    assert lagoon.deployments.by_bulk_ids(["b"]) == {"b": []}
    with pytest.raises(NotFoundError):
        lagoon.environments.delete_environment("trial-1", "main")
    lagoon.projects.delete_project("trial-1")
    assert lagoon.stored("trial-1") is None


def test_a_call_may_fail_before_or_after_it_was_carried_out() -> None:
    lagoon = FakeLagoon(
        failing={"add_project": [AWAY, None]}, failing_after={"add_project": [AWAY]}
    )
    with pytest.raises(EndpointError):
        lagoon.projects.add_project(NEW)
    assert lagoon.stored("trial-1") is None
    with pytest.raises(EndpointError):
        lagoon.projects.add_project(NEW)
    assert lagoon.stored("trial-1") is not None
    assert lagoon.operations() == ["add_project", "add_project"]


def test_what_was_set_can_be_read_back() -> None:
    lagoon = FakeLagoon(groups=["g"], project_quota=1)
    project = lagoon.projects.add_project(NEW)
    lagoon.projects.add_groups_to_project("trial-1", ["g", "g"])
    lagoon.projects.set_variables(
        "trial-1", [EnvVariable("A", Secret("1")), EnvVariable("B", Secret("2"))]
    )
    lagoon.projects.delete_variables("trial-1", ["B", "C"])
    lagoon.projects.update_project_metadata(project.id, {"email": "", "firstname": "Ada"})
    stored = lagoon.stored("trial-1")
    assert stored is not None
    assert stored.groups == ["g"]
    assert stored.new == NEW
    assert lagoon.values("trial-1") == {"A": "1"}
    assert dict(stored.project.metadata) == {"firstname": "Ada"}
    with pytest.raises(RefusedError):
        lagoon.projects.add_project(NEW)


def test_a_shell_answers_by_what_the_script_holds() -> None:
    shell = FakeShell({"claim": [PortError("asleep"), result("https://x")], "poll": result("1")})
    at = Container("trial-1-main")
    with pytest.raises(PortError):
        shell.run(at, "claim")
    assert shell.run(at, "claim").stdout.reveal() == "https://x"
    assert shell.run(at, "claim").stdout.reveal() == "https://x"
    assert shell.run(at, "other").exit_code == 0
    assert shell.scripts == ["claim", "claim", "claim", "other"]


def test_a_launcher_fails_as_often_as_it_was_told_to() -> None:
    launcher = FakeLauncher(failing=[AWAY])
    with pytest.raises(EndpointError):
        launcher.launch("job", {}, {})
    assert launcher.launch("job", {}, {}).run_id == "run-2"
    assert [call.job for call in launcher.calls] == ["job", "job"]


def test_threads_do_not_lose_each_others_calls() -> None:
    lagoon = FakeLagoon()

    def add(number: int) -> int:
        new = replace(NEW, name=f"trial-{number}")
        project = lagoon.projects.add_project(new)
        lagoon.deployments.deploy_environment_branch(new.name, "main", bulk_id=new.name)
        return project.id

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(add, range(200)))
    assert len(ids) == len(lagoon.builds) == 200
