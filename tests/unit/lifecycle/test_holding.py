import pytest

from polydock_pipelines.lifecycle.holding import AI_KINDS, Holding, HoldingKind
from tests.makers import an_instance

KEY = Holding(HoldingKind.AI_KEY, "trial-proj-creds", "trial@autogen.null")
USER = Holding(HoldingKind.AI_USER, "trial@autogen.null", external_id=3)


def test_keys_are_given_back_before_users_and_users_before_teams() -> None:
    # A user with keys cannot be deleted, and the keys of a deleted team are listed nowhere.
    assert AI_KINDS == (
        HoldingKind.AI_KEY,
        HoldingKind.AI_USER,
        HoldingKind.AI_TOKEN,
        HoldingKind.AI_TEAM,
    )


def test_the_kinds_are_written_in_the_ledger_as_they_are_here() -> None:
    # Rows of removed instances keep these words; a change needs a migration.
    words = {"organization-variables", "ai-key", "ai-user", "ai-token", "ai-team"}
    assert {kind.value for kind in HoldingKind} == words


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        (HoldingKind.AI_KEY, "trial-proj-creds", True),
        (HoldingKind.AI_KEY, "trial-proj-creds-2", False),
        (HoldingKind.AI_TOKEN, "trial-proj-creds", False),
    ],
)
def test_an_entry_is_known_by_its_kind_and_name(
    kind: HoldingKind,
    name: str,
    expected: bool,  # noqa: FBT001
) -> None:
    assert KEY.is_same(kind, name) is expected
    found = an_instance(holdings=(USER, KEY)).holding(kind, name)
    assert found == (KEY if expected else None)


def test_an_entry_says_at_first_that_the_thing_may_exist() -> None:
    assert (KEY.external_id, KEY.budget_usd, KEY.is_shared) == (None, None, False)
