"""The kinds of text and number in a catalogue, and what each must look like.

Limits follow the columns they are stored in and what Lagoon takes (its project names, gitUrl).
"""

import re
import unicodedata
import uuid
from typing import Annotated

from pydantic import AfterValidator, Field

from polydock_pipelines.lifecycle.naming import sanitise
from polydock_pipelines.steps.variables import is_reserved

PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY|PuTTY-User-Key-File")
CREDENTIALS_IN_URL = re.compile(r"^[a-z+]+://[^/@]*:[^/@]*@", re.IGNORECASE)
LONGEST_WORD = 13
"""Two words, their dashes, a prefix of 8 and an id of 8 make the 45 of a project's name."""


def looks_like_private_key(text: str) -> bool:
    """Whether *text* holds what begins a private key."""
    return PRIVATE_KEY.search(text) is not None


def clean_text(value: str) -> str:
    """Refuse what no column or container takes, and private keys."""
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\r\t" for c in value):
        raise ValueError("holds a control character; expected plain text")
    if looks_like_private_key(value):
        raise ValueError(
            "holds a private key; a secret belongs in the environment, and here as ${NAME}"
        )
    return value


def _one_line(value: str) -> str:
    if "\n" in value or "\r" in value:
        raise ValueError("has several lines; expected one")
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty; expected some text")
    return value


def _matching(pattern: str, expected: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(f"expected {expected}")
        return value

    return AfterValidator(check)


def _a_uuid(value: str) -> str:
    try:
        parsed = uuid.UUID(value)
    except ValueError:
        parsed = None
    if parsed is None or len(value) != 36:
        raise ValueError("expected a UUID such as 6f1c3f0e-5d0b-4f5e-9a56-2f3f3d1c8b11")
    return str(parsed)


def _git_url(value: str) -> str:
    if CREDENTIALS_IN_URL.match(value):
        raise ValueError(
            "holds a password or token; expected a URL without one (private repositories are "
            "read with the deploy key)"
        )
    return value


def _branch(value: str) -> str:
    if ".." in value or "//" in value or value.endswith(("/", ".lock", ".")):
        raise ValueError("expected a git branch such as main")
    return value


def _variable_name(value: str) -> str:
    if is_reserved(value):
        raise ValueError(
            "is reserved: names that begin with POLYDOCK_, LAGOON_ or AI_ are set by the engine "
            "or by Lagoon; choose another"
        )
    return value


def _slug(value: str) -> str:
    if not sanitise(value):
        raise ValueError("expected at least one letter from a to z or a digit")
    return value


Text = Annotated[str, AfterValidator(clean_text)]
Line = Annotated[Text, Field(max_length=255), AfterValidator(_one_line), AfterValidator(_not_blank)]
LineOrNothing = Annotated[Text, Field(max_length=255), AfterValidator(_one_line)]
Key = Annotated[
    str,
    Field(max_length=100),
    _matching(
        r"[a-z0-9]+(-[a-z0-9]+)*", "lower-case letters, digits and single dashes, as in eu-1"
    ),
]
ProjectPrefix = Annotated[
    str,
    Field(max_length=30),
    _matching(
        r"[a-z0-9]+(-[a-z0-9]+)*",
        "what Lagoon takes in a project's name: lower-case letters, digits and single dashes",
    ),
]
NameWord = Annotated[
    str,
    Field(max_length=LONGEST_WORD),
    _matching(r"[a-z0-9]+(-[a-z0-9]+)*", "lower-case letters, digits and single dashes"),
]
Uuid = Annotated[str, AfterValidator(_a_uuid)]
GitUrl = Annotated[
    Text,
    Field(max_length=300),
    AfterValidator(_git_url),
    _matching(
        r"(?:https?|ssh|git)://[^\s/]+/\S+|[\w.-]+@[\w.-]+:[^\s:]\S*",
        "a git URL such as https://github.com/org/repo.git or git@github.com:org/repo.git",
    ),
]
Branch = Annotated[
    str,
    Field(max_length=255),
    _matching(r"[A-Za-z0-9_][A-Za-z0-9._/-]*", "a git branch such as main"),
    AfterValidator(_branch),
]
Website = Annotated[
    Text,
    Field(max_length=255),
    _matching(r"https?://[^\s/@]+(/\S*)?", "a URL that begins with https:// or http://"),
]
Email = Annotated[
    Text,
    Field(max_length=255),
    _matching(r"[^\s@<>]+@[^\s@<>]+\.[^\s@<>]+", "a mail address"),
]
ContainerName = Annotated[
    str,
    Field(max_length=63),
    _matching(r"[a-z0-9][a-z0-9_-]*", "a name of Lagoon's such as cli or nginx-php"),
]
VariableName = Annotated[
    str,
    Field(max_length=255),
    _matching(r"[A-Za-z_][A-Za-z0-9_]*", "letters, digits and underscores, no digit first"),
    AfterValidator(_variable_name),
]
AnnotationKey = Annotated[
    str,
    Field(max_length=253),
    _matching(
        r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?",
        "a Kubernetes annotation such as nginx.ingress.kubernetes.io/proxy-body-size",
    ),
]
ProductType = Annotated[Line, AfterValidator(_slug)]
Identifier = Annotated[int, Field(ge=1, le=2_147_483_647)]
