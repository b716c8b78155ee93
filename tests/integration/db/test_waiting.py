"""What waits for Lagoon, as the sensor that looks in bulk sees it."""

from datetime import timedelta
from typing import Any

import pytest

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.waiting import rows_waiting
from polydock_pipelines.lifecycle.table import Kind
from tests.fakes.clock import START as NOW
from tests.makers import change_row, instance_row, new_instance

LATER = NOW + timedelta(hours=1)
WAITS: dict[str, Any] = {"next_check_at": LATER, "deadline": LATER}


def found(database: Database) -> list[int]:
    return [row.id for row in rows_waiting(database, NOW)]


@pytest.mark.parametrize(
    ("status", "kind", "is_removal"),
    [
        ("deploy-running", Kind.ACTIVATE, False),
        ("upgrade-running", Kind.UPGRADE, False),
        ("pre-remove-running", Kind.REMOVE, True),
        ("remove-running", Kind.REMOVE, True),
    ],
)
def test_an_instance_that_waits_for_lagoon_is_found_with_the_job_it_needs(
    database: Database,
    status: str,
    kind: Kind,
    is_removal: bool,  # noqa: FBT001
) -> None:
    instance_id = new_instance(
        database, status=status, build_bulk_id="b-1", lagoon_project_id=3, **WAITS
    )
    (row,) = rows_waiting(database, NOW)
    assert (row.id, row.kind, row.is_removal) == (instance_id, kind, is_removal)
    assert (row.bulk_id, row.project_id, row.branch, row.deadline) == ("b-1", 3, "main", LATER)
    assert not row.is_overdue(NOW)
    assert row.is_overdue(LATER)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "pending-deploy"},
        {"status": "running-healthy-claimed"},
        {"next_check_at": NOW + timedelta(seconds=10)},
        {"lease_token": "t", "lease_until": LATER},
        {"handover_id": "h", "handed_until": LATER},
    ],
    ids=["pending", "resting", "has its own time", "held", "handed over"],
)
def test_what_does_not_wait_for_lagoon_is_not_asked_about(
    database: Database, changes: dict[str, Any]
) -> None:
    instance_id = new_instance(database, status="deploy-running", **WAITS)
    assert found(database) == [instance_id]
    change_row(database, instance_id, **changes)
    assert found(database) == []


def test_those_with_the_nearest_deadline_come_first(database: Database) -> None:
    late = new_instance(database, status="deploy-running", **WAITS)
    soon = NOW + timedelta(minutes=1)
    early = new_instance(database, status="deploy-running", next_check_at=soon, deadline=soon)
    assert found(database) == [early, late]
    assert instance_row(database, early).deadline == soon
