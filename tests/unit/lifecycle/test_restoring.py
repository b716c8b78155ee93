"""Back from a removal, and out of a purge: what `restore` and `confirm_gone` allow."""

import pytest

from polydock_pipelines.lifecycle.table import STATUSES, Kind, stage_of
from polydock_pipelines.lifecycle.transitions import (
    Change,
    NotAllowedError,
    confirm_gone,
    restore,
)
from tests.fakes.clock import START as NOW

PURGING = {s for s in STATUSES if (stage := stage_of(s)) and stage.kind is Kind.PURGE}


def test_a_restored_instance_begins_where_its_project_is_configured() -> None:
    change = restore("removed", NOW)
    assert (change.statuses, change.stage) == (("pending-post-create",), "post-create")
    assert (change.due_at, change.attempt) == (NOW, 0)


@pytest.mark.parametrize("status", sorted({*STATUSES} - {"removed"}))
def test_nothing_but_a_removed_instance_is_restored(status: str) -> None:
    with pytest.raises(NotAllowedError, match=f"only a removed instance.*{status}"):
        restore(status, NOW)


def test_somebodys_word_ends_every_way_of_a_purge() -> None:
    gone = "Lagoon project already deleted"
    assert confirm_gone("removed") == Change(("pending-purge", "removed"), gone)
    assert {"pending-purge", "purge-running", "purge-failed"} == PURGING
    for status in PURGING:
        assert confirm_gone(status) == Change(("removed",), gone)


@pytest.mark.parametrize("status", sorted({*STATUSES} - {"removed"} - PURGING))
def test_nothing_that_still_has_something_in_lagoon_is_called_gone(status: str) -> None:
    with pytest.raises(NotAllowedError, match="still has something in Lagoon; remove it first"):
        confirm_gone(status)
