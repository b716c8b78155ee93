import uuid
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polydock_pipelines.lifecycle.instance import bulk_id
from polydock_pipelines.lifecycle.outcome import Facts
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.lifecycle.table import STAGES
from tests.fakes.clock import START
from tests.makers import UUID, an_instance


def test_a_bulk_id_is_the_same_on_every_machine_and_day() -> None:
    # Written down once: Lagoon holds ids of builds that we started before an update of ours.
    assert bulk_id(UUID, "deploy", 1) == str(uuid.uuid5(uuid.UUID(UUID), "deploy:1"))
    assert bulk_id(UUID, "deploy", 1) == "b5d07515-8d8e-5f3c-ad92-f6fd8fa48af7"


@given(attempt=st.integers(1, 50), hours=st.integers(0, 5))
def test_repeating_a_stage_does_not_change_its_bulk_id(attempt: int, hours: int) -> None:
    repeated = an_instance(attempt=attempt, deadline=START + timedelta(hours=hours))
    assert repeated.bulk_id == an_instance().bulk_id


@given(
    st.lists(
        st.tuples(st.uuids().map(str), st.sampled_from(sorted(STAGES)), st.integers(1, 1000)),
        unique=True,
        min_size=2,
    )
)
def test_another_instance_stage_or_generation_has_another_bulk_id(
    builds: list[tuple[str, str, int]],
) -> None:
    assert len({bulk_id(*build) for build in builds}) == len(builds)


def test_a_secret_does_not_print_itself() -> None:
    secret = Secret("tiger")
    shown = f"{secret} {secret!r} {[secret]} {an_instance(facts=Facts(login_url=secret))}"
    assert "tiger" not in shown
    assert secret.reveal() == "tiger"


def test_facts_tell_only_what_was_learnt() -> None:
    facts = Facts(build_name="lagoon-build-1", pushed_variables=frozenset())
    assert facts.learnt() == {"build_name": "lagoon-build-1", "pushed_variables": frozenset()}


@pytest.mark.parametrize("field", ["name", "stage", "facts"])
def test_a_step_cannot_change_its_instance(field: str) -> None:
    with pytest.raises(AttributeError):
        setattr(an_instance(), field, "other")
