"""A thousand random lives, on databases of either kind. `make soak` plays them for a night."""

import sys
from itertools import chain
from pathlib import Path

import pytest

from tests.baddays.chance import SEED, Batch, in_processes, new_seed
from tests.postgres import PostgresServer

SCENARIOS, STEPS = 125, 20
SQLITE_BATCHES, POSTGRES_BATCHES = 6, 2


@pytest.fixture
def seed(capsys: pytest.CaptureFixture[str]) -> int:
    drawn = new_seed()
    with capsys.disabled():
        sys.stdout.write(f"\nscenarios from {SEED}={drawn}\n")
    return drawn


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_thousand_random_lives_come_to_rest(
    sqlite_template: Path, postgres: PostgresServer, postgres_template: str, seed: int
) -> None:
    names = [postgres.create(template=postgres_template) for _ in range(POSTGRES_BATCHES)]
    databases = chain(map(postgres.url, names), [f"sqlite:///{sqlite_template}"] * SQLITE_BATCHES)
    batches = [Batch(url, seed + n, SCENARIOS, STEPS) for n, url in enumerate(databases)]
    try:
        played = list(in_processes(batches))
    finally:
        for name in names:
            postgres.drop(name)
    failed = [f"{SEED}={one.batch.seed}\n{one.trouble}" for one in played if one.trouble]
    assert not failed, "\n\n".join(failed)
    assert sum(one.batch.scenarios for one in played) == 1000
