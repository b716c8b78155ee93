"""What may occur once only, looked for in plain YAML, so that other mistakes do not hide it."""

from collections.abc import Iterable, Iterator

from polydock_pipelines.catalog.problems import Location, Problem, path_of

Place = tuple[str, Location]
"""A file and a location in it."""
Named = tuple[str, tuple[str, ...], Location]
"""What it is, what must not occur twice, and where it stands."""


def duplicates(files: Iterable[tuple[str, object]]) -> list[Problem]:
    """Return the second and later of each: store keys, uuids, app keys, variable names."""
    found: list[Problem] = []
    seen: dict[tuple[str, ...], Place] = {}
    for file, content in files:
        for what, identity, location in _named(content, file):
            place = (file, location)
            first = seen.setdefault((what, *identity), place)
            if first is not place:
                found.append(Problem(file, path_of(location), _again(what, first, file)))
    return found


def _again(what: str, first: Place, file: str) -> str:
    where = path_of(first[1]) if first[0] == file else f"{first[0]}, {path_of(first[1])}"
    return f"is the same {what} as {where}; expected each once"


def _named(content: object, file: str) -> Iterator[Named]:
    for i, store in _items(content, "stores"):
        at: Location = ("stores", i)
        yield from _one("store key", (), store, "key", at)
        yield from _variables(store, file, at)
        for j, app in _items(store, "apps"):
            inner: Location = (*at, "apps", j)
            yield from _one("app key", (file, path_of(at)), app, "key", inner)
            yield from _one("uuid", (), app, "uuid", inner)
            yield from _variables(app, file, inner)


def _variables(owner: object, file: str, at: Location) -> Iterator[Named]:
    for k, variable in _items(owner, "variables"):
        inner: Location = (*at, "variables", k)
        yield from _one("variable name", (file, path_of(at)), variable, "name", inner)


def _one(
    what: str, within: tuple[str, ...], owner: object, key: str, at: Location
) -> Iterator[Named]:
    value: object = owner.get(key) if isinstance(owner, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType] - YAML of any shape
    if isinstance(value, str):
        same = value.lower() if what == "uuid" else value
        yield what, (*within, same), (*at, key)


def _items(owner: object, key: str) -> Iterator[tuple[int, object]]:
    value: object = owner.get(key) if isinstance(owner, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType] - as above
    if isinstance(value, list):
        yield from enumerate(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - as above
