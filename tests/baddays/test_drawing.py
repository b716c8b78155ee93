"""The drawn page is the tables', and names only tests that there are."""

import ast
from pathlib import Path

import pytest

from tests.baddays import calls, table
from tests.baddays.drawing import ROWS, page
from tests.baddays.played import PLAYED, Played

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "bad-days.md"


def test_the_page_in_docs_is_fresh() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"


def test_the_page_names_every_day_and_every_call() -> None:
    drawn = page()
    assert [day for days in ROWS.values() for day in days] == table.NAMED
    assert all(day.name in drawn for day in table.NAMED)
    assert all(f"| `{call.match}` |" in drawn for call in calls.CALLS)


@pytest.mark.parametrize("played", [one for days in PLAYED.values() for one in days])
def test_every_day_that_is_named_is_played_by_a_test(played: Played) -> None:
    file, _, name = played.test.partition("::")
    defined = ast.parse((TESTS / file).read_text()).body
    assert name in {one.name for one in defined if isinstance(one, ast.FunctionDef)}
