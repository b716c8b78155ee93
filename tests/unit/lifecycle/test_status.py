import pytest

from polydock_pipelines.lifecycle.status import Resting, StageStatus, wire
from polydock_pipelines.lifecycle.table import STATUSES

# Copied by hand from the enum of the engine that API clients and webhook receivers know.
UPSTREAM = [
    "new",
    "pending-pre-create",
    "pre-create-running",
    "pre-create-completed",
    "pre-create-failed",
    "pending-create",
    "create-running",
    "create-completed",
    "create-failed",
    "pending-post-create",
    "post-create-running",
    "post-create-completed",
    "post-create-failed",
    "pending-pre-deploy",
    "pre-deploy-running",
    "pre-deploy-completed",
    "pre-deploy-failed",
    "pending-deploy",
    "deploy-running",
    "deploy-completed",
    "deploy-failed",
    "pending-post-deploy",
    "post-deploy-running",
    "post-deploy-completed",
    "post-deploy-failed",
    "pending-pre-upgrade",
    "pre-upgrade-running",
    "pre-upgrade-completed",
    "pre-upgrade-failed",
    "pending-upgrade",
    "upgrade-running",
    "upgrade-completed",
    "upgrade-failed",
    "pending-post-upgrade",
    "post-upgrade-running",
    "post-upgrade-completed",
    "post-upgrade-failed",
    "pending-pre-remove",
    "pre-remove-running",
    "pre-remove-completed",
    "pre-remove-failed",
    "pending-remove",
    "remove-running",
    "remove-completed",
    "remove-failed",
    "pending-post-remove",
    "post-remove-running",
    "post-remove-completed",
    "post-remove-failed",
    "running-healthy-unclaimed",
    "running-healthy-claimed",
    "running-unresponsive",
    "running-unhealthy",
    "pending-polydock-claim",
    "polydock-claim-running",
    "polydock-claim-completed",
    "polydock-claim-failed",
    "removed",
    "pending-purge",
    "purge-running",
    "purge-failed",
]


def test_there_are_61_wire_strings_and_they_are_the_original_engines() -> None:
    assert len(UPSTREAM) == 61
    assert set(STATUSES) == set(UPSTREAM)


@pytest.mark.parametrize("text", UPSTREAM)
def test_a_wire_string_means_a_status_that_writes_the_same_string(text: str) -> None:
    assert wire(STATUSES[text]) == text


def test_no_two_statuses_share_a_wire_string() -> None:
    assert len(set(STATUSES.values())) == len(STATUSES)


def test_each_status_is_either_resting_or_part_of_a_stage() -> None:
    assert all(isinstance(status, Resting | StageStatus) for status in STATUSES.values())


def test_wire_strings_fit_their_column() -> None:
    assert max(map(len, STATUSES)) <= 40
