"""Bad days of mails, over real sockets: senders killed by SIGKILL, a server in every trouble."""

import socket
import time
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from polydock_pipelines.actions.send_mails import THREADS, Sent, is_worth_a_run
from polydock_pipelines.clients.smtp.mailer import SmtpMailer
from polydock_pipelines.db.circuits import away
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.posting import AFTER_DOUBT, LEASE
from polydock_pipelines.simulator.simulator import Simulator
from polydock_pipelines.simulator.snapshot import snapshot
from tests.baddays.mailman import Mailman, Order
from tests.baddays.soundness import assert_mails_at_any_time
from tests.fakes.clock import FakeClock
from tests.mailing import ADA, BOB, EVE, a_waiting, mails, send, states
from tests.makers import a_book

pytestmark = pytest.mark.slow

PATIENCE_S = 20.0
MANY = 40


@dataclass
class Post:
    """A database, a mail server, and those who carry mails between them."""

    database: Database
    server: Simulator
    clock: FakeClock

    def write(self, *recipients: str) -> None:
        """Let a mail wait for each of *recipients*."""
        for recipient in recipients:
            a_waiting(self.database, recipient)

    def send(self, url: str = "") -> Sent:
        """Send what waits, in this process."""
        return send(self.database, SmtpMailer(url or self.url), self.clock)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.server.smtp_port}"

    def order(self) -> Order:
        """Return what a sender in a process of its own needs to know."""
        url = self.database.engine.url.render_as_string(hide_password=False)
        return Order(url, self.url, self.clock.now().isoformat())

    def delivered(self) -> Counter[str]:
        """Return how often each mail reached its mailbox, by Message-ID."""
        found: Any = self.server._call(lambda world: snapshot(world, ("mails",)))["mails"]
        return Counter(mail["headers"]["Message-ID"] for mail in found)

    def in_the_air(self) -> int:
        return sum(row.tried_at is not None for row in mails(self.database))


@pytest.fixture
def post(database: Database, lagoon: Simulator, lagoon_clock: FakeClock) -> Post:
    return Post(database, lagoon, lagoon_clock)


@pytest.fixture
def mailmen() -> Generator[Callable[[], Mailman]]:
    """Make senders; who is left at the end is killed."""
    made = list[Mailman]()

    def make() -> Mailman:
        made.append(Mailman())
        return made[-1]

    yield make
    for one in made:
        one.kill()


def wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not until() and time.monotonic() < end:
        time.sleep(0.005)
    assert until(), "it never came to that"


def slow_down(post: Post) -> None:
    """Let the server take its time over each mail, so that there is time to die in."""
    post.server.fault("smtp", "slow", 10_000, seconds=0.02)


@pytest.mark.parametrize("seen", [1, 9, 17])
def test_a_killed_sender_costs_no_mail_and_repeats_only_what_was_in_the_air(
    post: Post, mailmen: Callable[[], Mailman], seen: int
) -> None:
    post.write(*(f"person{n}@example.com" for n in range(MANY)))
    slow_down(post)
    first, second = mailmen(), mailmen()
    first.begin(post.order())
    wait(lambda: post.delivered().total() >= seen)
    first.kill()
    in_the_air = post.in_the_air()
    assert 1 <= in_the_air <= THREADS
    assert post.delivered().total() < MANY, "it was too late"
    left = sum(row.state == "pending" for row in mails(post.database))
    post.clock.advance(LEASE)
    second.begin(post.order())
    assert second.end() == left
    rows, found = mails(post.database), post.delivered()
    assert {row.state for row in rows} == {"sent"}
    assert len(found) == MANY
    assert sum(row.repeats for row in rows) == in_the_air
    twice = {message_id for message_id, count in found.items() if count > 1}
    repeated = {f".{row.id}." for row in rows if row.repeats}
    assert all(any(mark in one for mark in repeated) for one in twice)
    assert max(found.values()) <= 2
    assert_mails_at_any_time(post.database)


