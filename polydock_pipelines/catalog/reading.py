"""Files to shapes: YAML read safely, every problem of every file found at once."""

import datetime
import difflib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from polydock_pipelines.catalog.duplicates import duplicates
from polydock_pipelines.catalog.problems import (
    CatalogError,
    FindingsError,
    Location,
    Problem,
    joined,
    path_of,
)
from polydock_pipelines.catalog.shapes import CatalogFile, StoreEntry, Surroundings

KINDS: Mapping[type, str] = {
    type(None): "nothing",
    bool: "true or false",
    int: "a number",
    float: "a number with a fraction",
    str: "text",
    list: "a list",
    dict: "a mapping",
    datetime.date: "a date",
    datetime.datetime: "a date",
}

EXPECTED = {
    "string_type": "expected text",
    "int_type": "expected a whole number",
    "float_type": "expected a number",
    "bool_type": "expected true or false",
    "tuple_type": "expected a list",
    "model_type": "expected a mapping",
    "dict_type": "expected a mapping",
}
"""Wrong kinds of value, by pydantic's names for them."""

LIMITS = {
    "missing": "is missing",
    "literal_error": "expected {expected}",
    "greater_than_equal": "expected {ge} or more",
    "less_than_equal": "expected {le} or less",
    "string_too_long": "is too long; expected at most {max_length} characters",
    "too_long": "is too long; expected at most {max_length} characters",
    "invalid_key": "expected keys that are text",
}


@dataclass(frozen=True)
class LoadedStore:
    """A store and where it was read."""

    file: str
    path: str
    entry: StoreEntry


@dataclass(frozen=True)
class _Parsed:
    file: str
    content: object


class _Loader(yaml.SafeLoader):
    """Safe, and a key that is written twice is an error instead of the last one winning."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem="a key is written twice in one mapping", problem_mark=key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def read_catalog(files: Sequence[Path], env: Mapping[str, str]) -> tuple[LoadedStore, ...]:
    """Return the stores of all *files*. CatalogError with all problems when there is any."""
    parsed: list[_Parsed] = []
    problems: list[Problem] = []
    stores: list[LoadedStore] = []
    for file in {file.resolve(): file for file in files}.values():
        try:
            content = _parse(file)
            parsed.append(_Parsed(str(file), content))
            stores += _shaped(file, content, env)
        except CatalogError as error:
            problems += error.problems
    problems += duplicates((one.file, one.content) for one in parsed)
    if problems:
        raise CatalogError(problems)
    return tuple(stores)


def _parse(file: Path) -> object:
    try:
        return yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        reason = f"cannot be read: {error.strerror or 'unknown reason'}"
    except UnicodeDecodeError:
        reason = "is not text in UTF-8"
    except yaml.MarkedYAMLError as error:
        reason = _syntax(error)
    except (yaml.YAMLError, ValueError):
        reason = "is no YAML: it holds a character or a date that YAML does not allow"
    except RecursionError:
        reason = "is nested too deeply"
    raise CatalogError([Problem(str(file), "", reason)])


def _syntax(error: yaml.MarkedYAMLError) -> str:
    # Its text quotes the lines around the mistake, and these may hold a secret: only the place.
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{where}{error.problem or error.context or 'is no YAML'}"


def _shaped(file: Path, content: object, env: Mapping[str, str]) -> list[LoadedStore]:
    if content is None:
        raise CatalogError([Problem(str(file), "", "is empty; expected a mapping with `stores`")])
    try:
        shaped = CatalogFile.model_validate(
            content, context=Surroundings(file.resolve().parent, env)
        )
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise CatalogError(p for detail in found for p in _problems(str(file), detail)) from None
    return [LoadedStore(str(file), f"stores[{i}]", s) for i, s in enumerate(shaped.stores)]


def _problems(file: str, detail: ErrorDetails) -> list[Problem]:
    location: list[int | str] = [part for part in detail["loc"] if part != "[key]"]
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, FindingsError):
        return [
            Problem(file, path_of(joined(location, one.at)), one.reason) for one in cause.findings
        ]
    if detail["type"] == "invalid_key":
        location.pop()
    return [Problem(file, path_of(location), _reason(detail))]


def _reason(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "extra_forbidden":
        return _unknown(detail["loc"])
    if kind in LIMITS:
        return LIMITS[kind].format(**context)
    if kind in EXPECTED:
        return f"{EXPECTED[kind]}, got {_kind_of(kind, detail['input'])}"
    return detail["msg"]


def _kind_of(expected: str, value: object) -> str:
    kind = KINDS.get(type(value), "something else")
    is_bare = expected == "string_type" and not isinstance(value, list | dict | None)
    return f"{kind}; put it in quotes" if is_bare else kind


def _unknown(location: Location) -> str:
    allowed = _keys_at(location[:-1])
    close = difflib.get_close_matches(str(location[-1]), allowed, n=1)
    if close:
        return f"is unknown; did you mean {close[0]}?"
    return f"is unknown; expected one of {', '.join(allowed)}"


def _keys_at(location: Iterable[int | str]) -> list[str]:
    model: type[BaseModel] = CatalogFile
    for part in location:
        if isinstance(part, str):
            model = _model_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(part) for part in get_args(annotation))
    return next((model for model in found if model), None)
