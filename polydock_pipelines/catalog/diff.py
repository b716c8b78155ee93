"""What applying a catalogue changes: as values for programs, as lines for people."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import zip_longest

LONGEST_SHOWN = 60
HIDDEN = "(changed)"
NOTHING = "(nothing)"

Plain = str | int | float | bool | None | Sequence["Plain"] | Mapping[str, "Plain"]
"""What YAML and JSON can say, and what a column of the catalogue's tables holds."""


class Action(StrEnum):
    """What becomes of a store, an app or a part of one."""

    CREATED = "created"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True)
class FieldChange:
    """One value that becomes another; a secret's values are not in here."""

    field: str
    """As the catalogue's YAML calls it."""
    old: Plain = None
    new: Plain = None
    is_secret: bool = False


@dataclass(frozen=True)
class CatalogChange:
    """One store, app, script, variable or product type that becomes different."""

    action: Action
    what: str
    """store, app, script, variable or product type."""
    name: str
    """`eu`, `eu/cms`, `eu/cms post-deploy`."""
    fields: tuple[FieldChange, ...] = ()


@dataclass
class CatalogDiff:
    """All that a catalogue changes, in the order of the files."""

    changes: list[CatalogChange] = field(default_factory=list[CatalogChange])
    unchanged: list[str] = field(default_factory=list[str])
    """Stores and apps that stay as they are, such as `app eu/cms`."""
    not_in_files: list[str] = field(default_factory=list[str])
    """Stores and apps of the database that the files do not mention; they are left alone."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing changes."""
        return not self.changes


def field_changes(old: Mapping[str, Plain], new: Mapping[str, Plain]) -> tuple[FieldChange, ...]:
    """Return what differs, mappings compared value by value."""
    before, after = dict(_flat(old)), dict(_flat(new))
    names = [*after, *(name for name in before if name not in after)]
    return tuple(
        FieldChange(name, before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    )


def _flat(values: Mapping[str, Plain], front: str = "") -> Iterator[tuple[str, Plain]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{front}{name}.")
        else:
            yield f"{front}{name}", value


SIGNS = {Action.CREATED: "+", Action.CHANGED: "~", Action.REMOVED: "-"}


def lines(diff: CatalogDiff, *, verbose: bool = False) -> Iterator[str]:
    """Yield *diff* for people, one thing a line, the sum last."""
    for change in diff.changes:
        yield f"{SIGNS[change.action]} {change.what} {change.name}"
        yield from (f"    {_sentence(one)}" for one in change.fields)
    if verbose:
        yield from (f"= {name}" for name in diff.unchanged)
        yield from (f"? {name}: not in these files, left alone" for name in diff.not_in_files)
    yield _sum(diff)


def _sum(diff: CatalogDiff) -> str:
    if diff.is_empty:
        return f"nothing to change, {len(diff.unchanged)} unchanged"
    counts = {action: sum(c.action is action for c in diff.changes) for action in Action}
    parts = [f"{count} {action}" for action, count in counts.items() if count]
    return ", ".join([*parts, f"{len(diff.unchanged)} unchanged"])


def _sentence(change: FieldChange) -> str:
    if change.is_secret:
        return f"{change.field}: {HIDDEN}"
    old, new = _shown(change.old), _shown(change.new)
    before, after = old.split("\n"), new.split("\n")
    if len(before) == len(after) == 1:
        return f"{change.field}: {_short(old, new)} -> {_short(new, old)}"
    pairs = enumerate(zip_longest(before, after, fillvalue=NOTHING), start=1)
    number, (left, right) = next((n, pair) for n, pair in pairs if pair[0] != pair[1])
    place = f"{change.field} ({len(before)} -> {len(after)} lines), line {number}"
    return f"{place}: {_short(left, right)} -> {_short(right, left)}"


def _shown(value: Plain) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_shown, value))
    return str(value)


def _short(text: str, other: str) -> str:
    """Return the part of a line in which it begins to differ from *other*."""
    if len(text) <= LONGEST_SHOWN:
        return text.strip() or "(empty)"
    alike = next((i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), 0)
    start = max(alike - LONGEST_SHOWN // 3, 0)
    front, back = "…" if start else "", "…" if start + LONGEST_SHOWN < len(text) else ""
    return f"{front}{text[start : start + LONGEST_SHOWN]}{back}"
