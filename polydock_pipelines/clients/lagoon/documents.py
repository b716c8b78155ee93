"""What is sent to Lagoon: operations, alone or many in one document under aliases.

Values travel as GraphQL variables only, so a document holds none; a `Secret` among them is
revealed when the body is written and never appears in an error.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from gql import GraphQLRequest, gql

from polydock_pipelines.clients.lagoon.faults import Rule
from polydock_pipelines.lifecycle.secret import Secret

MAX_ALIASES = 400
MAX_BODY = 90 * 1024
"""Lagoon refuses bodies of more than 100 KiB."""

_VARIABLE = re.compile(r"\$(\w+)")


@dataclass(frozen=True)
class Operation:
    """A document, what its errors mean, and whether it may be sent twice."""

    document: GraphQLRequest
    rules: tuple[Rule, ...] = ()
    may_miss: frozenset[str] = frozenset()
    """Dotted paths that may be null with an error; of any other error the call fails."""
    is_safe_twice: bool = False


@dataclass(frozen=True)
class Aliased:
    """A root field to be repeated under aliases, each with variables of its own."""

    kind: str
    """`query` or `mutation`; Lagoon runs queries in parallel and mutations in order."""
    field: str
    types: Mapping[str, str]
    """The GraphQL type of each variable in the field."""
    rules: tuple[Rule, ...] = ()
    is_safe_twice: bool = False


@dataclass(frozen=True)
class Batch:
    """A document of at most MAX_ALIASES fields; alias `a3` is the item at `start + 3`."""

    start: int
    operation: Operation
    values: Mapping[str, object]
    aliases: tuple[str, ...]

    def index_of(self, path: Sequence[str]) -> int | None:
        """Return the index of the item that an error's *path* speaks of; None when of none."""
        if path and path[0] in self.aliases:
            return self.start + self.aliases.index(path[0])
        return None


@dataclass
class _Parts:
    """Fields that gather for one document."""

    start: int
    size: int = 0
    items: list[Mapping[str, object]] = field(default_factory=list[Mapping[str, object]])


def batches(aliased: Aliased, items: Sequence[Mapping[str, object]]) -> Iterator[Batch]:
    """Split *items* (the variables of one field each) into documents that Lagoon accepts.

    An item that is too large alone gets a document of its own, which Lagoon then refuses.
    """
    parts = _Parts(start=0)
    for index, item in enumerate(items):
        size = _size(aliased, item)
        if parts.items and (len(parts.items) == MAX_ALIASES or parts.size + size > MAX_BODY):
            yield _batch(aliased, parts)
            parts = _Parts(start=index)
        parts.items.append(item)
        parts.size += size
    if parts.items:
        yield _batch(aliased, parts)


def encode(document: GraphQLRequest, values: Mapping[str, object]) -> tuple[bytes, list[str]]:
    """Return the request body, and the clear text of each secret in it."""
    secrets: list[str] = []

    def reveal(value: object) -> str:
        if not isinstance(value, Secret):
            raise TypeError(f"{type(value).__name__} cannot be sent to Lagoon")
        secrets.append(value.reveal())
        return secrets[-1]

    body = {"query": _text(document), "variables": values}
    text = json.dumps(body, default=reveal, ensure_ascii=False, separators=(",", ":"))
    return text.encode(), secrets


def _batch(aliased: Aliased, parts: _Parts) -> Batch:
    aliases = tuple(f"a{number}" for number in range(len(parts.items)))
    values = {
        f"{name}_{alias}": item[name]
        for alias, item in zip(aliases, parts.items, strict=True)
        for name in aliased.types
    }
    operation = Operation(
        _document(aliased.kind, aliased.field, tuple(aliased.types.items()), len(parts.items)),
        rules=aliased.rules,
        is_safe_twice=aliased.is_safe_twice,
    )
    return Batch(parts.start, operation, values, aliases)


@lru_cache(maxsize=128)
def _document(
    kind: str, field_text: str, types: tuple[tuple[str, str], ...], count: int
) -> GraphQLRequest:
    # Parsing is the dear part of a request, and the same few counts come again and again.
    aliases = [f"a{number}" for number in range(count)]
    declared = ", ".join(f"${name}_{alias}: {type_}" for alias in aliases for name, type_ in types)
    fields = "\n".join(f"{alias}: {_renamed(field_text, alias)}" for alias in aliases)
    return gql(f"{kind} Batch({declared}) {{\n{fields}\n}}")


@lru_cache(maxsize=256)
def _text(document: GraphQLRequest) -> str:
    return str(document.payload["query"])


def _renamed(field_text: str, alias: str) -> str:
    return _VARIABLE.sub(rf"$\1_{alias}", field_text)


def _size(aliased: Aliased, item: Mapping[str, object]) -> int:
    """Estimate, from above, what one field adds to a body."""
    values = sum(
        len(json.dumps(_clear(value), ensure_ascii=False).encode()) for value in item.values()
    )
    # Each variable is written three times with its alias: declared, used, and given a value.
    names = sum(3 * len(name) + len(kind) + 32 for name, kind in aliased.types.items())
    return values + names + len(aliased.field) + 16


def _clear(value: object) -> object:
    return value.reveal() if isinstance(value, Secret) else value
