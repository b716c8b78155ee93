"""What may occur once only, looked for in plain YAML, so that other mistakes do not hide it."""

from collections.abc import Iterable, Iterator

from polydock_pipelines.catalog.problems import Location, Problem, path_of

Place = tuple[str, Location]
"""A file and a location in it."""


def duplicates(files: Iterable[tuple[str, object]]) -> list[Problem]:
    """Return the second and later of each: store keys, uuids, app keys, variable names."""
    found: list[Problem] = []
    seen: dict[tuple[object, ...], Place] = {}
    for file, content in files:
        for what, identity, location in _named(content):
            place = (file, location)
            first = seen.setdefault((what, *identity), place)
            if first is not place:
                found.append(Problem(file, path_of(location), _again(what, first, file)))
    return found


def _again(what: str, first: Place, file: str) -> str:
    where = path_of(first[1]) if first[0] == file else f"{first[0]}, {path_of(first[1])}"
    return f"is the same {what} as {where}; expected each once"


def _named(content: object) -> Iterator[tuple[str, tuple[str, ...], Location]]:
    for i, store in _items(content, "stores"):
        store_key = _text(store, "key") or f"?{i}"
        at: Location = ("stores", i)
        if not store_key.startswith("?"):
            yield "store key", (store_key,), (*at, "key")
        yield from _variables(store, (store_key,), at)
        for j, app in _items(store, "apps"):
            yield from _app(app, store_key, (*at, "apps", j))


def _app(app: object, store: str, at: Location) -> Iterator[tuple[str, tuple[str, ...], Location]]:
    key = _text(app, "key")
    if key:
        yield "app key", (store, key), (*at, "key")
    if identity := _text(app, "uuid"):
        yield "uuid", (identity.lower(),), (*at, "uuid")
    yield from _variables(app, (store, key or path_of(at)), at)


def _variables(
    owner: object, identity: tuple[str, ...], at: Location
) -> Iterator[tuple[str, tuple[str, ...], Location]]:
    for k, variable in _items(owner, "variables"):
        if name := _text(variable, "name"):
            yield "variable name", (*identity, name), (*at, "variables", k, "name")


def _items(owner: object, key: str) -> Iterator[tuple[int, object]]:
    value: object = owner.get(key) if isinstance(owner, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType] - YAML of any shape
    if isinstance(value, list):
        yield from enumerate(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - as above


def _text(owner: object, key: str) -> str | None:
    value: object = owner.get(key) if isinstance(owner, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType] - as above
    return value if isinstance(value, str) else None
