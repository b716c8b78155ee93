"""Secrets in a catalogue: `${NAME}` and nothing else, and what a deploy key must be."""

import binascii
import re
from collections.abc import Mapping, Sequence

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_ssh_private_key,
)

from polydock_pipelines.catalog.diff import Plain
from polydock_pipelines.lifecycle.secret import Secret

REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def is_reference(value: object) -> bool:
    """Whether *value* is `${NAME}` and nothing more."""
    return isinstance(value, str) and REFERENCE.fullmatch(value) is not None


def resolve(value: object, env: Mapping[str, str]) -> Secret:
    """Return the secret that *value* refers to. ValueError, without the value, when it does not."""
    found = REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(
            "is a secret; expected a reference to the environment such as ${MY_SECRET}"
        )
    name = found[1]
    secret = env.get(name, "")
    if not secret.strip():
        word = "empty" if name in env else "not set"
        raise ValueError(f"the environment variable {name} is {word}; set it, then apply again")
    if "\0" in secret:
        raise ValueError(f"the environment variable {name} holds a NUL character")
    return Secret(secret)


def deploy_key(value: object, env: Mapping[str, str]) -> Secret:
    """Return the private key that *value* refers to. ValueError says what is wrong with it."""
    # CI systems hand keys over with their line ends written as backslash-n.
    text = resolve(value, env).reveal().replace("\\n", "\n").replace("\r\n", "\n").strip() + "\n"
    load = load_ssh_private_key if "BEGIN OPENSSH PRIVATE KEY" in text else load_pem_private_key
    try:
        load(text.encode(), None)
    except TypeError:
        raise ValueError(
            "the key is protected by a passphrase, which Lagoon could not enter; expected one "
            "without"
        ) from None
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        raise ValueError(
            "the environment variable holds no private key; expected OpenSSH or PEM text"
        ) from None
    return Secret(text)


def deploy_key_name(store: str) -> str:
    """Return the environment variable that an export names for a store's deploy key."""
    return f"POLYDOCK_STORE_{_upper(store)}_DEPLOY_KEY"


def variable_env_name(store: str, app: str | None, variable: str) -> str:
    """Return the environment variable that an export names for a secret variable.

    Keys hold single dashes only, so the double underscores keep the names apart.
    """
    if app is None:
        return f"POLYDOCK_STORE_{_upper(store)}__{variable}"
    return f"POLYDOCK_APP_{_upper(store)}__{_upper(app)}__{variable}"


def field_env_name(store: str, app: str, field: str) -> str:
    """Return the environment variable that an export names for a secret field of an app.

    Not that of a variable: an app may well have a field and a variable of one name.
    """
    return f"POLYDOCK_FIELD_{_upper(store)}__{_upper(app)}__{field.upper()}"


def _upper(key: str) -> str:
    return key.upper().replace("-", "_")


def names_in(document: Plain) -> list[str]:
    """Return the names that the references of *document* need, in its order."""
    if isinstance(document, str):
        found = REFERENCE.fullmatch(document)
        return [found[1]] if found else []
    if isinstance(document, Mapping):
        return [name for value in document.values() for name in names_in(value)]
    if isinstance(document, Sequence):
        return [name for value in document for name in names_in(value)]
    return []
