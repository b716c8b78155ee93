"""Back from a removal, and out of a purge: what `restore` and `confirm_gone` allow."""

import pytest

from polydock_pipelines.lifecycle.table import STATUSES, Kind, stage_of
from polydock_pipelines.lifecycle.transitions import (
    Change,
    NotAllowedError,
    call_back,
    cancel_purge,
    confirm_gone,
    restore,
)
from tests.fakes.clock import START as NOW

PURGING = {s for s in STATUSES if (stage := stage_of(s)) and stage.kind is Kind.PURGE}


def test_a_restored_instance_begins_where_its_project_is_configured() -> None:
    change = restore("removed", 0, NOW)
    assert (change.statuses, change.stage) == (("pending-post-create",), "post-create")
    assert (change.due_at, change.attempt) == (NOW, 0)


def test_a_purge_that_nobody_has_begun_is_restored_and_called_off() -> None:
    assert restore("pending-purge", 0, NOW).stage == "post-create"
    off = cancel_purge("pending-purge", 0)
    assert off is not None
    assert off.statuses == ("removed",)


@pytest.mark.parametrize("status", ["pending-purge", "purge-running", "purge-failed"])
def test_a_purge_that_was_begun_goes_on(status: str) -> None:
    assert cancel_purge(status, 1) is None
    with pytest.raises(NotAllowedError):
        restore(status, 1, NOW)


def test_a_removal_that_nobody_has_begun_is_called_back() -> None:
    before = "running-unhealthy"
    change = call_back("pending-pre-remove", before, 0)
    assert change is not None
    assert change.statuses == (before,)
    assert call_back("pending-pre-remove", before, 1) is None
    assert call_back("pending-pre-remove", None, 0) is None
    assert call_back("pre-remove-running", before, 0) is None


@pytest.mark.parametrize("status", sorted({*STATUSES} - {"removed", "pending-purge"}))
def test_nothing_but_a_removed_instance_is_restored(status: str) -> None:
    with pytest.raises(NotAllowedError, match=f"only a removed instance.*{status}"):
        restore(status, 0, NOW)


def test_somebodys_word_ends_every_way_of_a_purge() -> None:
    gone = "Lagoon project already deleted"
    whole = ("pending-purge", "purge-running", "removed")
    assert confirm_gone("removed") == Change(whole, gone)
    assert {"pending-purge", "purge-running", "purge-failed"} == PURGING
    for status in PURGING:
        left = ("removed",) if status == "purge-running" else whole[1:]
        assert confirm_gone(status) == Change(left, gone)


@pytest.mark.parametrize("status", sorted({*STATUSES} - {"removed"} - PURGING))
def test_nothing_that_still_has_something_in_lagoon_is_called_gone(status: str) -> None:
    with pytest.raises(NotAllowedError, match="still has something in Lagoon; remove it first"):
        confirm_gone(status)
