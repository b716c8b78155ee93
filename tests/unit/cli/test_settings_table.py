"""README's table of settings is the class's."""

from pathlib import Path

from polydock_pipelines.cli.settings_table import table, with_table
from polydock_pipelines.settings import Settings

README = Path(__file__).parents[3] / "README.md"


def test_the_table_in_the_readme_is_fresh() -> None:
    page = README.read_text()
    assert with_table(page) == page, "run `make docs`"


def test_every_setting_is_in_the_table_with_a_meaning() -> None:
    shown = table()
    for field in Settings.model_fields.values():
        assert f"`{field.validation_alias}`" in shown
        assert field.description
