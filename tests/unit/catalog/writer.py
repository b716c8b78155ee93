"""Catalogue files for tests: a smallest one that is right, and what a test changes in it."""

from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

APP = {"key": "cms", "name": "CMS", "git_url": "https://git.example.com/a/cms.git"}
LAGOON = {"organization_id": 1, "deploy_target_id": 1, "project_prefix": "trial"}
STORE = {"key": "eu", "name": "Europe", "lagoon": LAGOON}


def app(snippet: str = "") -> dict[str, Any]:
    """Return the smallest app, changed by the YAML *snippet*."""
    return {**APP, **(yaml.safe_load(snippet) or {})}


def store(snippet: str = "", *apps: dict[str, Any]) -> dict[str, Any]:
    """Return the smallest store, changed by the YAML *snippet*."""
    return {**STORE, **(yaml.safe_load(snippet) or {}), "apps": list(apps)}


def written(folder: Path, *stores: dict[str, Any], name: str = "catalog.yaml") -> Path:
    """Write a file with *stores*."""
    return raw(folder, yaml.safe_dump({"stores": list(stores)}), name)


def raw(folder: Path, text: str, name: str = "catalog.yaml") -> Path:
    """Write a file of *text*."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def private_key(
    kind: PrivateFormat = PrivateFormat.OpenSSH, passphrase: bytes | None = None
) -> str:
    """Return a fresh private key."""
    lock = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, kind, lock).decode()
