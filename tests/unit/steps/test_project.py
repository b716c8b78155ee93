from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import asyncssh
import pytest

from polydock_pipelines.lifecycle.instance import Effect
from polydock_pipelines.lifecycle.naming import is_valid
from polydock_pipelines.lifecycle.outcome import Done, Facts, Failed
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import (
    AlreadyExistsError,
    DeniedError,
    EndpointError,
    LagoonProjects,
    PortError,
    Project,
    RefusedError,
    StaleLeaseError,
)
from polydock_pipelines.steps import project
from polydock_pipelines.steps.variables import MARKER
from tests.fakes.clock import START
from tests.fakes.lagoon import FakeLagoon
from tests.makers import a_target, a_variable, an_app, an_instance
from tests.unit.steps.step_world import a_world, our_project

PRIVATE_KEY = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
OTHER_KEY = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
NAME = an_instance().name
MEANT = {(Effect.CREATE_PROJECT, NAME): START}
FOREIGN = our_project(metadata={MARKER: "00000000-0000-0000-0000-000000000001"})


def with_key(key: str, **changes: Any):
    return an_instance(target=a_target(deploy_key=Secret(key)), **changes)


def lost_answer() -> EndpointError:
    return EndpointError("Lagoon did not answer", endpoint="lagoon")


# -- pre-create


def test_a_free_name_is_kept() -> None:
    outcome = project.settle_name(an_instance(), a_world().ports)
    assert outcome == Done(Facts(name=NAME))


def test_a_name_taken_by_a_foreign_project_is_replaced_by_a_variant() -> None:
    outcome = project.settle_name(an_instance(), a_world(FakeLagoon(projects=[FOREIGN])).ports)
    assert isinstance(outcome, Done)
    assert outcome.facts.name not in (None, NAME)
    assert is_valid(outcome.facts.name or "")
    assert outcome.note == f"{NAME} was taken, so it is {outcome.facts.name}"


def test_our_own_project_keeps_its_name() -> None:
    outcome = project.settle_name(
        an_instance(), a_world(FakeLagoon(projects=[our_project()])).ports
    )
    assert outcome == Done(Facts(name=NAME))


def test_a_name_that_is_hidden_from_us_is_somebodys() -> None:
    hidden = FakeLagoon(failing={"project_by_name": [RefusedError("not yours to see")]})
    outcome = project.settle_name(an_instance(), a_world(hidden).ports)
    assert isinstance(outcome, Done)
    assert outcome.facts.name != NAME


@pytest.mark.parametrize("error", [RefusedError("no"), DeniedError("no")])
def test_a_hidden_project_that_may_be_ours_is_never_left_behind(error: PortError) -> None:
    meant = an_instance(intents=MEANT)
    hidden = FakeLagoon(failing={"project_by_name": [error]})
    with pytest.raises(type(error)):
        project.settle_name(meant, a_world(hidden).ports)


