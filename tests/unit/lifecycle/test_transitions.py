from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polydock_pipelines.lifecycle.outcome import Done, Failed, Outcome, Unreachable, Waiting
from polydock_pipelines.lifecycle.status import RUNNING, Resting
from polydock_pipelines.lifecycle.table import (
    FAILED,
    IN_HAND,
    LIFECYCLE,
    PENDING,
    STABLE,
    STAGES,
    STATUSES,
    UNSTABLE,
    WISHES,
    Crossroads,
    Kind,
    Stage,
    Wish,
    leg_of,
    stage_of,
)
from polydock_pipelines.lifecycle.transitions import (
    BACK_OFF,
    LONGEST_OUTAGE,
    Change,
    NotAllowedError,
    Position,
    begin,
    deadline,
    enter,
    failed,
    pending,
    retry,
    running,
    settle,
    wish,
)
from tests.fakes.clock import START as NOW

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
FACTS = Crossroads(has_owner=True, running_before=None)
OUTCOMES: dict[str, Outcome | Unreachable] = {
    "done": Done(note="fine"),
    "waiting": Waiting(NOW + MINUTE, note="a build runs"),
    "failed": Failed("it broke"),
    "failed for good": Failed("it was refused", is_final=True),
    "unreachable": Unreachable("Lagoon is away", NOW + 30 * SECOND),
}

stages = pytest.mark.parametrize("stage", LIFECYCLE, ids=lambda stage: stage.name)
outcomes = pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES)


def standing(stage: str = "create", **changes: Any) -> Position:
    """Return an instance that was just claimed from pending, at the first attempt."""
    row = STAGES[stage]
    at = Position(
        stage=row,
        status=pending(stage),
        attempt=1,
        deadline=deadline(row, NOW),
        wanted=None,
        crossroads=FACTS,
    )
    return replace(at, **changes)


def ends_at(change: Change, before: str) -> str:
    return change.statuses[-1] if change.statuses else before


# -- every pair of stage and outcome


@stages
@outcomes
def test_every_outcome_at_every_stage_leads_to_known_statuses(
    stage: Stage, outcome: Outcome | Unreachable
) -> None:
    change = settle(standing(stage.name), outcome, NOW)
    assert set(change.statuses) <= set(STATUSES)
    assert change.stage is None or change.stage in STAGES


@stages
def test_done_leads_to_what_the_table_says(stage: Stage) -> None:
    change = settle(standing(stage.name), Done(), NOW)
    then = stage.then(FACTS) if callable(stage.then) else stage.then
    walked = (f"{stage.name}-completed",) if stage.has_completed else ()
    if isinstance(then, Resting):
        assert change.statuses == (*walked, then.value)
        assert (change.stage, change.due_at) == (None, None)
    else:
        assert change.statuses == (*walked, f"pending-{then}")
        assert (change.stage, change.due_at, change.attempt) == (then, NOW, 0)


@stages
def test_waiting_keeps_the_status_and_spends_no_attempt(stage: Stage) -> None:
    change = settle(standing(stage.name, attempt=3), OUTCOMES["waiting"], NOW)
    assert change.statuses == ()
    assert (change.due_at, change.attempt) == (NOW + MINUTE, 0)


@stages
def test_a_failure_goes_back_to_pending_after_a_pause(stage: Stage) -> None:
    change = settle(standing(stage.name), OUTCOMES["failed"], NOW)
    assert change.statuses == (f"pending-{stage.name}",)
    assert (change.due_at, change.attempt) == (NOW + (stage.back_off or BACK_OFF)[0], 1)
    assert change.message == "it broke"


@stages
def test_a_final_failure_ends_the_instance_at_once(stage: Stage) -> None:
    change = settle(standing(stage.name), OUTCOMES["failed for good"], NOW)
    assert change.statuses == (f"{stage.name}-failed",)
    assert (change.due_at, change.message) == (None, "it was refused")


@stages
def test_an_endpoint_that_is_away_costs_no_attempt_and_no_time(stage: Stage) -> None:
    change = settle(standing(stage.name, attempt=4), OUTCOMES["unreachable"], NOW)
    assert change.statuses == (f"pending-{stage.name}",)
    assert (change.attempt, change.due_at) == (3, NOW + 30 * SECOND)
    assert change.is_endpoint_away


@stages
def test_an_endpoint_that_is_away_for_more_than_a_day_fails_the_instance(stage: Stage) -> None:
    long_ago = replace(standing(stage.name), unreachable_since=NOW - LONGEST_OUTAGE - SECOND)
    change = settle(long_ago, OUTCOMES["unreachable"], NOW)
    assert change.statuses == (f"{stage.name}-failed",)
    assert change.message == "Lagoon is away (for more than a day)"


