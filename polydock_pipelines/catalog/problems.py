"""What is wrong with a catalogue: file, path and a reason that shows no value."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PLAIN_KEY = re.compile(r"^[\w./-]{1,100}$", re.ASCII)

Location = Sequence[int | str]
"""Keys and positions from the top of a file down to a value."""


@dataclass(frozen=True)
class Problem:
    """One thing to mend in one file."""

    file: str
    path: str
    """Such as `stores[0].apps[1].trial.days`; empty when the whole file is meant."""
    reason: str
    """What is wrong and what is expected; never the value, which might be a secret."""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.path, self.reason) if part)


class CatalogError(Exception):
    """A catalogue that is refused as a whole; nothing of it was written."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True)
class Finding:
    """A broken rule between values, seen from the value that was looked at."""

    at: Location
    """`..` leads one step up."""
    reason: str


class FindingsError(ValueError):
    """Rules between values are broken; pydantic collects it like any other ValueError."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("; ".join(finding.reason for finding in findings))


def path_of(location: Location) -> str:
    """Return *location* as a reader of the file would write it."""
    return "".join(map(_part, location)).removeprefix(".")


def _part(part: int | str) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    # A key that is no word could be anything, even a pasted secret: it is not repeated.
    return f".{part}" if PLAIN_KEY.match(part) else ".<a key that is no plain word>"


def joined(location: Location, more: Location) -> Location:
    """Return *location* extended by *more*, in which `..` leads one step up."""
    result = list(location)
    for part in more:
        if part == "..":
            result.pop()
        else:
            result.append(part)
    return result
