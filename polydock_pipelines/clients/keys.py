"""The public half of a deploy key, as Lagoon shows it. No key is ever made here."""

import asyncssh

from polydock_pipelines.lifecycle.secret import Secret


def public_key_of(private_key: Secret) -> str | None:
    """Derive `<type> <base64>` without a comment; None when it is no unencrypted private key."""
    # Lagoon's own clients send keys with their line ends written as backslash-n.
    text = private_key.reveal().replace("\\n", "\n").strip() + "\n"
    try:
        key = asyncssh.import_private_key(text)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
        return None
    return " ".join(key.export_public_key("openssh").decode().split()[:2])
