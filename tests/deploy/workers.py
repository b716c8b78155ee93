"""A Redis and Celery workers in processes of their own, stopped for certain."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from polydock_pipelines.cli.stack import free_port, is_open
from tests.deploy.stacks import until

READY_WITHIN_S = 120.0
STOP_WITHIN_S = 15.0


def redis_server() -> str | None:
    """Return where `redis-server` is, if it is installed."""
    return shutil.which("redis-server")


@contextmanager
def running_redis(log: Path) -> Generator[str]:
    """Start a Redis on loopback that keeps nothing; yield its URL."""
    port = free_port()
    options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    argv = [redis_server() or "redis-server", "--port", str(port), *options]
    with log.open("w") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=out, cwd=log.parent)
    try:
        until(lambda: is_open(port), READY_WITHIN_S, log.read_text)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(STOP_WITHIN_S)


@dataclass(frozen=True)
class Worker:
    """A `polydock worker`, which leads a session of its own."""

    process: subprocess.Popen[str]
    log: Path

    def has_begun(self) -> int:
        """Return how many runs it has taken."""
        return self.log.read_text().count("] received")

    def has_ended(self) -> int:
        """Return how many of them it has brought to an end."""
        return self.log.read_text().count("] succeeded in")

    def is_at_work(self) -> bool:
        """Whether it has a run in hand."""
        return self.has_begun() > self.has_ended()

    def kill(self) -> None:
        """End it and the processes that execute its runs at once, as a machine that goes dark."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(STOP_WITHIN_S)

    def wait_until_ready(self) -> None:
        """Wait until it takes runs."""
        until(lambda: " ready." in self.log.read_text(), READY_WITHIN_S, self.log.read_text)


def start_worker(env: Mapping[str, str], name: str, folder: Path) -> Worker:
    """Start a worker that executes one run at a time."""
    log = folder / f"worker-{name}.log"
    argv = [sys.executable, "-m", "polydock_pipelines.cli", "worker", "--name", name, "--runs", "1"]
    with log.open("w") as out:
        process = subprocess.Popen(
            argv, env=dict(env), stdout=out, stderr=out, text=True, start_new_session=True
        )
    return Worker(process, log)


def stop_workers(workers: Sequence[Worker]) -> None:
    """Ask all to end, and make sure that they do."""
    for worker in workers:
        worker.process.send_signal(signal.SIGTERM)
    for worker in workers:
        with suppress(subprocess.TimeoutExpired):
            worker.process.wait(STOP_WITHIN_S)
        worker.kill()
