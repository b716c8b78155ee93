"""Piles are taken away from the oldest on, within their bounds, and a death loses nothing."""

from dataclasses import dataclass, field
from datetime import datetime

import pytest

from polydock_pipelines.actions.prune import Pruned, look, plan, prune


@dataclass
class Heap:
    """A pile of numbers."""

    name: str
    things: list[int]
    most: int = 10
    batch: int = 3
    dies_at: int | None = None
    taken: list[int] = field(default_factory=list[int])

    def due(self) -> int:
        return len(self.things)

    def oldest(self) -> datetime | None:
        return None

    def take(self, most: int) -> int:
        if self.dies_at in self.things[:most]:
            raise ConnectionError
        self.taken.append(most)
        gone, self.things = self.things[:most], self.things[most:]
        return len(gone)


def never() -> bool:
    return False


def test_all_that_is_old_goes_in_batches() -> None:
    heap = Heap("runs", list(range(7)))
    assert prune([heap], never) == [Pruned("runs", deleted=7, left=0, oldest=None)]
    assert heap.taken == [3, 3, 3]


def test_at_most_so_many_go_and_the_oldest_first() -> None:
    heap = Heap("runs", list(range(25)))
    assert prune([heap], never) == [Pruned("runs", deleted=10, left=15, oldest=None)]
    assert (heap.taken, heap.things[0]) == ([3, 3, 3, 1], 10)


def test_a_second_run_goes_on_and_a_third_finds_nothing() -> None:
    heap = Heap("runs", list(range(15)))
    assert [prune([heap], never)[0].deleted for _ in range(3)] == [10, 5, 0]


def test_time_is_looked_at_between_batches() -> None:
    heap, later = Heap("logs", list(range(9))), Heap("runs", [1])
    looks = iter([False, True, True])
    pruned = prune([heap, later], lambda: next(looks))
    assert [(p.deleted, p.left) for p in pruned] == [(3, 6), (0, 1)]


def test_what_went_before_a_death_is_gone_and_the_rest_follows() -> None:
    heap = Heap("runs", list(range(8)), dies_at=4)
    with pytest.raises(ConnectionError):
        prune([heap], never)
    assert heap.things == [3, 4, 5, 6, 7]
    heap.dies_at = None
    assert prune([heap], never)[0].deleted == 5


def test_a_plan_names_only_what_there_is() -> None:
    assert plan([Heap("runs", [1, 2]), Heap("logs", [])]) == {"runs": 2}


def test_a_look_deletes_nothing() -> None:
    heap = Heap("runs", [1, 2])
    assert look([heap]) == [Pruned("runs", deleted=0, left=2, oldest=None)]
    assert heap.taken == []
