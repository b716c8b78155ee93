from collections.abc import Mapping

import pytest

from polydock_pipelines.catalog.diff import (
    Action,
    CatalogChange,
    CatalogDiff,
    FieldChange,
    Plain,
    field_changes,
    lines,
)

LINE = "x" * 100


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (7, 14, "7 -> 14"),
        (None, 14, "(nothing) -> 14"),
        (True, False, "true -> false"),
        ("", "a", "(empty) -> a"),
        (["a"], ["a", "b"], "a -> a, b"),
        ("a\nb\nc", "a\nB\nc\nd", " (3 -> 4 lines), line 2: b -> B"),
        ("a", "a\nb", " (1 -> 2 lines), line 2: (nothing) -> b"),
        ("a\nb", "a\nb\n", " (2 -> 3 lines), line 3: (nothing) -> (empty)"),
        (f"{LINE}a", f"{LINE}b", f"…{'x' * 20}a -> …{'x' * 20}b"),
        (f"a{LINE}", f"b{LINE}", f"a{'x' * 59}… -> b{'x' * 59}…"),
    ],
)
def test_a_change_in_one_line(old: Plain, new: Plain, said: str) -> None:
    diff = CatalogDiff(
        [CatalogChange(Action.CHANGED, "app", "eu/cms", (FieldChange("f", old, new),))]
    )
    assert list(lines(diff)) == [
        "~ app eu/cms",
        f"    f{said}" if said.startswith(" ") else f"    f: {said}",
        "1 changed, 0 unchanged",
    ]


def test_a_secret_says_only_that_it_changed() -> None:
    change = FieldChange("lagoon.deploy_key", is_secret=True)
    diff = CatalogDiff([CatalogChange(Action.CHANGED, "store", "eu", (change,))])
    assert list(lines(diff))[1] == "    lagoon.deploy_key: (changed)"


def test_mappings_are_compared_value_by_value() -> None:
    old: Mapping[str, Plain] = {"a": {"b": 1, "c": 2}, "route": None, "gone": 1}
    new: Mapping[str, Plain] = {"a": {"b": 1, "c": 3}, "route": {"host": "h"}}
    assert field_changes(old, new) == (
        FieldChange("a.c", 2, 3),
        FieldChange("route.host", None, "h"),
        FieldChange("gone", 1, None),
    )


def test_what_stays_is_said_on_request() -> None:
    diff = CatalogDiff(unchanged=["app eu/cms"], not_in_files=["store us"])
    assert list(lines(diff)) == ["nothing to change, 1 unchanged"]
    assert list(lines(diff, verbose=True))[:2] == [
        "= app eu/cms",
        "? store us: not in these files, left alone",
    ]
