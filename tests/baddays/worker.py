"""A worker in a process of its own, to be killed: `python -m tests.baddays.worker`.

It says `ready` when it has imported everything, reads one order as a line of JSON, works that run,
and says `done`. Its clock stands still at the order's time.
"""

import json
import sys
from dataclasses import asdict, dataclass
from datetime import datetime

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.handovers import Chunk
from polydock_pipelines.lifecycle.table import Kind
from polydock_pipelines.wiring import quiet_libraries
from tests.baddays.driver import Address, open_ports
from tests.baddays.house import work_run
from tests.fakes.clock import FakeClock
from tests.makers import VAULT


@dataclass(frozen=True)
class Order:
    """What a worker needs to know."""

    database_url: str
    address: Address
    now: str
    handover_id: str
    kind: str

    def line(self) -> str:
        """Return it as one line."""
        return json.dumps(asdict(self)) + "\n"


def main() -> None:
    """Work one order."""
    quiet_libraries()
    _say("ready")
    given = json.loads(sys.stdin.readline())
    order = Order(**{**given, "address": Address(**given["address"])})
    clock = FakeClock(datetime.fromisoformat(order.now))
    database = Database(order.database_url, VAULT)
    chunk = Chunk(order.handover_id, Kind(order.kind), 1, "a test")
    work_run(database, open_ports(order.address, clock), chunk)
    _say("done")


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