def test_a_failure_may_ask_to_be_given_up_sooner_than_the_stage_would() -> None:
    denied = Failed("we may not", attempts=3)
    assert settle(standing(attempt=2), denied, NOW).statuses == ("pending-create",)
    assert settle(standing(attempt=3), denied, NOW).statuses == ("create-failed",)


@pytest.mark.parametrize("outcome", ["failed", "unreachable"])
def test_a_polled_stage_stays_running_because_lagoon_is_still_at_work(outcome: str) -> None:
    change = settle(standing("deploy", status="deploy-running"), OUTCOMES[outcome], NOW)
    assert change.statuses == ()
    assert change.due_at == NOW + 30 * SECOND


# -- time and attempts


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 30), (2, 60), (3, 120), (4, 300), (5, 600), (6, 600), (9, 600)]
)
def test_the_pause_after_a_failure_grows(attempt: int, seconds: int) -> None:
    patient = replace(STAGES["remove"], attempts=10)
    at = replace(standing("remove", attempt=attempt), stage=patient)
    assert settle(at, Failed("no"), NOW).due_at == NOW + seconds * SECOND


def test_the_last_attempt_ends_the_instance_and_says_how_many_there_were() -> None:
    change = settle(standing(attempt=6), Failed("no"), NOW)
    assert change.statuses == ("create-failed",)
    assert change.message == "no (gave up after 6 attempts)"


@pytest.mark.parametrize("attempt", [1, 2, 100, 143])
def test_a_purge_pauses_ten_minutes_after_each_attempt(attempt: int) -> None:
    change = settle(standing("purge", attempt=attempt), Failed("it stands"), NOW)
    assert change.statuses == ("pending-purge",)
    assert (change.due_at, change.attempt) == (NOW + 10 * MINUTE, attempt)


def test_a_purge_whose_attempts_are_spent_says_so_in_the_words_of_the_original() -> None:
    change = settle(standing("purge", attempt=144), Failed("main still {stands}"), NOW)
    assert change.statuses == ("purge-failed",)
    reason = "Purge polling cap reached (144 attempts) without success: main still {stands}"
    assert change.message == reason


def test_a_purge_takes_a_denial_for_one_of_its_looks() -> None:
    change = settle(standing("purge", attempt=50), Failed("we may not", attempts=3), NOW)
    assert (change.statuses, change.due_at) == (("pending-purge",), NOW + 600 * SECOND)


def test_a_stage_may_have_several_pauses_of_its_own() -> None:
    own = replace(STAGES["remove"], back_off=(SECOND, MINUTE))
    places = [replace(standing("remove", attempt=n), stage=own) for n in (1, 2, 3)]
    due = [settle(at, Failed("no"), NOW).due_at for at in places]
    assert due == [NOW + SECOND, NOW + MINUTE, NOW + MINUTE]


def test_a_purge_can_spend_all_its_attempts_before_its_deadline() -> None:
    change, at, now = enter("purge", NOW), standing("purge", attempt=0), NOW
    for _ in range(STAGES["purge"].attempts):
        assert change.statuses == ("pending-purge",)
        first = begin("pending-purge", at.attempt)
        change = settle(replace(at, attempt=first.attempt), Failed("it stands"), now)
        at, now = replace(at, attempt=change.attempt), change.due_at or now
    assert change.statuses == ("purge-failed",)
    assert change.message.startswith("Purge polling cap reached (144 attempts)")


def test_a_pause_that_would_pass_the_deadline_ends_the_instance() -> None:
    at = standing(deadline=NOW + 30 * SECOND)
    assert settle(at, Failed("no"), NOW).statuses == ("create-failed",)
    at = standing(deadline=NOW + 31 * SECOND)
    assert settle(at, Failed("no"), NOW).statuses == ("pending-create",)


def test_waiting_beyond_the_deadline_ends_the_instance_with_a_sentence() -> None:
    at = standing("deploy", deadline=NOW)
    change = settle(at, Waiting(NOW + MINUTE), NOW)
    assert change.statuses == ("deploy-failed",)
    assert change.message == "Build and deploy: not finished after 60 minutes"


def test_nobody_waits_longer_than_the_deadline() -> None:
    at = standing("deploy", deadline=NOW + MINUTE)
    assert settle(at, Waiting(NOW + 9 * MINUTE), NOW).due_at == NOW + MINUTE


