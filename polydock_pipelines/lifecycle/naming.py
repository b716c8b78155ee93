"""Names of Lagoon projects and generated logins.

Lagoon takes `[0-9a-z-]+` without two dashes in a row, and cuts the namespace to 63 characters with
the environment in it, so names stay within 45 (contracts: lagoon, addProject).
"""

import re
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass

from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.lifecycle.words import ADJECTIVES, ADMIN_WORDS, NOUNS

LONGEST = 45
VALID_NAME = re.compile(r"^(?!-)(?!.*--)[0-9a-z-]{1,45}(?<!-)$")
LONGEST_COMPANY = 24
ID_ALPHABET = string.ascii_lowercase + string.digits
ID_LENGTH = 8
PASSWORD_LENGTH = 24
PASSWORD_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Naming:
    """How an app names its projects."""

    store_prefix: str
    app_prefix: str = ""
    adjectives: Sequence[str] = ()
    nouns: Sequence[str] = ()
    is_custom: bool = False
    """Whether the requester may choose the name."""
    company: str = ""
    """The person's, where the app's projects are called after it."""

    @property
    def prefix(self) -> str:
        """Return `{app prefix}-{store prefix}`, or the store's alone."""
        return sanitise(f"{self.app_prefix}-{self.store_prefix}")


def sanitise(text: str) -> str:
    """Return *text* as Lagoon would take it: lower case, other characters to single dashes."""
    return re.sub(r"[^0-9a-z]+", "-", text.lower()).strip("-")


def _pick(words: Sequence[str], otherwise: Sequence[str]) -> str:
    clean = [word for word in map(sanitise, words) if word]
    return secrets.choice(clean or list(otherwise))


def random_id(length: int = ID_LENGTH) -> str:
    """Return random lower case letters and digits."""
    return "".join(secrets.choice(ID_ALPHABET) for _ in range(length))


def _fit(front: str, tail: str) -> str:
    """Join with a dash, cutting the front so that the tail stays whole."""
    room = LONGEST - len(tail) - 1
    return f"{front[:room].strip('-')}-{tail}".strip("-")


def project_name(naming: Naming) -> str:
    """Return a fresh `{prefix}-{adjective}-{noun}-{id}`; the id is random, so nobody guesses it.

    `{company}{id}` where projects are called after the person's company.
    """
    company = sanitise(naming.company).replace("-", "")
    if company:
        return f"{company[:LONGEST_COMPANY]}{random_id()}"
    words = f"{_pick(naming.adjectives, ADJECTIVES)}-{_pick(naming.nouns, NOUNS)}"
    room = LONGEST - ID_LENGTH - 1
    prefix = naming.prefix[: max(room - len(words) - 1, 8)].strip("-")
    return _fit(sanitise(f"{prefix}-{words}"), random_id())


def custom_name(naming: Naming, wanted: str) -> str:
    """Return the name somebody asked for, prefixed and made fit; '' when nothing is left of it."""
    clean = sanitise(wanted)
    if not clean:
        return ""
    prefix = naming.prefix
    name = clean if not prefix or clean.startswith(f"{prefix}-") else f"{prefix}-{clean}"
    return name[:LONGEST].strip("-")


def variant(name: str, naming: Naming) -> str:
    """Return another name close to *name*, for when that one is taken."""
    words = f"{_pick(naming.adjectives, ADJECTIVES)}-{_pick(naming.nouns, NOUNS)}"
    return _fit(name, f"{words[: LONGEST // 2].strip('-')}-{random_id(6)}")


def is_valid(name: str) -> bool:
    """Whether Lagoon and our column take *name*."""
    return VALID_NAME.fullmatch(name) is not None


def admin_username() -> str:
    """Return a login such as `demo4711`."""
    return f"{secrets.choice(ADMIN_WORDS)}{secrets.randbelow(9000) + 1000}"


def admin_password() -> Secret:
    """Return 24 random letters and digits (142 bits), at least one of each sort.

    Only letters and digits, because app repositories put it into shell commands and URLs.
    """
    sorts = (string.ascii_lowercase, string.ascii_uppercase, string.digits)
    while True:
        word = "".join(secrets.choice(PASSWORD_ALPHABET) for _ in range(PASSWORD_LENGTH))
        if all(set(word) & set(sort) for sort in sorts):
            return Secret(word)
