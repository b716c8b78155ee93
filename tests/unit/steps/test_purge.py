from dataclasses import replace
from typing import Any

import pytest

from polydock_pipelines.lifecycle.instance import Effect, Instance
from polydock_pipelines.lifecycle.outcome import Done, Facts, Failed
from polydock_pipelines.ports import (
    DeniedError,
    EndpointError,
    EnvironmentRef,
    NotFoundError,
    PortError,
    Project,
    RefusedError,
)
from polydock_pipelines.steps import purge
from polydock_pipelines.steps.variables import MARKER
from tests.fakes.clock import START, FakeClock
from tests.fakes.lagoon import FakeLagoon
from tests.makers import an_instance
from tests.unit.steps.step_world import StepWorld, a_world, an_environment, our_project

PURGING = an_instance(stage="purge", neighbours=frozenset({50, 51}))
NAME = PURGING.name
NEIGHBOUR = Project(50, "trial-next-door", 7, "git@x:a/b.git")
STRANGER = Project(60, "website", 7, "git@x:c/d.git")
THEIRS = {MARKER: "00000000-0000-0000-0000-000000000001"}
AWAY = EndpointError("no answer", endpoint="lagoon")
HIDDEN = DeniedError("Unauthorized")
MEANT = {(Effect.CREATE_PROJECT, NAME): START}
UNPROVEN = f"""\
Purge attempt 1/144: Lagoon shows no project {NAME}, but that it is gone cannot be proven: \
organization 7 lists no other project that is known to live there. Look in Lagoon; once you know \
that this instance's project is gone: polydock instances purge {NAME} --confirm-gone"""


def world_of(
    *projects: Project, environments: tuple[EnvironmentRef, ...] = (), **options: Any
) -> StepWorld:
    clock = FakeClock()
    standing = {
        ref: an_environment(id=100 + number, name=ref.name)
        for number, ref in enumerate(environments)
    }
    lagoon = FakeLagoon(clock, projects=projects, environments=standing, **options)
    return a_world(lagoon, clock=clock)


def asked_to_go(world: StepWorld) -> list[object]:
    calls = [call for call in world.lagoon.calls if call.operation == "delete_environment"]
    return [call.arguments["name"] for call in calls]


def assert_untouched(world: StepWorld) -> None:
    assert not {"delete_project", "delete_environment"} & set(world.lagoon.operations())


# -- a project that stands


def test_a_project_without_environments_is_deleted() -> None:
    world = world_of(our_project(), NEIGHBOUR)
    assert purge.delete_project(PURGING, world.ports) == Done(note="Lagoon project deleted")
    assert world.lagoon.stored(NAME) is None
    assert world.lagoon.stored(NEIGHBOUR.name) is not None
    assert "projects_of" not in world.lagoon.operations()


def test_success_of_the_deletion_needs_no_neighbour() -> None:
    alone = replace(PURGING, neighbours=frozenset())
    outcome = purge.delete_project(alone, world_of(our_project()).ports)
    assert outcome == Done(note="Lagoon project deleted")


def test_every_environment_that_stands_is_asked_to_go_before_the_project() -> None:
    here = (EnvironmentRef(1, "main"), EnvironmentRef(1, "feature"))
    world = world_of(our_project(), NEIGHBOUR, environments=(*here, EnvironmentRef(50, "main")))
    outcome = purge.delete_project(replace(PURGING, attempt=3), world.ports)
    assert outcome == Failed(
        "Purge attempt 3/144: environments still stand: feature, main",
        facts=Facts(lagoon_project_id=1),
    )
    assert asked_to_go(world) == ["main", "feature"]
    assert "delete_project" not in world.lagoon.operations()
    later = purge.delete_project(replace(PURGING, attempt=4), world.ports)
    assert later == Done(note="Lagoon project deleted")
    assert world.lagoon.environments.names_of(NEIGHBOUR.name) == ("main",)


def test_an_environment_that_vanishes_as_we_ask_is_no_trouble() -> None:
    here = (EnvironmentRef(1, "main"), EnvironmentRef(1, "feature"))
    gone = {"delete_environment": [NotFoundError("it does not exist")]}
    world = world_of(our_project(), environments=here, failing=gone)
    assert isinstance(purge.delete_project(PURGING, world.ports), Failed)
    assert asked_to_go(world) == ["main", "feature"]


def test_a_project_that_we_meant_to_make_and_never_marked_is_ours() -> None:
    world = world_of(our_project(metadata={}))
    died = replace(PURGING, facts=Facts(), intents=MEANT)
    assert purge.delete_project(died, world.ports) == Done(note="Lagoon project deleted")


def test_lagoon_may_say_at_the_last_moment_that_an_environment_stands() -> None:
    refused = PortError("Environments still stand")
    world = world_of(our_project(), failing={"delete_project": [refused]})
    with pytest.raises(PortError, match="still stand"):
        purge.delete_project(PURGING, world.ports)


# -- a project that Lagoon does not show


