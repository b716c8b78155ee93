"""The drawn page is the registry's."""

from pathlib import Path

from polydock_pipelines.apps.drawing import page
from polydock_pipelines.apps.registry import APP_TYPES

PAGE = Path(__file__).parents[3] / "docs" / "app-types.md"


def test_the_page_in_docs_is_fresh() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"


def test_the_page_names_every_type_and_every_field() -> None:
    drawn = page()
    for app in APP_TYPES.values():
        assert f"## `{app.key}`: {app.label}" in drawn
        assert all(f"| `{field.name}` |" in drawn for field in app.store_fields)
        assert all(f"| `{field.name}` |" in drawn for field in app.instance_fields)