@stages
def test_a_stage_must_be_left_within_its_limit(stage: Stage) -> None:
    assert deadline(stage, NOW) == NOW + stage.limit
    assert enter(stage.name, NOW).due_at == NOW


# -- beginning


@pytest.mark.parametrize("status", sorted(PENDING | IN_HAND))
def test_beginning_counts_the_attempt_before_the_step_runs(status: str) -> None:
    stage = stage_of(status)
    assert stage is not None
    change = begin(status, 0)
    assert ends_at(change, status) == running(stage.name)
    assert change.attempt == 1


@pytest.mark.parametrize("status", sorted(PENDING | IN_HAND))
def test_an_instance_whose_workers_died_at_every_attempt_fails(status: str) -> None:
    stage = stage_of(status)
    assert stage is not None
    change = begin(status, stage.attempts)
    assert change.statuses == (failed(stage.name),)
    assert f"the worker died in each of {stage.attempts} attempts" in change.message


@pytest.mark.parametrize("status", sorted(set(STATUSES) - PENDING - IN_HAND))
def test_what_rests_or_failed_cannot_be_begun(status: str) -> None:
    with pytest.raises(NotAllowedError, match=f"an instance that is {status} has nothing to do"):
        begin(status, 0)


# -- wishes


def _allowed(status: str, wanted: Wish) -> bool:
    """Say in other words than the table's what an operator may wish for."""
    if wanted is Wish.PURGE:
        return status in {"removed", "purge-failed"}
    if wanted is Wish.UPGRADE:
        return status in {
            "running-healthy-claimed",
            "running-healthy-unclaimed",
            "running-unresponsive",
            "running-unhealthy",
        }
    return status != "removed" and "purge" not in status


def _under_way(status: str, wanted: Wish) -> bool:
    stage = stage_of(status)
    return stage is not None and stage.kind.value == wanted.value and status not in FAILED


@pytest.mark.parametrize(("status", "wanted"), sorted(product(STATUSES, Wish)))
def test_a_wish_is_obeyed_refused_or_already_under_way(status: str, wanted: Wish) -> None:
    if _under_way(status, wanted):
        assert wish(status, wanted, NOW) is None
    elif _allowed(status, wanted):
        change = wish(status, wanted, NOW)
        assert change is not None
        assert change.statuses == (pending(WISHES[wanted]),)
        assert (change.stage, change.due_at) == (WISHES[wanted], NOW)
    else:
        with pytest.raises(NotAllowedError, match=f"an instance that is {status} cannot be asked"):
            wish(status, wanted, NOW)


FORWARD = [s for s in LIFECYCLE if s.kind in (Kind.PROVISION, Kind.ACTIVATE, Kind.UPGRADE)]


@pytest.mark.parametrize("stage", FORWARD, ids=lambda stage: stage.name)
@outcomes
def test_a_removal_that_was_wished_for_follows_whatever_the_outcome(
    stage: Stage, outcome: Outcome | Unreachable
) -> None:
    change = settle(standing(stage.name, wanted=Wish.REMOVE), outcome, NOW)
    done = (f"{stage.name}-completed",) if isinstance(outcome, Done) else ()
    assert change.statuses == (*done, "pending-pre-remove")
    assert (change.stage, change.due_at, change.attempt) == ("pre-remove", NOW, 0)
    assert change.message == "remove was asked for"


@pytest.mark.parametrize("stage", ["pre-remove", "remove", "post-remove"])
@outcomes
def test_a_removal_under_way_does_not_begin_anew(
    stage: str, outcome: Outcome | Unreachable
) -> None:
    wished = settle(standing(stage, wanted=Wish.REMOVE), outcome, NOW)
    assert wished == settle(standing(stage), outcome, NOW)


@pytest.mark.parametrize(("stage", "wanted"), sorted(product(STAGES, Wish)))
@outcomes
def test_a_wish_never_leads_past_what_the_table_allows(
    stage: str, wanted: Wish, outcome: Outcome | Unreachable
) -> None:
    change = settle(standing(stage, wanted=wanted), outcome, NOW)
    if change.stage != WISHES[wanted] or change == settle(standing(stage), outcome, NOW):
        return
    last = change.statuses[-2] if len(change.statuses) > 1 else running(stage)
    assert _allowed(last, wanted), f"{wanted} was obeyed at {last}"


@pytest.mark.parametrize(
    ("stage", "wanted", "then"),
    [
        ("post-remove", Wish.PURGE, "pending-purge"),
        ("polydock-claim", Wish.UPGRADE, "pending-pre-upgrade"),
    ],
)
def test_a_wish_that_must_wait_is_obeyed_where_the_instance_comes_to_rest(
    stage: str, wanted: Wish, then: str
) -> None:
    rested = settle(standing(stage), Done(), NOW)
    change = settle(standing(stage, wanted=wanted), Done(), NOW)
    assert change.statuses == (*rested.statuses, then)
    assert change.stage == WISHES[wanted]