def test_what_the_organization_does_not_list_beside_a_neighbour_is_gone() -> None:
    world = world_of(STRANGER, NEIGHBOUR)
    outcome = purge.delete_project(PURGING, world.ports)
    assert outcome == Done(note="Lagoon project already deleted")
    assert world.lagoon.operations() == ["project_by_name", "projects_of"]


@pytest.mark.parametrize(
    ("listed", "neighbours"),
    [
        ([], {50}),
        ([STRANGER], {50}),
        ([STRANGER, NEIGHBOUR], set()),
        ([replace(NEIGHBOUR, organization_id=8)], {50}),
    ],
    ids=["empty list", "strangers only", "nobody known", "neighbour lives elsewhere"],
)
def test_without_a_known_neighbour_in_the_list_nothing_is_proven(
    listed: list[Project], neighbours: set[int]
) -> None:
    instance = replace(PURGING, neighbours=frozenset(neighbours))
    assert purge.delete_project(instance, world_of(*listed).ports) == Failed(UNPROVEN)


@pytest.mark.parametrize(
    "listed",
    [
        Project(1, "another-name", 7, "git@x:a/b.git"),
        Project(77, NAME.upper(), 7, "git@x:a/b.git"),
    ],
    ids=["our id", "our name"],
)
def test_what_the_organization_still_lists_is_not_gone(listed: Project) -> None:
    outcome = purge.delete_project(PURGING, world_of(listed, NEIGHBOUR).ports)
    assert isinstance(outcome, Failed)
    assert not outcome.is_final
    assert outcome.reason == (
        f"Purge attempt 1/144: organization 7 still lists {listed.name} (id {listed.id})"
    )


def test_our_own_id_among_the_neighbours_proves_nothing() -> None:
    instance = replace(PURGING, neighbours=frozenset({1}))
    world = world_of(our_project(name="renamed"))
    assert isinstance(purge.delete_project(instance, world.ports), Failed)


@pytest.mark.parametrize("operation", ["names_of", "delete_project"])
def test_a_project_that_vanishes_on_the_way_must_be_proven_gone_too(operation: str) -> None:
    vanished = {operation: [NotFoundError("Not found: it")]}
    world = world_of(our_project(), NEIGHBOUR, failing=vanished)
    outcome = purge.delete_project(PURGING, world.ports)
    assert isinstance(outcome, Failed), "the organization lists it"
    assert f"still lists {NAME} (id 1)" in outcome.reason
    assert not outcome.is_final


@pytest.mark.parametrize("error", [NotFoundError("no organization"), HIDDEN, AWAY])
def test_an_organization_that_cannot_be_read_proves_nothing(error: PortError) -> None:
    world = world_of(NEIGHBOUR, failing={"projects_of": [error]})
    with pytest.raises(type(error)):
        purge.delete_project(PURGING, world.ports)


@pytest.mark.parametrize("error", [HIDDEN, RefusedError("no"), AWAY, PortError("Internal")])
@pytest.mark.parametrize(
    "operation", ["project_by_name", "names_of", "delete_environment", "delete_project"]
)
def test_what_is_hidden_or_fails_is_never_gone(operation: str, error: PortError) -> None:
    here = (EnvironmentRef(1, "main"),) if operation == "delete_environment" else ()
    world = world_of(our_project(), NEIGHBOUR, environments=here, failing={operation: [error]})
    with pytest.raises(type(error)):
        purge.delete_project(PURGING, world.ports)
    assert world.lagoon.stored(NAME) is not None


def test_an_instance_that_never_had_a_project_asks_nobody() -> None:
    world = world_of(our_project(metadata=THEIRS))
    other = {(Effect.DEPLOY, "b-1"): START}
    never = replace(PURGING, facts=Facts(), intents=other)
    assert purge.delete_project(never, world.ports) == Done(note="there never was a Lagoon project")
    assert world.lagoon.calls == []


def test_a_project_that_was_only_meant_is_looked_for() -> None:
    meant = replace(PURGING, facts=Facts(), intents=MEANT)
    gone = purge.delete_project(meant, world_of(NEIGHBOUR).ports)
    assert gone == Done(note="Lagoon project already deleted")
    assert purge.delete_project(meant, world_of().ports) == Failed(UNPROVEN)


# -- somebody else's project


MARKED_THEIRS = our_project(metadata=THEIRS)
UNMARKED = our_project(metadata={})
OTHER_ID = our_project(id=9)
FOREIGN = pytest.mark.parametrize(
    "found", [MARKED_THEIRS, UNMARKED, OTHER_ID], ids=["their mark", "no mark", "another id"]
)


@FOREIGN
def test_a_foreign_project_of_our_name_ends_the_purge_and_stays(found: Project) -> None:
    here = (EnvironmentRef(found.id, "main"),)
    world = world_of(found, NEIGHBOUR, environments=here)
    outcome = purge.delete_project(PURGING, world.ports)
    assert isinstance(outcome, Failed)
    assert outcome.is_final
    assert f"a project {NAME} (id {found.id}) that is not known to be this" in outcome.reason
    assert outcome.reason.endswith(f"polydock instances purge {NAME} --confirm-gone")
    assert_untouched(world)


