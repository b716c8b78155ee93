"""Writes README's table of settings from the class that reads them. `make docs` runs it."""

import sys
from pathlib import Path

from pydantic.fields import FieldInfo

from polydock_pipelines.settings import Settings

BEGIN = "<!-- settings:begin (make docs writes this table) -->"
END = "<!-- settings:end -->"


def table() -> str:
    """Return the table in Markdown."""
    lines = ["| Variable | Default | Meaning |", "|---|---|---|"]
    for field in Settings.model_fields.values():
        lines.append(f"| `{_name(field)}` | {_default(field)} | {field.description} |")
    return "\n".join(lines)


def _name(field: FieldInfo) -> str:
    alias = field.validation_alias
    return alias if isinstance(alias, str) else str(alias)


def _default(field: FieldInfo) -> str:
    value = field.get_default()
    return "" if value in (None, "", ()) else f"`{value}`"


def with_table(page: str) -> str:
    """Return *page* with the table between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    readme = Path(sys.argv[1])
    readme.write_text(with_table(readme.read_text()))