# -- retry


@pytest.mark.parametrize("status", sorted(FAILED))
def test_a_retry_takes_a_failed_instance_on_where_the_table_says(status: str) -> None:
    stage = stage_of(status)
    assert stage is not None
    entry = stage.retry_at or stage.name
    change = retry(status, NOW)
    assert change.statuses == (pending(entry),)
    assert (change.stage, change.due_at, change.attempt) == (entry, NOW, 0)


@pytest.mark.parametrize("status", sorted(set(STATUSES) - FAILED))
def test_only_what_failed_can_be_retried(status: str) -> None:
    with pytest.raises(NotAllowedError, match="only a failed instance can be retried"):
        retry(status, NOW)


def test_a_name_that_was_taken_is_chosen_anew_at_a_retry() -> None:
    assert retry("create-failed", NOW).statuses == ("pending-pre-create",)


# -- whatever happens, in whatever order

ANY_OUTCOME = st.one_of(
    st.just(Done()),
    st.builds(Failed, st.just("no"), is_final=st.booleans()),
    st.integers(0, 7200).map(lambda s: Waiting(NOW + s * SECOND)),
    st.integers(1, 300).map(lambda s: Unreachable("away", NOW + s * SECOND)),
)


@given(
    stage=st.sampled_from(LIFECYCLE),
    is_running=st.booleans(),
    attempt=st.integers(1, 20),
    left=st.integers(-7200, 7200),
    wanted=st.none() | st.sampled_from(Wish),
    has_owner=st.booleans(),
    before=st.none() | st.sampled_from(sorted(RUNNING)),
    outcome=ANY_OUTCOME,
)
def test_settle_only_ever_yields_statuses_of_the_table(  # noqa: PLR0917 - by Hypothesis
    stage: Stage, is_running, attempt, left, wanted, has_owner, before, outcome
) -> None:
    at = Position(
        stage=stage,
        status=running(stage.name) if is_running else pending(stage.name),
        attempt=attempt,
        deadline=NOW + left * SECOND,
        wanted=wanted,
        crossroads=Crossroads(has_owner, before),
    )
    change = settle(at, outcome, NOW)
    assert set(change.statuses) <= set(STATUSES)
    last = ends_at(change, running(stage.name))
    assert last in STABLE | FAILED or (change.due_at is not None and leg_of(last))
    assert change.attempt >= 0


def _advance(status: str, at: Position, outcome: Outcome | Unreachable) -> tuple[str, Position]:
    """Play `db`: begin, settle, and write what is to be kept of the change."""
    first = begin(status, at.attempt)
    word = ends_at(first, status)
    if word in FAILED:
        return word, at
    change = settle(replace(at, status=status, attempt=first.attempt), outcome, NOW)
    entered = STAGES[change.stage] if change.stage else at.stage
    wanted = None if change.stage and at.wanted and WISHES[at.wanted] == change.stage else at.wanted
    until = deadline(entered, NOW) if change.stage else at.deadline
    after = replace(at, stage=entered, attempt=change.attempt, deadline=until, wanted=wanted)
    return ends_at(change, word), after


@given(
    entry=st.sampled_from(("pre-create", *WISHES.values())),
    story=st.lists(ANY_OUTCOME, max_size=60),
    wanted=st.none() | st.just(Wish.REMOVE),
)
def test_after_any_story_an_instance_rests_failed_or_has_somebody_to_work_it(
    entry: str, story: list[Outcome | Unreachable], wanted: Wish | None
) -> None:
    status, at = pending(entry), standing(entry, attempt=0, wanted=wanted)
    for outcome in story:
        if leg_of(status) is None:
            break
        status, at = _advance(status, at, outcome)
    assert status in STABLE | FAILED or leg_of(status) is not None
    assert not status.endswith("-completed")


@given(
    entry=st.sampled_from(("pre-create", *WISHES.values())),
    worst=st.sampled_from([Failed("no"), Done()]),
)
def test_an_instance_that_always_fails_or_always_succeeds_comes_to_an_end(
    entry: str, worst: Outcome
) -> None:
    status, at = pending(entry), standing(entry, attempt=0)
    for _ in range(sum(stage.attempts for stage in LIFECYCLE)):
        if status in UNSTABLE:
            status, at = _advance(status, at, worst)
    assert status in STABLE | FAILED
