"""Tells Dagster about new signups at once: one thread, however many signups there are."""

import logging
import threading
from collections.abc import Callable

LOG = logging.getLogger(__name__)


class Nudge:
    """Calls *launch* soon after `wake`, never twice at a time; many wakes make one call."""

    def __init__(self, launch: Callable[[], object]) -> None:
        self._launch = launch
        self._wanted = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="nudge", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Say that something new is there."""
        self._wanted.set()

    def stop(self) -> None:
        """End the thread, after the call in hand."""
        self._stopping = True
        self._wanted.set()
        self._thread.join(timeout=15)

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._stopping:
                return
            try:
                self._launch()
            except Exception:  # noqa: BLE001 - the sensor makes good; this thread must live on
                LOG.warning("the launch failed; the sensor will take the new signups")
