"""The small rules of the simulated amazee.ai: aliases, addresses, months, matches."""

from datetime import UTC, datetime

import pytest

from polydock_pipelines.simulator.amazee_ai.emails import like, without_tag
from polydock_pipelines.simulator.amazee_ai.key_service import next_month, sanitized
from polydock_pipelines.simulator.faults import Fault, Faults


@pytest.mark.parametrize(
    ("text", "alias"),
    [
        ("ann@example.com - llm", "ann_at_example.com_-_llm"),
        ("ann+a@example.com - a  b", "ann_a_at_example.com_-_a_b"),
        ("_ann@b.io - llm/1.-", "ann_at_b.io_-_llm/1"),
        ("ann@b.io - ", "ann_at_b.io"),
        ("a" * 254 + "-" + "b" * 10, "a" * 254),
    ],
)
def test_an_alias_keeps_letters_digits_and_few_signs(text: str, alias: str) -> None:
    assert sanitized(text) == alias


@pytest.mark.parametrize(
    ("email", "plain"),
    [("Ann+a+b@B.io", "ann@b.io"), ("ann@b.io", "ann@b.io"), ("ann@b+c.io", "ann@b+c.io")],
)
def test_a_tag_is_what_follows_a_plus_in_the_local_part(email: str, plain: str) -> None:
    assert without_tag(email) == plain


@pytest.mark.parametrize(
    ("text", "is_found"), [("n@b.", True), ("a__@", True), ("a%io", True), ("a.n", False)]
)
def test_a_search_knows_the_wildcards_of_sql_alone(text: str, is_found: bool) -> None:  # noqa: FBT001
    assert bool(like(text).search("ann@b.io")) is is_found


@pytest.mark.parametrize(
    ("now", "then"), [((2026, 1, 31), (2026, 2, 1)), ((2026, 12, 1), (2027, 1, 1))]
)
def test_a_month_begins_on_its_first(now: tuple[int, int, int], then: tuple[int, int, int]) -> None:
    assert next_month(datetime(*now, 17, 30, tzinfo=UTC)) == datetime(*then, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "is_meant"),
    [
        ("DELETE /amazee-ai/private-ai-keys/7", True),
        ("DELETE /amazee-ai/private-ai-keys/7/spend", False),
        ("GET /amazee-ai/private-ai-keys/7", False),
        ("DELETE /amazee-ai/private-ai-keys", False),
    ],
)
def test_a_star_in_a_match_is_one_segment(asked: str, is_meant: bool) -> None:  # noqa: FBT001
    faults = Faults()
    faults.order(Fault(match="DELETE /amazee-ai/private-ai-keys/*", kind="http500"))

    assert (faults.take({asked}, {"http500"}) is not None) is is_meant


def test_a_star_for_any_ssh_stage_names_nothing_else() -> None:
    faults = Faults()
    faults.order(Fault(match="ssh:*", kind="ssh_254"))

    assert faults.take({"ssh:token"}, {"ssh_254"}) is None
    assert faults.take_ssh("token", {"ssh_254"}) is not None