class LateProjects:
    """Hides what stands from the first look, as when a lost call comes through after it."""

    def __init__(self, real: LagoonProjects) -> None:
        self._real, self._looks = real, 0

    def project_by_name(self, name: str) -> Project | None:
        self._looks += 1
        return None if self._looks == 1 else self._real.project_by_name(name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_a_creation_of_ours_that_came_through_late_is_adopted() -> None:
    meant = an_instance(intents=MEANT)
    late = our_project(meant, metadata={})
    world = a_world(FakeLagoon(projects=[late]))
    lagoon = SimpleNamespace(projects=LateProjects(world.lagoon.projects))
    outcome = project.create(meant, replace(world.ports, lagoon=lagoon))
    assert outcome == Done(Facts(lagoon_project_id=late.id))
    assert world.lagoon.operations()[-1] == "update_project_metadata"


def test_when_every_variant_is_taken_the_attempt_fails_and_may_be_repeated() -> None:
    hidden = FakeLagoon(failing={"project_by_name": [RefusedError("no")] * project.MOST_VARIANTS})
    outcome = project.settle_name(an_instance(), a_world(hidden).ports)
    assert outcome == Failed(f"Lagoon has projects named {NAME} and 10 variants of it")


# -- create


def test_a_fresh_instance_gets_a_project_with_the_marker() -> None:
    world = a_world()
    outcome = project.create(with_key(PRIVATE_KEY, facts=Facts()), world.ports)
    stored = world.lagoon.stored(NAME)
    assert stored is not None
    assert outcome == Done(Facts(lagoon_project_id=stored.project.id))
    assert stored.project.metadata == {MARKER: an_instance().uuid}
    assert stored.new is not None
    assert stored.new.git_url == an_instance().target.git_url
    assert stored.new.private_key == Secret(PRIVATE_KEY)


def test_the_intent_is_written_before_the_project_is_created() -> None:
    world = a_world(FakeLagoon(failing={"add_project": [lost_answer()]}))
    with pytest.raises(EndpointError):
        project.create(an_instance(), world.ports)
    assert set(world.journal.intents) == set(MEANT)


def test_nothing_is_created_when_the_lease_is_lost() -> None:
    world = a_world()
    world.journal.is_stale = True
    with pytest.raises(StaleLeaseError):
        project.create(an_instance(), world.ports)
    assert "add_project" not in world.lagoon.operations()


def test_after_a_death_between_creation_and_marking_the_same_project_is_marked() -> None:
    lagoon = FakeLagoon(failing_after={"add_project": [lost_answer()]})
    world = a_world(lagoon)
    with pytest.raises(EndpointError):
        project.create(with_key(PRIVATE_KEY), world.ports)
    began = len(lagoon.calls)
    resumed = with_key(PRIVATE_KEY, intents=world.journal.intents, attempt=2)
    assert isinstance(project.create(resumed, world.ports), Done)
    assert lagoon.operations()[began:] == ["project_by_name", "update_project_metadata"]
    assert lagoon.operations().count("add_project") == 1
    assert list(lagoon.state.projects) == [NAME]


def test_creating_again_changes_nothing() -> None:
    world = a_world()
    first = project.create(an_instance(), world.ports)
    again = project.create(an_instance(intents=world.journal.intents), world.ports)
    assert first == again
    assert world.lagoon.operations().count("add_project") == 1


def test_a_foreign_project_of_our_name_is_left_alone_and_fails_for_good() -> None:
    world = a_world(FakeLagoon(projects=[FOREIGN]))
    outcome = project.create(an_instance(intents=MEANT), world.ports)
    assert isinstance(outcome, Failed)
    assert outcome.is_final
    assert f"already has a project {NAME}" in outcome.reason
    assert world.lagoon.operations() == ["project_by_name"]


def test_a_project_that_appears_while_we_create_is_foreign() -> None:
    lagoon = FakeLagoon(failing={"add_project": [AlreadyExistsError("exists")]})
    outcome = project.create(an_instance(), a_world(lagoon).ports)
    assert isinstance(outcome, Failed)
    assert outcome.is_final


def test_a_quota_refusal_is_the_actions_business_and_takes_the_intent_back() -> None:
    world = a_world(FakeLagoon(project_quota=0))
    with pytest.raises(RefusedError):
        project.create(an_instance(), world.ports)
    assert world.journal.intents == {}


def test_a_refusal_never_takes_back_an_earlier_intent_that_may_have_come_true() -> None:
    world = a_world(FakeLagoon(project_quota=0), intents=MEANT)
    with pytest.raises(RefusedError):
        project.create(an_instance(intents=MEANT), world.ports)
    assert (Effect.CREATE_PROJECT, NAME) in world.journal.intents


@pytest.mark.parametrize(
    ("found", "is_ours"),
    [
        (our_project(metadata={}), True),
        (our_project(metadata={}, organization_id=8), False),
        (our_project(metadata={}, organization_id=None), False),
        (our_project(metadata={}, git_url="git@git.example.com:other/app.git"), False),
        (our_project(), True),
        (FOREIGN, False),
    ],
    ids=["just so", "other organization", "no organization", "other git", "marked", "foreign mark"],
)
def test_a_project_that_we_meant_is_ours_only_if_it_is_what_we_would_have_made(
    found,
    is_ours: bool,  # noqa: FBT001
) -> None:
    world = a_world()
    assert project.is_ours(an_instance(intents=MEANT), found, world.ports) is is_ours


def test_a_project_without_mark_that_we_never_meant_is_foreign() -> None:
    assert not project.is_ours(an_instance(), our_project(metadata={}), a_world().ports)


def test_a_project_with_another_deploy_key_is_foreign() -> None:
    world = a_world()
    theirs = world.ports.public_key_of(Secret(OTHER_KEY))
    ours = world.ports.public_key_of(Secret(PRIVATE_KEY))
    instance = with_key(PRIVATE_KEY, intents=MEANT)
    assert not project.is_ours(instance, our_project(metadata={}, public_key=theirs), world.ports)
    assert project.is_ours(instance, our_project(metadata={}, public_key=ours), world.ports)


# -- post-create and pre-deploy


def test_the_group_comes_before_metadata_and_metadata_before_variables() -> None:
    world = a_world(FakeLagoon(projects=[our_project()]))
    assert isinstance(project.configure(an_instance(stage="post-create"), world.ports), Done)
    assert world.lagoon.operations() == [
        "add_groups_to_project",
        "update_project_metadata",
        "set_variables",
    ]
    stored = world.lagoon.stored(NAME)
    assert stored is not None
    assert stored.groups == ["trial-operators"]


def test_a_store_without_a_group_adds_none() -> None:
    world = a_world(FakeLagoon(projects=[our_project()]))
    project.configure(an_instance(target=a_target(group_name=None)), world.ports)
    assert "add_groups_to_project" not in world.lagoon.operations()


def test_metadata_says_whose_the_project_is() -> None:
    world = a_world(FakeLagoon(projects=[our_project(metadata={})]))
    project.configure(an_instance(app=an_app(is_production=True)), world.ports)
    stored = world.lagoon.stored(NAME)
    assert stored is not None
    assert stored.project.metadata == {
        MARKER: an_instance().uuid,
        "email": "ada@example.com",
        "firstname": "Ada",
        "lastname": "Lovelace",
        "product-type": "cms",
        "polydock-env": "prod",
    }


def test_before_a_build_the_catalogues_present_variables_are_pushed() -> None:
    world = a_world(FakeLagoon(projects=[our_project()]))
    instance = an_instance(stage="pre-deploy", variables=(a_variable("GREETING", "hello"),))
    outcome = project.push_variables(instance, world.ports)
    assert outcome == Done(Facts(pushed_variables=frozenset({"GREETING"})))
    assert world.lagoon.values(NAME)["GREETING"] == "hello"
