"""How fast mails go out that fall due together, and whether a scheduler that slept sends any twice.

It is what the assets' runs do: write what fell due, send what waits, in rounds as long as a run's,
until nothing is left. Beside a million instances and as many settled mails on Postgres; what is
sent goes through the real client over loopback to a server of its own process, which counts the
Message-IDs.
"""

import socket
import sys
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from benchmarks import mail_sink, processes, stacks, trial_rows
from benchmarks.figures import Figure, at_least, at_most, plain
from benchmarks.plan import Plan
from polydock_pipelines import wiring
from polydock_pipelines.actions.send_mails import is_worth_a_run, send_mails
from polydock_pipelines.actions.trials import Round, end_due_trials, write_reminders
from polydock_pipelines.cli.stack import free_port
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.leases import Book
from polydock_pipelines.db.vault import new_key
from polydock_pipelines.lifecycle.mails import MailKind
from polydock_pipelines.settings import Settings, load_settings

SLEPT = timedelta(minutes=30)
GIVE_UP_S = 1800.0
WRITERS = {
    MailKind.MIDTRIAL: partial(write_reminders, kind=MailKind.MIDTRIAL),
    MailKind.ONE_DAY_LEFT: partial(write_reminders, kind=MailKind.ONE_DAY_LEFT),
    MailKind.TRIAL_COMPLETE: end_due_trials,
}
"""What the run of each asset writes."""


@dataclass(frozen=True)
class Sink:
    """A mail server at work."""

    settings: Settings
    path: Path
    pid: int

    def ids(self) -> list[str]:
        """Return the Message-IDs it has seen, in the order in which they came."""
        return self.path.read_text().split("\n")[:-1]


def measure(plan: Plan) -> list[Figure]:
    """Return the rate of a crowd of reminders, and what catching up after a sleep came to."""
    now, key = datetime.now(UTC), new_key()
    with trial_rows.house(plan.sizes.rows, now, key) as database, _sink(database, key) as sink:
        book = wiring.open_book(database, sink.settings)
        return [*_crowd(book, sink, plan.sizes.mails), *_slept(book, sink, plan.sizes.due)]


def _crowd(book: Book, sink: Sink, count: int) -> list[Figure]:
    trial_rows.fall_due(book.db, "midtrial", count, datetime.now(UTC))
    before, began = processes.cpu(sink.pid), time.monotonic()
    fallen = _write(book, MailKind.MIDTRIAL)
    written = time.monotonic() - began
    rounds = _send_all(book, sink, [MailKind.MIDTRIAL])
    seconds = time.monotonic() - began
    taken, doubles = mail_sink.counted(sink.ids())
    sink_s = (processes.cpu(sink.pid) - before).everything
    title = f"{count:,} mails due in the same minute"
    print(f"    {len(fallen.fallen)} selected in {written:.1f} s, {rounds} rounds", flush=True)
    return [
        at_least(f"{title}: rate, written and sent", taken / seconds, "mails/s", 100),
        at_least(f"{title}: taken by the server", taken - doubles, "mails", count),
        at_most(f"{title}: taken twice", doubles, "mails", 0),
        plain(f"{title}: all written after", written, "s"),
        plain(f"{title}: all sent after", seconds, "s"),
        plain(f"{title}: of it the mail server's", sink_s, "CPU s"),
    ]


def _slept(book: Book, sink: Sink, count: int) -> list[Figure]:
    """Let trials fall due during half an hour, then let two runs of each schedule begin at once.

    As when the daemon wakes: a tick asks for a run, and so does the next while that is at work.
    """
    now, third = datetime.now(UTC), count // 3
    for what, some in (("midtrial", count - 2 * third), ("one day left", third), ("ends", third)):
        trial_rows.fall_due(book.db, what, some, now, SLEPT)
    before, began = len(sink.ids()), time.monotonic()
    with ThreadPoolExecutor(2, "woken") as pool:
        for run in [pool.submit(_wake, book, sink) for _ in range(2)]:
            run.result()
    seconds = time.monotonic() - began
    taken, doubles = mail_sink.counted(sink.ids()[before:])
    title = f"a scheduler that slept 30 minutes, {count:,} trials due meanwhile"
    return [
        at_least(f"{title}: mails sent", taken, "mails", count),
        at_most(f"{title}: doubles", doubles, "mails", 0),
        plain(f"{title}: caught up after", seconds, "s"),
    ]


def _wake(book: Book, sink: Sink) -> None:
    for kind in WRITERS:
        _write(book, kind)
        _send_all(book, sink, [kind])


def _write(book: Book, kind: MailKind) -> Round:
    fallen = Round(is_all=False)
    while not fallen.is_all:
        fallen = WRITERS[kind](book, datetime.now(UTC))
    return fallen


def _send_all(book: Book, sink: Sink, kinds: Sequence[MailKind]) -> int:
    """Send in rounds, each as long as a run's, until nothing waits; return how many it took."""
    rounds, give_up = 0, time.monotonic() + GIVE_UP_S
    while rounds == 0 or is_worth_a_run(book, datetime.now(UTC)).is_worth:
        mailer = wiring.open_mailer(sink.settings)
        sent = send_mails(wiring.make_post(book, mailer, sink.settings), kinds)
        rounds += 1
        if sent.problems or sent.held_back or time.monotonic() > give_up:
            raise RuntimeError(f"not all was sent: {sent.held_back} {sent.problems[:3]}")
        if not sent.by_kind:
            break
    return rounds


@contextmanager
def _sink(database: Database, key: str) -> Generator[Sink]:
    """Run a mail server, with settings that lead to it and to *database*."""
    with stacks.temporary_home() as home:
        port, path = free_port(), home / "message-ids"
        env = {
            **stacks.clean_environment(),
            "POLYDOCK_DATABASE_URL": database.engine.url.render_as_string(hide_password=False),
            "POLYDOCK_SECRET_KEYS": key,
            "SMTP_URL": f"smtp://127.0.0.1:{port}?tls=none",
        }
        log = home / "sink.log"
        argv = [sys.executable, "-m", "benchmarks.mail_sink", str(port), str(path)]
        process = stacks.launch(argv, env, log)
        try:
            stacks.until(lambda: _listens(port), stacks.READY_WITHIN_S, process, log)
            with stacks.variables(env):
                settings = load_settings()
            yield Sink(settings, path, process.pid)
        finally:
            stacks.stop(process)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
