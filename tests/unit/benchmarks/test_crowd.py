"""Requests are told apart by who asked."""

from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.crowd import requests_a_tick

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def posts(*asked: tuple[str, float, str]) -> list[dict[str, Any]]:
    """Return requests of (connection, second, root field)."""
    return [
        {
            "number": number,
            "connection": connection,
            "at": (START + timedelta(seconds=second)).isoformat(),
            "fields": {field: 1},
        }
        for number, (connection, second, field) in enumerate(asked, start=1)
    ]


def test_only_connections_that_ask_what_runs_are_ticks() -> None:
    found = requests_a_tick(
        posts(
            ("a", 0, "deploymentsByFilter"),
            ("run", 0.1, "addProject"),
            ("a", 2.4, "deploymentsByFilter"),
            ("a", 2.5, "deploymentsByBulkId"),
            ("run", 2.6, "deploymentsByBulkId"),
            ("b", 5, "deploymentsByFilter"),
        )
    )
    assert sorted(found) == [1, 3]


def test_a_port_that_is_given_out_again_is_another_tick() -> None:
    again = posts(("a", 0, "deploymentsByFilter"), ("a", 60, "deploymentsByFilter"))
    assert requests_a_tick(again) == [1, 1]
