"""A thousand random lives, on databases of either kind. `make soak` plays them for a night."""

from pathlib import Path

import pytest

from tests.baddays.chance import SEED, Batch, in_processes, new_seed
from tests.postgres import PostgresServer

LIVES, STEPS = 100, 20
POSTGRES_BATCHES = (0, 1)
SQLITE_BATCHES = (2, 3, 4, 5, 6, 7, 8, 9)


def test_they_are_a_thousand() -> None:
    assert LIVES * len(POSTGRES_BATCHES + SQLITE_BATCHES) == 1000


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("nth", SQLITE_BATCHES)
def test_random_lives_come_to_rest_on_sqlite(nth: int, sqlite_template: Path) -> None:
    assert_all_come_to_rest(f"sqlite:///{sqlite_template}", nth)


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("nth", POSTGRES_BATCHES)
def test_random_lives_come_to_rest_on_postgres(
    nth: int, postgres: PostgresServer, postgres_template: str
) -> None:
    name = postgres.create(template=postgres_template)
    try:
        assert_all_come_to_rest(postgres.url(name), nth)
    finally:
        postgres.drop(name)


def assert_all_come_to_rest(url: str, nth: int) -> None:
    """Play one batch in a process of its own."""
    seed = new_seed() + nth
    (played,) = in_processes([Batch(url, seed, LIVES, STEPS)], 1)
    assert not played.trouble, f"{SEED}={seed}\n{played.trouble}"