@pytest.mark.parametrize(
    ("instance", "found", "is_gone"),
    [
        (PURGING, OTHER_ID, True),
        (PURGING, replace(OTHER_ID, metadata=THEIRS), True),
        (replace(PURGING, neighbours=frozenset()), OTHER_ID, False),
        (PURGING, UNMARKED, False),
        (replace(PURGING, facts=Facts(), intents=MEANT), MARKED_THEIRS, False),
    ],
    ids=["another id", "their mark", "no neighbour", "our id, moved", "our id is not known"],
)
def test_a_foreign_project_elsewhere_is_no_obstacle_where_ours_is_proven_gone(
    instance: Instance, found: Project, *, is_gone: bool
) -> None:
    world = world_of(replace(found, organization_id=8), NEIGHBOUR)
    outcome = purge.delete_project(instance, world.ports)
    if is_gone:
        assert outcome == Done(note="Lagoon project already deleted")
    else:
        assert isinstance(outcome, Failed)
        assert outcome.is_final
    assert_untouched(world)


def test_a_foreign_project_hides_nothing_when_the_organization_is_away() -> None:
    world = world_of(OTHER_ID, NEIGHBOUR, failing={"projects_of": [AWAY]})
    with pytest.raises(EndpointError):
        purge.delete_project(PURGING, world.ports)
    assert_untouched(world)


# -- deaths and lost answers


def test_a_worker_that_died_after_the_deletion_finds_the_project_gone() -> None:
    world = world_of(our_project(), NEIGHBOUR)
    purge.delete_project(PURGING, world.ports)  # what it said was never written
    again = purge.delete_project(replace(PURGING, attempt=2), world.ports)
    assert again == Done(note="Lagoon project already deleted")


def test_a_worker_that_died_after_the_deletion_needs_a_neighbour_to_know() -> None:
    world = world_of(our_project())
    purge.delete_project(PURGING, world.ports)
    assert purge.delete_project(PURGING, world.ports) == Failed(UNPROVEN)


@pytest.mark.parametrize(
    ("when", "then"),
    [("failing", "Lagoon project deleted"), ("failing_after", "Lagoon project already deleted")],
)
def test_a_deletion_whose_answer_is_lost_is_settled_at_the_next_visit(when: str, then: str) -> None:
    lost: dict[str, Any] = {when: {"delete_project": [AWAY]}}
    world = world_of(our_project(), NEIGHBOUR, **lost)
    with pytest.raises(EndpointError):
        purge.delete_project(PURGING, world.ports)
    assert purge.delete_project(PURGING, world.ports) == Done(note=then)
    assert world.lagoon.stored(NAME) is None


@pytest.mark.parametrize("when", ["failing", "failing_after"])
def test_an_environments_deletion_whose_answer_is_lost_is_asked_for_again(when: str) -> None:
    here = (EnvironmentRef(1, "main"), EnvironmentRef(1, "feature"))
    lost: dict[str, Any] = {when: {"delete_environment": [AWAY]}}
    world = world_of(our_project(), NEIGHBOUR, environments=here, **lost)
    with pytest.raises(EndpointError):
        purge.delete_project(PURGING, world.ports)
    outcomes = [purge.delete_project(PURGING, world.ports) for _ in range(2)]
    assert isinstance(outcomes[0], Failed)
    assert outcomes[1] == Done(note="Lagoon project deleted")


@pytest.mark.parametrize("operation", ["project_by_name", "names_of"])
def test_a_look_whose_answer_is_lost_is_repeated(operation: str) -> None:
    world = world_of(our_project(), NEIGHBOUR, failing_after={operation: [AWAY]})
    with pytest.raises(EndpointError):
        purge.delete_project(PURGING, world.ports)
    assert purge.delete_project(PURGING, world.ports) == Done(note="Lagoon project deleted")


@pytest.mark.parametrize("moment", range(1, 6))
def test_a_purge_that_is_begun_anew_at_any_moment_deletes_one_project_only(moment: int) -> None:
    """Cut the life short before its nth call, then let another worker begin from the start."""
    here = (EnvironmentRef(1, "main"),)
    calls = ("project_by_name", "names_of", "delete_environment", "names_of", "delete_project")
    operation = calls[moment - 1]
    let_through: list[PortError | None] = [None] * calls[: moment - 1].count(operation)
    world = world_of(
        our_project(), NEIGHBOUR, environments=here, failing={operation: [*let_through, AWAY]}
    )
    outcomes: list[object] = []
    for _ in range(4):
        try:
            outcomes.append(purge.delete_project(PURGING, world.ports))
        except EndpointError as error:
            outcomes.append(error)
    assert world.lagoon.stored(NAME) is None
    assert world.lagoon.stored(NEIGHBOUR.name) is not None
    assert outcomes[-1] == Done(note="Lagoon project already deleted")
