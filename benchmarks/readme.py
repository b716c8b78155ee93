"""Writes README's figures from benchmarks/results/latest.json, and nothing else. `make figures`."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import results_file

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "begin", "end"
TITLES = {
    "single": "One person",
    "burst": "A burst",
    "naive": "Beside the naive design (a run an instance, a process an op, held while it builds)",
    "idle": "Nothing to do",
    "due": "A large database",
    "trials": "The trials' calendar at a million instances and a million mails, on Postgres",
    "mails": "Many mails at once, beside them",
    "removals": "Many trials end at once",
    "crowd": "Builds in flight",
    "recovery": "After a kill -9",
    "history": "What Dagster keeps",
    "cost": "Cost by size (processor time without the local Lagoon)",
}
MET = {None: "", True: "met", False: "**missed**"}
SIGNS = {True: "≤", False: "≥"}


def table(found: Mapping[str, Any]) -> str:
    """Return what the file holds as Markdown."""
    head = f"{found['machine']}, commit {found['commit']}, seed {found['seed']}:"
    lines = [head, "", "| Figure | Value | Goal | |", "|---|---|---|---|"]
    results = found["results"]
    for group in dict.fromkeys(one.get("measurement", "") for one in results):
        lines.append(f"| **{TITLES.get(group, group)}** | | | |")
        lines += [_line(one) for one in results if one.get("measurement", "") == group]
    lines += [f"| {name}: not measured | | | |" for name in found.get("failures", {})]
    return "\n".join(lines)


def _line(one: Mapping[str, Any]) -> str:
    name = one["name"].replace("->", "→").replace("|", "/")
    value = f"{rounded(one['value'])} {one['unit']}"
    if one["rival"] is not None:
        value += f", {rounded(one['ratio'])} times its {rounded(one['rival'])}"
    return f"| {name} | {value} | {goal(one)} | {MET[one['met']]} |"


def goal(one: Mapping[str, Any]) -> str:
    """Return the goal with its sign, as the value and the verdict tell it; of a ratio, in times."""
    if one["goal"] is None:
        return ""
    if one["ratio"] is not None:
        return f"≥ {one['goal']:g} times"
    is_most = (one["value"] <= one["goal"]) == one["met"]
    if one["value"] == one["goal"]:
        is_most = one["unit"] not in ("instances", "instances/s")
    return f"{SIGNS[is_most]} {rounded(one['goal'])} {one['unit']}"


def rounded(value: float) -> str:
    """Return three figures that count, thousands parted; whole numbers stay whole."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def mark(block: str, side: str) -> str:
    """Return the mark that a block of figures begins or ends with."""
    return f"<!-- figures{f' {block}' if block else ''}:{side} -->"


def with_table(page: str, figures: str, block: str = "") -> str:
    """Return *page* with the figures between the marks of *block*. ValueError when it has none.

    Each block tells its commit: part of a bench that was made later has a block of its own.
    """
    first, last = mark(block, BEGIN), mark(block, END)
    before, begin, rest = page.partition(first)
    _, end, after = rest.partition(last)
    if not (begin and end):
        raise ValueError(f"the page has no {first} and {last}")
    return f"{before}{first}\n{figures}\n{last}{after}"


def main() -> None:
    """Write the figures into the README, into the block that is named."""
    if not results_file.RESULTS.exists():
        sys.exit("there are no figures yet; `make bench` measures them")
    block = sys.argv[1] if len(sys.argv) > 1 else ""
    README.write_text(with_table(README.read_text(), table(results_file.read()), block))


if __name__ == "__main__":
    main()
