"""The thread that tells Dagster of new signups."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from polydock_pipelines.intake.nudge import Nudge


class Slow:
    """A launch that waits until it is let go, and counts."""

    def __init__(self) -> None:
        self.calls = 0
        self.began = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.at_once = 0
        self.most = 0

    def __call__(self) -> None:
        self.calls += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        self.began.release()
        self.go.acquire(timeout=10)
        self.at_once -= 1


@contextmanager
def nudging(launch: Callable[[], object]) -> Iterator[Nudge]:
    nudge = Nudge(launch)
    try:
        yield nudge
    finally:
        nudge.stop()


def test_it_launches_soon_after_a_wake() -> None:
    called = threading.Event()
    with nudging(called.set) as nudge:
        assert not called.wait(0.05)
        nudge.wake()
        assert called.wait(10)


def test_many_wakes_during_a_launch_are_one_more() -> None:
    launch = Slow()
    with nudging(launch) as nudge:
        nudge.wake()
        assert launch.began.acquire(timeout=10)
        for _ in range(100):
            nudge.wake()
        launch.go.release(2)
        assert launch.began.acquire(timeout=10)
        assert not launch.began.acquire(timeout=0.05)
    assert (launch.calls, launch.most) == (2, 1)


def test_a_launch_that_raises_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    outcomes = iter([RuntimeError("Canary4711"), None])
    called = threading.Semaphore(0)

    def launch() -> None:
        error = next(outcomes)
        called.release()
        if error is not None:
            raise error

    with nudging(launch) as nudge:
        for _ in range(2):
            nudge.wake()
            assert called.acquire(timeout=10)
    assert "the sensor will take" in caplog.text
    assert "Canary4711" not in caplog.text


def test_it_stops_after_the_launch_in_hand() -> None:
    launch = Slow()
    nudge = Nudge(launch)
    nudge.wake()
    assert launch.began.acquire(timeout=10)
    stopping = threading.Thread(target=nudge.stop)
    stopping.start()
    launch.go.release()
    stopping.join(10)
    assert not stopping.is_alive()
    assert not nudge._thread.is_alive()
    nudge.wake()
    assert launch.calls == 1


def test_it_stops_when_there_was_nothing_to_do_and_may_be_stopped_twice() -> None:
    nudge = Nudge(lambda: None)
    nudge.stop()
    nudge.stop()
    assert not nudge._thread.is_alive()
