"""README's figures are those of the file."""

from typing import Any

import pytest

from benchmarks.readme import BEGIN, END, goal, mark, rounded, table, with_table


def figure(**changes: Any) -> dict[str, Any]:
    bare = {"name": "rate", "value": 5.2631, "unit": "/s", "goal": None, "met": None}
    return {**bare, "rival": None, "ratio": None, "measurement": "burst", **changes}


def found(*figures: dict[str, Any], **more: Any) -> dict[str, Any]:
    head = {"machine": "2 cores", "commit": "abc1234", "seed": 1}
    return {**head, "results": list(figures), **more}


def test_the_table_says_where_it_was_measured_and_groups() -> None:
    lines = table(found(figure(), figure(name="other"), figure(measurement="idle"))).splitlines()
    assert lines[0] == "2 cores, commit abc1234, seed 1:"
    assert lines[4:] == [
        "| **A burst** | | | |",
        "| rate | 5.26 /s |  |  |",
        "| other | 5.26 /s |  |  |",
        "| **Nothing to do** | | | |",
        "| rate | 5.26 /s |  |  |",
    ]


def test_a_missed_goal_and_a_failed_measurement_are_told() -> None:
    shown = table(found(figure(goal=6, met=False), failures={"crowd": "RuntimeError: no"}))
    assert "| rate | 5.26 /s | ≥ 6 /s | **missed** |" in shown
    assert "crowd: not measured" in shown
    assert "RuntimeError" not in shown


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"value": 2.0, "goal": 6, "met": True, "unit": "s"}, "≤ 6 s"),
        ({"value": 7.0, "goal": 6, "met": False, "unit": "s"}, "≤ 6 s"),
        ({"value": 7.0, "goal": 6, "met": True}, "≥ 6 /s"),
        ({"value": 500.0, "goal": 500, "met": True, "unit": "instances"}, "≥ 500 instances"),
        ({"value": 5.0, "goal": 10, "met": True, "rival": 0.1, "ratio": 50.0}, "≥ 10 times"),
        ({}, ""),
    ],
)
def test_a_goal_is_shown_with_its_sign(changes: dict[str, Any], text: str) -> None:
    assert goal(figure(**changes)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1234, "0.12"), (12.345, "12.3"), (123.45, "123"), (12345.6, "12,346"), (20.0, "20")],
)
def test_values_are_rounded_to_what_counts(value: float, text: str) -> None:
    assert rounded(value) == text


def test_only_what_is_between_the_marks_changes() -> None:
    begin, end = mark("", BEGIN), mark("", END)
    page = f"before\n{begin}\nold\n{end}\nafter\n"
    assert with_table(page, "new") == f"before\n{begin}\nnew\n{end}\nafter\n"


def test_a_block_is_written_without_touching_the_others() -> None:
    blocks = [f"{mark(name, BEGIN)}\n{name}\n{mark(name, END)}\n" for name in ("", "trials")]
    page = with_table("".join(blocks), "new", "trials")
    assert page == blocks[0] + blocks[1].replace("\ntrials\n", "\nnew\n")
    with pytest.raises(ValueError, match="has no"):
        with_table("nothing", "new")
