from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import PrivateFormat

from polydock_pipelines.catalog import references
from tests.unit.catalog.writer import private_key


@pytest.mark.parametrize("kind", [PrivateFormat.OpenSSH, PrivateFormat.PKCS8])
def test_a_key_in_either_form_is_taken(kind: PrivateFormat) -> None:
    key = private_key(kind)
    assert references.deploy_key("${K}", {"K": key}).reveal() == key


@pytest.mark.parametrize("bend", [str.strip, lambda k: k.replace("\n", "\\n")])
def test_a_key_is_kept_with_plain_line_ends(bend: Any) -> None:
    key = private_key()
    assert references.deploy_key("${K}", {"K": bend(key)}).reveal() == key
    windows = key.replace("\n", "\r\n")
    assert references.deploy_key("${K}", {"K": windows}).reveal() == key


def test_a_key_with_a_passphrase_is_refused_without_being_shown() -> None:
    key = private_key(PrivateFormat.PKCS8, b"swordfish")
    with pytest.raises(ValueError, match="protected by a passphrase") as refused:
        references.deploy_key("${K}", {"K": key})
    assert "BEGIN" not in str(refused.value)


def test_a_secret_with_a_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="holds a NUL"):
        references.resolve("${A}", {"A": "x\0"})


def test_names_of_an_export_are_never_the_same() -> None:
    names = [
        references.deploy_key_name("eu"),
        references.deploy_key_name("eu-deploy-key"),
        references.variable_env_name("eu", None, "DEPLOY_KEY"),
        references.variable_env_name("eu", None, "cms__A"),
        references.variable_env_name("eu", "cms", "A"),
        references.variable_env_name("eu-cms", "x", "A"),
        references.variable_env_name("eu", "cms-x", "A"),
    ]
    assert len(set(names)) == len(names)
    assert names[0] == "POLYDOCK_STORE_EU_DEPLOY_KEY"
    assert all(references.is_reference(f"${{{name}}}") for name in names)
