"""Which figures of an earlier bench stay in the file."""

import json
from pathlib import Path

import pytest

from benchmarks import results_file
from benchmarks.figures import plain, times_as_fast
from benchmarks.results_file import Results, begin, from_json, read


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(results_file, "machine", lambda: "2 cores")
    monkeypatch.setattr(results_file, "commit", lambda: "abc1234")
    return tmp_path / "results" / "latest.json"


def earlier(path: Path, commit: str = "abc1234") -> None:
    results = Results("2 cores", commit, 1)
    results.put("burst", [plain("rate", 5.0, "/s")])
    results.put("idle", [plain("load", 9.0, "%")])
    results.fail("crowd", "RuntimeError: no")
    results.write(path)


def names(results: Results) -> dict[str, list[float]]:
    return {k: [f.value for f in of] for k, of in results.by_measurement.items()}


def test_the_file_has_the_fields_that_others_read(path: Path) -> None:
    results = Results("2 cores", "abc1234", 7)
    results.put("naive", [times_as_fast("ours", 5.0, "/s", rival=0.5, goal=10)])
    results.write(path)
    found = json.loads(path.read_text())
    assert {"machine", "commit", "seed", "results"} <= set(found)
    (figure,) = found["results"]
    assert {"name", "value", "unit", "goal", "met", "rival", "ratio"} <= set(figure)
    assert (figure["ratio"], found["seed"]) == (10.0, 7)


def test_what_is_written_is_read_again(path: Path) -> None:
    earlier(path)
    again = from_json(read(path))
    assert names(again) == {"burst": [5.0], "idle": [9.0]}
    assert again.failures == {"crowd": "RuntimeError: no"}


def test_a_partial_bench_replaces_its_own_figures_only(path: Path) -> None:
    earlier(path)
    results = begin(1, partial=True, path=path)
    results.put("idle", [plain("load", 8.0, "%")])
    results.put("crowd", [plain("memory", 900.0, "MiB")])
    assert names(results) == {"burst": [5.0], "idle": [8.0], "crowd": [900.0]}
    assert results.failures == {}


def test_a_whole_bench_begins_anew(path: Path) -> None:
    earlier(path)
    assert names(begin(1, partial=False, path=path)) == {}


def test_figures_of_another_commit_are_not_kept(path: Path) -> None:
    earlier(path, commit="0000000")
    assert names(begin(1, partial=True, path=path)) == {}


def test_a_measurement_that_fails_takes_its_earlier_figures_along(path: Path) -> None:
    earlier(path)
    results = begin(1, partial=True, path=path)
    results.fail("idle", "TimeoutError: slow")
    assert names(results) == {"burst": [5.0]}
    assert results.value("load") is None
    assert results.value("rate") == 5.0