def test_senders_killed_one_after_the_other_deliver_nothing_three_times(
    post: Post, mailmen: Callable[[], Mailman]
) -> None:
    post.write(*(f"person{n}@example.com" for n in range(MANY)))
    slow_down(post)
    for _ in range(4):
        mailman, before = mailmen(), post.delivered().total()
        mailman.begin(post.order())
        wait(lambda before=before: post.delivered().total() > before + 2)
        mailman.kill()
        assert_mails_at_any_time(post.database)
        post.clock.advance(LEASE)
    while post.send().by_kind:
        post.clock.advance(LEASE)
    found = post.delivered()
    assert max(found.values()) <= 2
    for row in mails(post.database):
        (times,) = [count for name, count in found.items() if f".{row.id}." in name] or [0]
        if row.state == "sent":
            assert 1 <= times <= 1 + row.repeats, row.recipient
        else:
            assert (row.state, row.repeats) == ("unsure", 1)


def test_two_processes_at_once_send_nothing_twice(
    post: Post, mailmen: Callable[[], Mailman]
) -> None:
    post.write(*(f"person{n}@example.com" for n in range(MANY)))
    slow_down(post)
    both = [mailmen(), mailmen()]
    for one in both:
        one.begin(post.order())
    sent = sum(one.end() for one in both)
    sent += post.send().count("sent")  # SKIP LOCKED may have left some to nobody
    assert sent == MANY
    found = post.delivered()
    assert (len(found), max(found.values())) == (MANY, 1)
    assert {(row.state, row.attempts) for row in mails(post.database)} == {("sent", 1)}


def test_a_day_without_a_mail_server_loses_nothing(post: Post) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = f"smtp://127.0.0.1:{listener.getsockname()[1]}"
    for hour in range(24):
        post.write(f"person{hour}@example.com")
        assert is_worth_a_run(a_book(post.database), post.clock.now()).is_worth
        sent = post.send(nobody)
        assert (sent.count("sent"), "away" in sent.held_back) == (0, True)
        assert "smtp is away" in is_worth_a_run(a_book(post.database), post.clock.now()).why
        post.clock.advance(timedelta(hours=1))
    assert {(row.state, row.attempts) for row in mails(post.database)} == {("pending", 0)}
    assert post.send().count("sent") == 24
    found = post.delivered()
    assert (len(found), max(found.values())) == (24, 1)
    with post.database.read() as session:
        assert away(session) == []
    assert_mails_at_any_time(post.database)


def test_each_answer_of_a_server_costs_its_own_mail_only(post: Post) -> None:
    post.server.fault("smtp", "smtp_550")
    post.server.fault("smtp", "smtp_450", 2)
    post.server.fault("smtp", "smtp_cut_after_data")
    post.write(*(f"person{n}@example.com" for n in range(8)))
    sent = post.send()
    assert {state: sent.count(state) for state in ("sent", "failed", "pending")} == {
        "sent": 4,
        "failed": 1,
        "pending": 3,
    }
    assert post.delivered().total() == 5, "the one in doubt had arrived"
    post.clock.advance(AFTER_DOUBT)
    again = post.send()
    assert (again.count("sent"), again.repeats) == (3, 1)
    assert sorted(post.delivered().values()) == [1, 1, 1, 1, 1, 1, 2]
    (failed,) = [row for row in mails(post.database) if row.state == "failed"]
    assert "550" in failed.problem
    assert failed.recipient not in failed.problem


def test_a_server_that_loses_every_answer_gets_each_mail_twice_at_most(post: Post) -> None:
    post.server.fault("smtp", "smtp_cut_after_data", 100)
    post.write(ADA, BOB, EVE)
    for _ in range(4):
        post.send()
        post.clock.advance(timedelta(hours=1))
    assert set(states(post.database).values()) == {"unsure"}
    assert list(post.delivered().values()) == [2, 2, 2]
    assert_mails_at_any_time(post.database)
