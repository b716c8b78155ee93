"""A catalogue document to YAML that people like to read and `apply` takes."""

from collections.abc import Mapping

import yaml

from polydock_pipelines.catalog.diff import Plain
from polydock_pipelines.catalog.references import names_in

HEAD = """\
# The catalogue as the database has it; `polydock catalog apply` takes it back.
"""
SECRETS = """\
# Secrets are not in here. Set these in the environment before you apply:
"""


class _Dumper(yaml.SafeDumper):
    """Safe, and texts of several lines stay readable."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)  # pyright: ignore[reportUnknownMemberType] - PyYAML's stubs


_Dumper.add_representer(str, _text)


def as_yaml(document: Mapping[str, Plain]) -> str:
    """Return *document* as YAML, with the secrets to set named at the top."""
    names = names_in(document)
    head = HEAD + (SECRETS + "".join(f"#   {name}\n" for name in names) if names else "")
    body = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return f"{head}\n{body}"
