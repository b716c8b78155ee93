"""Draws scenarios: so many, from a seed, on databases of either kind."""

import gc
import logging
import multiprocessing
import os
import random
import shutil
import threading
import time
import traceback
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import delete

from polydock_pipelines.actions import work
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.all import METADATA
from tests.baddays.meddling import WorkerDiedError
from tests.baddays.scenario import Open, machine
from tests.makers import VAULT

SEED = "POLYDOCK_TEST_SEED"
SQLITE = "sqlite"
LONGEST_STORY = 8000


def new_seed() -> int:
    """Return the seed that somebody asked for, else another each time."""
    return int(os.environ.get(SEED) or random.SystemRandom().randrange(2**32))


@dataclass(frozen=True)
class Batch:
    """Scenarios that one process plays, one after another."""

    database: str
    """The address of a migrated database; a SQLite file is copied first, another is emptied."""
    seed: int
    scenarios: int
    steps: int

    @property
    def kind(self) -> str:
        """Return `sqlite` or `postgresql`."""
        return self.database.split(":")[0].split("+")[0]


@dataclass(frozen=True)
class Played:
    """How a batch ended."""

    batch: Batch
    seconds: float
    trouble: str
    """The shortest story that fails, and where; empty when all came to rest."""


def in_processes(batches: Sequence[Batch], processes: int = 2) -> Generator[Played]:
    """Play batches, some at a time; yield each when it has ended."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, prepare, (os.getpid(),)) as pool:
        for future in as_completed([pool.submit(play_batch, batch) for batch in batches]):
            yield future.result()


def prepare(parent: int) -> None:
    """Make a process ready to play."""
    end_with_parent(parent)
    look_less_for_garbage()


def look_less_for_garbage() -> None:
    """Leave alone what is loaded: it is no garbage, and a tenth of all time goes into looking."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def end_with_parent(parent: int) -> None:
    """Let nobody play on for minutes when the one who asked for it was killed."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(2)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def play_batch(batch: Batch) -> Played:
    """Play a batch in this process."""
    logging.getLogger("polydock_pipelines").setLevel(logging.CRITICAL)  # workers die all the time
    began = time.monotonic()
    with ExitStack() as stack:
        url = batch.database
        if batch.kind == SQLITE:
            url = stack.enter_context(in_memory(Path(url.removeprefix("sqlite:///"))))
        fresh = stack.enter_context(emptied(url))
        try:
            play(batch.scenarios, batch.seed, fresh, steps=batch.steps)
        except (Exception, WorkerDiedError) as error:  # noqa: BLE001 - it is told with its seed
            return Played(batch, time.monotonic() - began, "\n\n".join(told(error)))
    return Played(batch, time.monotonic() - began, "")


def told(error: BaseException) -> Generator[str]:
    """Yield for each thing that is wrong what it is and the story that shows it."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from told(one)
        return
    last = "".join(traceback.format_exception(error, limit=-1, chain=False))
    yield last[-LONGEST_STORY:]


def play(scenarios: int, from_seed: int, open_database: Open, *, steps: int) -> None:
    """Play *scenarios* of up to *steps* steps each; a failure shows the shortest that fails."""
    drawn = settings(
        max_examples=scenarios,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        phases=[Phase.generate, Phase.shrink],
    )
    # One thread a leg: the same seed is the same story.
    with mock.patch.object(work, "THREADS", 1):
        run_state_machine_as_test(seed(from_seed)(machine(open_database)), settings=drawn)


@contextmanager
def in_memory(template: Path) -> Generator[str]:
    """Copy a SQLite file to where writing is cheap, if the machine has such a place."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as home:
        yield f"sqlite:///{shutil.copyfile(template, Path(home) / 'polydock.sqlite')}"


@contextmanager
def emptied(url: str) -> Generator[Open]:
    """Open a migrated database, whose rows go before each scenario."""
    database = Database(url, VAULT)

    def fresh() -> Database:
        with database.write() as session:
            for table in reversed(METADATA.sorted_tables):
                session.execute(delete(table))
        return database

    yield fresh
    database.close()
