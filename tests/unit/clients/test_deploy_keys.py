"""The public half of a deploy key."""

import asyncssh
import pytest

from polydock_pipelines.clients.keys import public_key_of
from polydock_pipelines.lifecycle.secret import Secret


@pytest.mark.parametrize(
    ("kind", "form"),
    [("ssh-ed25519", "openssh"), ("ssh-rsa", "openssh"), ("ssh-rsa", "pkcs1-pem")],
)
def test_a_public_key_is_derived_without_its_comment(kind: str, form: str) -> None:
    key = asyncssh.generate_private_key(kind, comment="somebody")
    expected = " ".join(key.export_public_key().decode().split()[:2])
    assert public_key_of(Secret(key.export_private_key(form).decode())) == expected


def test_line_ends_written_as_backslash_n_are_understood() -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    text = key.export_private_key().decode().replace("\n", "\\n")
    assert public_key_of(Secret(text)) is not None


@pytest.mark.parametrize("text", ["", "no key", "-----BEGIN RSA PRIVATE KEY-----\nx\n"])
def test_what_is_no_key_has_no_public_half(text: str) -> None:
    assert public_key_of(Secret(text)) is None


def test_a_key_with_a_passphrase_is_of_no_use() -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    text = key.export_private_key("pkcs8-pem", passphrase="x").decode()
    assert public_key_of(Secret(text)) is None
