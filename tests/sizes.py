"""Sizes of functions, classes and modules, and the stops of STYLE §10: `python -m tests.sizes`.

With `--check` it prints one line an offence and ends with 1 when there is any.
"""

import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
CODE, TESTS = "polydock_pipelines", "tests"
UNCOUNTED = ("db/migrations/versions",)
"""Written by Alembic."""

FUNCTION_STOP, TEST_STOP, MODULE_STOP, CLASS_STOP = 50, 40, 400, 12

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Sized:
    """One thing and its size: lines, or public methods for a class."""

    kind: str
    name: str
    place: str
    size: int

    @property
    def stop(self) -> int | None:
        """Return the most it may have; None: no stop applies."""
        in_tests = self.place.startswith(f"{TESTS}/")
        stops = {
            "function": TEST_STOP if in_tests and self.name.startswith("test_") else FUNCTION_STOP,
            "module": None if in_tests else MODULE_STOP,
            "class": None if in_tests else CLASS_STOP,
        }
        return stops[self.kind]

    @property
    def offence(self) -> str | None:
        """Return what is wrong with it, as one line."""
        if self.stop is None or self.size <= self.stop:
            return None
        unit = "public methods" if self.kind == "class" else "lines"
        return f"{self.place}: {self.kind} {self.name} has {self.size} {unit}, stop is {self.stop}"


def sizes(folder: Path, root: Path = ROOT) -> list[Sized]:
    """Return the sizes of everything in the Python files below *folder*."""
    return [sized for path in sorted(folder.rglob("*.py")) for sized in _of_file(path, root)]


def _of_file(path: Path, root: Path) -> Iterator[Sized]:
    place = path.relative_to(root).as_posix()
    if any(part in place for part in UNCOUNTED):
        return
    text = path.read_text()
    yield Sized("module", path.stem, f"{place}:1", len(text.splitlines()))
    for node in ast.walk(ast.parse(text, filename=place)):
        where = f"{place}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, Function):
            yield Sized("function", node.name, where, _lines(node))
        elif isinstance(node, ast.ClassDef):
            yield Sized("class", node.name, where, _public_methods(node))


def _lines(node: Function) -> int:
    """Count from `def` to the end; decorators are data."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _public_methods(node: ast.ClassDef) -> int:
    methods = [n for n in node.body if isinstance(n, Function) and not n.name.startswith("_")]
    return len({method.name for method in methods})


def figures(of: Sequence[Sized], kind: str) -> str:
    """Return how many there are, and their median, 90th percentile and maximum."""
    found = sorted(s.size for s in of if s.kind == kind)
    if not found:
        return "none"
    p90 = found[min(len(found) - 1, int(len(found) * 0.9))]
    return f"{len(found):5}  median {median(found):5.1f}  p90 {p90:4}  max {found[-1]:4}"


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Print the figures; with `--check` say what is too large."""
    found = {name: sizes(root / name, root) for name in (CODE, TESTS)}
    for name, of in found.items():
        print(f"{name}: lines of functions          {figures(of, 'function')}")  # noqa: T201
        print(f"{name}: lines of modules            {figures(of, 'module')}")  # noqa: T201
        print(f"{name}: public methods of classes   {figures(of, 'class')}")  # noqa: T201
    offences = [line for of in found.values() for s in of if (line := s.offence)]
    if "--check" not in arguments:
        return 0
    for line in offences:
        print(line)  # noqa: T201
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
