"""A pace that all processes share: a caller waits its turn, or is told to come later."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

from polydock_pipelines.ports import ThrottledError

LONGEST_WAIT = timedelta(seconds=15)
"""A step that would wait longer is given up for now; nothing in a run sleeps for long."""

Take = Callable[[int], timedelta]
"""Takes so many tokens from the shared bucket; returns how long to wait before using them.

It takes none where that is more than LONGEST_WAIT.
"""


class Pace:
    """Makes the threads of one process keep to a rate. It takes half a second's worth at a time."""

    def __init__(
        self,
        per_minute: int,
        take: Take,
        sleep: Callable[[float], None] = time.sleep,
        *,
        of: str = "Lagoon than POLYDOCK_LAGOON_OPS_PER_MINUTE",
    ) -> None:
        self._of = of
        self._batch = max(1, per_minute // 120)
        self._take = take
        self._sleep = sleep
        self._lock = threading.Lock()
        self._left = 0
        self._from = 0.0

    def wait(self) -> None:
        """Wait until one more request may be sent. ThrottledError when that is too far off."""
        with self._lock:
            if not self._left:
                self._refill()
            self._left -= 1
            pause = self._from - time.monotonic()
        if pause > 0:
            self._sleep(pause)

    def _refill(self) -> None:
        turn = self._take(self._batch)
        if turn > LONGEST_WAIT:
            raise ThrottledError(
                f"more is asked of {self._of} allows; this goes on when there is room"
            )
        self._from, self._left = time.monotonic() + turn.total_seconds(), self._batch
