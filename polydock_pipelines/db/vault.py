"""Secrets at rest: MultiFernet, each ciphertext bound to the row and column it was made for."""

import hashlib
import hmac
import json
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from polydock_pipelines.lifecycle.secret import Secret


class VaultError(Exception):
    """A secret cannot be read: its key is gone, or it was moved from another row."""


class Vault:
    """Seals with the first key, opens with any."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise VaultError("no key: set POLYDOCK_SECRET_KEYS to at least one Fernet key")
        self._keys = [key.encode() for key in keys]
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            raise VaultError(
                "POLYDOCK_SECRET_KEYS holds a value that is no Fernet key (44 url-safe characters)"
            ) from None

    def seal(self, place: str, secret: Secret) -> str:
        """Encrypt for *place*, such as `stores.deploy_key:eu`; it opens nowhere else."""
        inner = json.dumps([place, secret.reveal()])
        return self._fernet.encrypt(inner.encode()).decode()

    def open(self, place: str, sealed: str) -> Secret:
        """Decrypt what was sealed for *place*. VaultError for another place or an unknown key."""
        try:
            sealed_for, value = json.loads(self._fernet.decrypt(sealed.encode()))
        except InvalidToken:
            raise VaultError(
                f"{place} cannot be decrypted: POLYDOCK_SECRET_KEYS lacks the key that sealed it"
            ) from None
        except ValueError:
            raise VaultError(f"{place} holds something that was never sealed for a place") from None
        if sealed_for != place:
            raise VaultError(f"{place} holds a secret that was sealed for {sealed_for}")
        return Secret(value)

    def token(self, place: str) -> str:
        """Return the token that proves a caller to have been told it for *place*."""
        return _token(self._keys[0], place)

    def is_token(self, place: str, token: str) -> bool:
        """Whether *token* was made for *place*, with any of our keys; in constant time."""
        given = token.encode(errors="surrogatepass")  # from a URL may come anything
        good = [_token(key, place).encode() for key in self._keys]
        matches = [hmac.compare_digest(one, given) for one in good]
        return any(matches)

    def reseal(self, place: str, sealed: str) -> str:
        """Encrypt anew with the first key."""
        return self.seal(place, self.open(place, sealed))


def _token(key: bytes, place: str) -> str:
    text = f"token:{place}".encode(errors="surrogatepass")
    return hmac.new(key, text, hashlib.sha256).hexdigest()[:40]


def new_key() -> str:
    """Return a fresh key."""
    return Fernet.generate_key().decode()
