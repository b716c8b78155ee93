"""The drawn page is the table's."""

from pathlib import Path

from polydock_pipelines.lifecycle.drawing import page
from polydock_pipelines.lifecycle.table import LIFECYCLE, STATUSES

PAGE = Path(__file__).parents[3] / "docs" / "lifecycle.md"


def test_the_page_in_docs_is_fresh() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"


def test_the_page_names_every_stage_and_every_status() -> None:
    drawn = page()
    assert all(f"| `{stage.name}` |" in drawn for stage in LIFECYCLE)
    assert all(f"`{status}`" in drawn for status in STATUSES)
