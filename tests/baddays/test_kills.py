"""Workers that are really killed, by SIGKILL, wherever they are: nothing is lost, nothing doubled.

The places are drawn at random from a fixed seed, another for each kind of database.
"""

import random
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack

import pytest

from polydock_pipelines.actions.operate import remove_instance
from polydock_pipelines.db.handovers import Chunk
from tests.baddays.driver import Driver, address_of
from tests.baddays.house import AFTER_DEATH
from tests.baddays.offers import CLAIM, LOGIN_URL, Offer
from tests.baddays.soundness import assert_sound
from tests.baddays.table import CLAIMED, REMOVED
from tests.baddays.worker import Order

LATENCY_MS = 15
"""Of the simulated Lagoon, so that there is time to die in."""
PATIENCE_S = 20.0
CALLS = {"provision": 9, "activate": 6, "remove": 8}
"""About as many requests as a run of that kind makes."""
SEEDS = {"sqlite": 1, "postgresql": 2}
COUNTING = Offer(
    scripts={
        CLAIM: f"echo claim >> ../ran; sleep 1; echo {LOGIN_URL}",
        "pre-remove": "echo pre-remove >> ../ran",
    }
)


class Workers:
    """Processes that wait for an order; the next one warms up while one works."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._next = self._start()

    def take(self) -> subprocess.Popen[str]:
        """Return a worker that is ready."""
        worker, self._next = self._next, self._start()
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        return worker

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.baddays.worker"]
        worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._stack.enter_context(worker)
        self._stack.callback(worker.kill)
        return worker


@pytest.fixture(scope="module")
def workers() -> Generator[Workers]:
    with ExitStack() as stack:
        yield Workers(stack)


@pytest.fixture
def chance(driver: Driver) -> random.Random:
    seed = SEEDS[driver.database.engine.name]
    return random.Random(seed)  # noqa: S311 - no secret, a place to die


def begin(driver: Driver, chunk: Chunk, worker: subprocess.Popen[str]) -> None:
    """Give *chunk* to a process instead of a thread of ours."""
    order = Order(
        driver.database.engine.url.render_as_string(hide_password=False),
        address_of(driver.simulator),
        driver.clock.now().isoformat(),
        chunk.handover_id,
        chunk.kind.value,
    )
    assert worker.stdin is not None
    worker.stdin.write(order.line())
    worker.stdin.flush()


def requests(driver: Driver) -> int:
    """Return how many requests and commands have reached Lagoon."""
    seen = driver.state("requests", "commands")
    return sum(seen["requests"].values()) + len(seen["commands"])


def kill_after(driver: Driver, worker: subprocess.Popen[str], calls: int, delay_s: float) -> None:
    """Kill the worker a moment after its *calls*-th request, or when it ends before that."""
    goal, end = requests(driver) + calls, time.monotonic() + PATIENCE_S
    while requests(driver) < goal and worker.poll() is None and time.monotonic() < end:
        time.sleep(0.002)
    time.sleep(delay_s)
    worker.kill()
    worker.wait()


def go_on_with_kills(driver: Driver, workers: Workers, chance: random.Random, kills: int) -> int:
    """Kill the worker of each run until *kills* have died; return how many did."""
    died = 0
    while died < kills and not driver.is_at_rest():
        for chunk in driver.due():
            worker = workers.take()
            begin(driver, chunk, worker)
            calls = chance.randint(1, CALLS[chunk.kind.value])
            kill_after(driver, worker, calls, chance.random() * LATENCY_MS / 1000)
            driver.look_at_builds()
            died += 1
        driver.clock.advance(AFTER_DEATH)
    return died


def scripts_that_ran(driver: Driver, uuid: str) -> list[str]:
    namespace = driver.row(uuid).namespace
    (ran,) = (driver.simulator.options.home / "containers").glob(f"{namespace}.*/ran")
    return ran.read_text().split()


def test_killed_workers_on_the_way_to_the_claim(
    driver: Driver, workers: Workers, chance: random.Random
) -> None:
    driver.simulator.change(latency_ms=LATENCY_MS)
    uuid = driver.sign_up(COUNTING)
    assert go_on_with_kills(driver, workers, chance, kills=4)
    driver.simulator.change(latency_ms=0)
    driver.go_on()
    assert driver.row(uuid).status == CLAIMED
    assert len(driver.builds_of(uuid)) == 1
    assert scripts_that_ran(driver, uuid) == ["claim"]
    assert_sound(driver)


def test_killed_workers_during_a_removal(
    driver: Driver, workers: Workers, chance: random.Random
) -> None:
    uuid = driver.sign_up(COUNTING)
    driver.go_on()
    driver.simulator.change(latency_ms=LATENCY_MS)
    remove_instance(driver.database, uuid, driver.clock.now(), by="a test")
    assert go_on_with_kills(driver, workers, chance, kills=3)
    driver.simulator.change(latency_ms=0)
    driver.go_on()
    assert driver.row(uuid).status == REMOVED
    assert scripts_that_ran(driver, uuid) == ["claim", "pre-remove"]
    assert_sound(driver)


def test_a_worker_killed_while_a_claim_script_runs_is_followed_by_its_result(
    driver: Driver, workers: Workers
) -> None:
    uuid = driver.sign_up(COUNTING)
    driver.go_on(until=driver.stands(uuid, "deploy-running"))
    driver.clock.advance(30)
    (chunk,) = driver.due()
    worker = workers.take()
    begin(driver, chunk, worker)
    end = time.monotonic() + PATIENCE_S
    while not driver.state("commands")["commands"] and time.monotonic() < end:
        time.sleep(0.005)
    worker.kill()
    worker.wait()
    assert driver.row(uuid).status == "polydock-claim-running"
    driver.clock.advance(AFTER_DEATH)
    driver.go_on()
    assert driver.row(uuid).status == CLAIMED
    assert scripts_that_ran(driver, uuid) == ["claim"]
    assert_sound(driver)
