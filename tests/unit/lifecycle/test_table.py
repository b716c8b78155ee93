from collections.abc import Iterator
from datetime import timedelta
from itertools import product

import pytest

from polydock_pipelines.lifecycle.status import RUNNING, Resting, StageStatus
from polydock_pipelines.lifecycle.table import (
    FAILED,
    IN_HAND,
    LIFECYCLE,
    LIVING,
    PENDING,
    STABLE,
    STAGES,
    STATUSES,
    UNSTABLE,
    WISHES,
    Crossroads,
    Kind,
    Stage,
    leg_of,
    legs_of,
    stage_of,
    stages_of,
    statuses_of,
)

CROSSROADS = [
    Crossroads(owner, before) for owner, before in product((True, False), (None, *RUNNING))
]
FIRST = LIFECYCLE[0]
ENTRIES = (FIRST.name, *WISHES.values())

stages = pytest.mark.parametrize("stage", LIFECYCLE, ids=lambda stage: stage.name)


def _followers(stage: Stage) -> set[str | Resting]:
    if callable(stage.then):
        return {stage.then(facts) for facts in CROSSROADS}
    return {stage.then}


def _walks(name: str, seen: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield each way from a stage to rest, as names of stages."""
    assert name not in seen, f"the lifecycle turns in a circle: {(*seen, name)}"
    for then in _followers(STAGES[name]):
        if isinstance(then, Resting):
            yield (*seen, name, then.value)
        else:
            yield from _walks(then, (*seen, name))


@stages
def test_what_follows_a_stage_exists(stage: Stage) -> None:
    for then in _followers(stage):
        assert isinstance(then, Resting) or then in STAGES


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_path_from_an_entry_comes_to_rest(entry: str) -> None:
    assert all(walk[-1] in STABLE for walk in _walks(entry))


def test_no_stage_is_out_of_reach_of_a_signup_or_a_wish() -> None:
    reached = {name for entry in ENTRIES for walk in _walks(entry) for name in walk}
    assert reached >= set(STAGES)


def test_a_signup_comes_to_rest_claimed_or_in_the_pool() -> None:
    ends = {walk[-1] for walk in _walks(FIRST.name)}
    assert ends == {Resting.HEALTHY_CLAIMED.value, Resting.HEALTHY_UNCLAIMED.value}


def test_a_signup_walks_the_stages_in_the_order_of_the_table() -> None:
    (claimed,) = [w for w in _walks(FIRST.name) if w[-1] == Resting.HEALTHY_CLAIMED.value]
    assert list(claimed[:-1]) == [s.name for s in LIFECYCLE[:7]]


@pytest.mark.parametrize(
    ("wish", "end"),
    [("pre-remove", Resting.REMOVED), ("purge", Resting.REMOVED)],
)
def test_a_removal_and_a_purge_end_removed(wish: str, end: Resting) -> None:
    assert {walk[-1] for walk in _walks(wish)} == {end.value}


def test_an_upgrade_returns_an_instance_to_the_running_status_it_left() -> None:
    fork = STAGES["post-upgrade"].then
    assert callable(fork)
    for before in RUNNING:
        assert fork(Crossroads(has_owner=True, running_before=before)) is before


def test_only_an_instance_with_an_owner_is_claimed() -> None:
    fork = STAGES["post-deploy"].then
    assert callable(fork)
    assert fork(Crossroads(has_owner=True, running_before=None)) == "polydock-claim"
    assert fork(Crossroads(has_owner=False, running_before=None)) is Resting.HEALTHY_UNCLAIMED


@pytest.mark.parametrize("status", sorted(PENDING | IN_HAND))
def test_each_pending_and_running_status_has_a_leg_of_a_job(status: str) -> None:
    owner = leg_of(status)
    assert owner is not None
    kind, leg = owner
    assert leg in legs_of(kind)
    assert status in statuses_of(kind)


@pytest.mark.parametrize("status", sorted(set(STATUSES) - PENDING - IN_HAND))
def test_nobody_works_a_status_that_rests_failed_or_is_only_walked_through(status: str) -> None:
    assert leg_of(status) is None


def test_each_status_with_an_owner_belongs_to_one_kind_of_job_only() -> None:
    owned = [status for kind in Kind for status in statuses_of(kind)]
    assert len(owned) == len(set(owned))
    assert set(owned) == PENDING | IN_HAND


@stages
def test_each_stage_has_a_limit_and_attempts(stage: Stage) -> None:
    longest = timedelta(days=3) if stage.back_off else timedelta(hours=2)
    assert timedelta(0) < stage.limit <= longest
    assert stage.attempts >= 1
    assert stage.label


@stages
def test_pauses_of_a_stages_own_leave_room_for_all_its_attempts(stage: Stage) -> None:
    if stage.back_off:
        assert all(pause > timedelta(0) for pause in stage.back_off)
        last = stage.back_off[-1] * (stage.attempts - len(stage.back_off))
        assert sum(stage.back_off, last) < stage.limit


@stages
def test_what_is_said_at_the_last_attempt_tells_the_reason_and_the_count(stage: Stage) -> None:
    said = stage.when_spent.format(reason="it broke {here}", attempts=7)
    assert "it broke {here}" in said
    assert "7 attempts" in said


def test_a_purge_looks_as_often_as_the_original_engine_did() -> None:
    purge = STAGES["purge"]
    assert (purge.attempts, purge.back_off) == (144, (timedelta(minutes=10),))


def test_neighbours_are_seen_where_a_project_may_be_gone_and_nowhere_else() -> None:
    assert [stage.name for stage in LIFECYCLE if stage.sees_neighbours] == ["purge"]


@stages
def test_a_failed_stage_is_retried_at_a_stage_that_exists(stage: Stage) -> None:
    assert stage.retry_at is None or stage.retry_at in STAGES


@stages
def test_a_leg_that_polls_belongs_to_a_job_that_exists(stage: Stage) -> None:
    assert stage.polls is (stage.polled_by is not None)
    if stage.polled_by:
        kind, leg = stage.polled_by
        assert leg in legs_of(kind)
        assert stage in stages_of(kind)


def test_a_build_that_runs_is_looked_at_by_the_activating_job() -> None:
    assert leg_of("pending-deploy") == (Kind.PROVISION, "start_builds")
    assert leg_of("deploy-running") == (Kind.ACTIVATE, "finish_builds")


@pytest.mark.parametrize(
    ("kind", "legs"),
    [
        (Kind.PROVISION, ("create_projects", "start_builds")),
        (Kind.ACTIVATE, ("finish_builds", "configure", "claim")),
        (Kind.REMOVE, ("prepare_removals", "delete_environments", "finish_removals")),
        (Kind.PURGE, ("delete_projects",)),
        (
            Kind.UPGRADE,
            ("prepare_upgrades", "start_upgrades", "finish_upgrades", "complete_upgrades"),
        ),
    ],
)
def test_a_job_has_its_legs_in_the_order_of_the_lifecycle(
    kind: Kind, legs: tuple[str, ...]
) -> None:
    assert legs_of(kind) == legs


def test_every_status_is_stable_unstable_or_failed_and_only_one_of_these() -> None:
    assert set(STATUSES) == STABLE | UNSTABLE | FAILED
    assert len(STABLE) + len(UNSTABLE) + len(FAILED) == len(STATUSES)


def test_the_living_are_neither_ending_nor_ended_nor_failed() -> None:
    assert {"running-unhealthy", "pending-deploy", "upgrade-running"} <= LIVING
    assert not LIVING & (FAILED | {"removed", "new"})
    assert not [s for s in LIVING if "remove" in s or "purge" in s]
    ending = {s for s in UNSTABLE if "remove" in s or "purge" in s}
    assert set(STATUSES) - LIVING == FAILED | ending | {"removed", "new"}


def test_the_groups_have_the_sizes_of_the_original_engine() -> None:
    assert len(PENDING) == 14
    assert len(FAILED) == 14
    assert len([s for s in STATUSES if s.endswith("-completed")]) == 13
    assert len(RUNNING) == 4


def test_a_purge_has_no_completed_status() -> None:
    assert "purge-completed" not in STATUSES


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_a_status_belongs_to_a_stage_unless_it_rests(status: str) -> None:
    meaning, stage = STATUSES[status], stage_of(status)
    if isinstance(meaning, StageStatus):
        assert stage is STAGES[meaning.stage]
    else:
        assert stage is None
