import pytest
import yaml

from polydock_pipelines.catalog.writing import as_yaml


@pytest.mark.parametrize(
    "text",
    [
        "a\nb\n",
        "a\nb",
        " leading\n  more\n",
        "trailing \nspace\n\n\n",
        "\n\nfront",
        "tab\there\n",
        "yes",
        "7",
        "2026-01-01",
        "# no comment",
        "a: b",
        "${NAME} and more",
        "Grüße \u2028 ☕",
        "",
        "null",
    ],
)
def test_every_text_survives(text: str) -> None:
    assert yaml.safe_load(as_yaml({"a": {"b": [text]}})) == {"a": {"b": [text]}}


def test_texts_of_several_lines_stay_readable() -> None:
    assert "script: |\n    set -eu\n    echo\n" in as_yaml({"a": {"script": "set -eu\necho\n"}})


def test_the_secrets_to_set_stand_at_the_top() -> None:
    document = {"stores": [{"key": "eu", "deploy_key": "${KEY}", "variables": [{"value": "${B}"}]}]}
    assert as_yaml(document).splitlines()[1:4] == [
        "# Secrets are not in here. Set these in the environment before you apply:",
        "#   KEY",
        "#   B",
    ]
