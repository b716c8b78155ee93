"""A sender of mails in a process of its own, to be killed: `python -m tests.baddays.mailman`.

It says `ready` when it has imported everything, reads one order as a line of JSON, sends what
waits, and says how many it sent. Its clock stands still at the order's time.
"""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import datetime

from polydock_pipelines.clients.smtp.mailer import SmtpMailer
from polydock_pipelines.db.database import Database
from tests.fakes.clock import FakeClock
from tests.mailing import send
from tests.makers import VAULT


@dataclass(frozen=True)
class Order:
    """What a sender needs to know."""

    database_url: str
    smtp_url: str
    now: str


class Mailman:
    """A sender that waits for its order."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.baddays.mailman"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def begin(self, order: Order) -> None:
        """Let it send what waits."""
        assert self.process.stdout is not None
        assert self.process.stdin is not None
        assert self.process.stdout.readline() == "ready\n"
        self.process.stdin.write(json.dumps(asdict(order)) + "\n")
        self.process.stdin.flush()

    def end(self) -> int:
        """Wait for its end; return how many mails it sent."""
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def kill(self) -> None:
        """Kill it, wherever it is; SIGKILL, so that it can do nothing about it."""
        self.process.kill()
        self.process.communicate()


def main() -> None:
    """Work one order."""
    _say("ready")
    order = Order(**json.loads(sys.stdin.readline()))
    database = Database(order.database_url, VAULT)
    clock = FakeClock(datetime.fromisoformat(order.now))
    _say(str(send(database, SmtpMailer(order.smtp_url), clock).count("sent")))


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
