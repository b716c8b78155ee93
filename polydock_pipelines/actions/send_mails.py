"""Send the mails that wait: lease, hand over, settle. One bad address never blocks another.

A few threads, each with a connection of its own; one short transaction settles a mail and puts the
next one into the air, none is open while a server is spoken to.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from polydock_pipelines.actions.endpoints import away_now, note
from polydock_pipelines.actions.letters import Letterhead, compose
from polydock_pipelines.actions.links import Links
from polydock_pipelines.db import posting
from polydock_pipelines.db.gates import Gate
from polydock_pipelines.db.leases import Book
from polydock_pipelines.db.posting import Letter, NotSent, Result
from polydock_pipelines.db.vault import VaultError
from polydock_pipelines.emails.errors import EmailError
from polydock_pipelines.lifecycle.mails import MailKind
from polydock_pipelines.lifecycle.work import Work
from polydock_pipelines.ports import Clock, EndpointError, PortError, RefusedError, ThrottledError
from polydock_pipelines.ports.mail import SMTP, InDoubtError, Mailer, MailSession, hint

LOG = logging.getLogger(__name__)
THREADS = 4
BATCH = 25
"""So many rows a thread leases at once: what it holds when it dies comes back with the lease."""
LONGEST_S = 150.0
MOST_PROBLEMS = 20
VAULT_PAUSE = timedelta(minutes=2)


@dataclass(frozen=True)
class Post:
    """What mails are sent with."""

    book: Book
    mailer: Mailer
    clock: Clock
    head: Letterhead
    pace: Callable[[], None]
    """Waits until one more mail may be handed over. ThrottledError when that is too far off."""

    @property
    def links(self) -> Links:
        """Return what makes the links in mails."""
        return Links(self.book.db.vault, self.book.public_url)


@dataclass
class Sent:
    """What came of a round."""

    by_kind: Counter[tuple[MailKind, str]] = field(default_factory=Counter["tuple[MailKind, str]"])
    """How many mails of a kind ended in a state: sent, failed, unsure, pending for put off."""
    repeats: int = 0
    """Handed over a second time, because nobody knew what became of the first."""
    problems: list[str] = field(default_factory=list[str])
    held_back: str = ""
    """Why nothing, or not everything, was sent."""
    instances: dict[MailKind, list[str]] = field(default_factory=dict[MailKind, "list[str]"])
    """Uuids of the instances whose mails went out."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self, state: str, kind: MailKind | None = None) -> int:
        """Return how many mails ended in *state*."""
        return sum(n for (k, s), n in self.by_kind.items() if s == state and kind in (None, k))

    def add(self, letter: Letter, result: Result) -> None:
        """Count a mail that was handed over; threads may do so together."""
        with self._lock:
            self.repeats += letter.is_repeat
            if result.state == "sent":
                self.instances.setdefault(letter.kind, []).append(letter.instance_uuid)
            self._count(letter.kind, letter.recipient, result.state, result.problem)

    def add_unsent(self, mail: NotSent) -> None:
        """Count a mail that was not handed over; threads may do so together."""
        with self._lock:
            self._count(mail.kind, mail.recipient, mail.state, mail.reason)

    def _count(self, kind: MailKind, recipient: str, state: str, problem: str) -> None:
        self.by_kind[kind, state] += 1
        if problem and len(self.problems) < MOST_PROBLEMS:
            self.problems.append(f"{kind.value} to {hint(recipient)} {state}: {problem}")


def send_mails(post: Post, kinds: Collection[MailKind] | None = None) -> Sent:
    """Send what waits, of *kinds* or of all; safe beside another round, and to repeat."""
    sent, book = Sent(), post.book
    sent.held_back = why_held_back(post)
    if sent.held_back:
        return sent
    stop_at = time.monotonic() + LONGEST_S
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set() and time.monotonic() < stop_at:
            now = post.clock.now()
            gate = book.gate(now)
            sent.held_back = sent.held_back or gate.why_paused(Work.EMAILS)
            if sent.held_back:
                return
            token, ids = posting.lease(book.db, kinds, now, BATCH, _paused_stores(gate))
            if not ids:
                return
            _Round(post, sent, stop, stop_at).deliver(token, ids)

    with ThreadPoolExecutor(THREADS, "mail") as pool:
        for future in [pool.submit(work) for _ in range(THREADS)]:
            future.result()
    return sent


def _paused_stores(gate: Gate) -> list[str]:
    return [one.store for one in gate.brakes(Work.EMAILS) if one.store]


def why_held_back(post: Post) -> str:
    """Return why no mail may be sent now: a brake, or the server is away; empty when it may."""
    now = post.clock.now()
    paused = post.book.gate(now).why_paused(Work.EMAILS)
    return paused or away_now(post.book, SMTP, post.mailer.ping, now)


@dataclass(frozen=True)
class Verdict:
    """Whether a run would find something to send."""

    is_worth: bool
    why: str = ""


def is_worth_a_run(book: Book, now: datetime) -> Verdict:
    """Look whether a mail waits that nothing holds back; asks no server.

    While the server is away, a run is worth it when it is time to ask whether it is back.
    """
    gate = book.gate(now)
    if not posting.is_any_due(book.db, None, now, _paused_stores(gate)):
        return Verdict(is_worth=False, why="no mail waits")
    paused = gate.why_paused(Work.EMAILS)
    if paused:
        return Verdict(is_worth=False, why=paused)
    gone = next((one for one in gate.away if one.endpoint == SMTP), None)
    if gone is not None and gone.probe_at > now:
        return Verdict(is_worth=False, why=gone.sentence())
    return Verdict(is_worth=True)


@dataclass
class _Round:
    """One thread's batch."""

    post: Post
    sent: Sent
    stop: threading.Event
    stop_at: float

    def deliver(self, token: str, ids: Sequence[int]) -> None:
        """Hand over what we lease, one after the other; what is left goes back."""
        done: tuple[Letter, Result] | None = None
        try:
            with self.post.mailer.session() as line:
                for email_id in ids:
                    if self.stop.is_set() or time.monotonic() > self.stop_at:
                        break
                    letter = self._turn(done, email_id, token)
                    done = None
                    if letter is not None:
                        done = (letter, self._hand_over(line, letter))
        finally:
            if done is not None:
                self._turn(done, None, token)
            posting.give_back(self.post.book.db, token, ids)

    def _turn(
        self, done: tuple[Letter, Result] | None, email_id: int | None, token: str
    ) -> Letter | None:
        """Settle the last mail and put the next one into the air, in one transaction."""
        now, book = self.post.clock.now(), self.post.book
        with book.db.write() as session:
            if done is not None:
                posting.finish(session, done[1], now)
            letter = self._begin(session, email_id, token) if email_id is not None else None
        if done is not None:
            self.sent.add(*done)
        if isinstance(letter, NotSent):
            self.sent.add_unsent(letter)
            return None
        return letter

    def _begin(self, session: Session, email_id: int, token: str) -> Letter | NotSent | None:
        book, now = self.post.book, self.post.clock.now()
        try:
            return posting.begin(session, book.db.vault, email_id, token, book.writing(now))
        except VaultError as error:
            # A key is missing, or a secret was moved: the operator's to mend, and no other's mail.
            LOG.error("mail %s is put off: %s", email_id, error)  # noqa: TRY400 - it is a sentence
            return posting.put_off(session, email_id, token, str(error), now, pause=VAULT_PAUSE)

    def _hand_over(self, line: MailSession, letter: Letter) -> Result:
        now = self.post.clock.now()
        try:
            today = self.post.book.calendar(now)
            mail = compose(letter, self.post.links, self.post.head, now, today)
            self.post.pace()
            line.send(mail)
        except (EmailError, PortError) as error:
            return self._trouble(letter, error)
        return Result(letter.id, letter.token, "sent")

    def _trouble(self, letter: Letter, error: EmailError | PortError) -> Result:
        """Return what an error means of this mail, and stop where it means all of them."""
        now, this = self.post.clock.now(), (letter.id, letter.token)
        match error:
            case ThrottledError():
                self._end(str(error))
                return Result(*this, "pending", due_at=now, is_answer=False)
            case EndpointError() if self._is_away(error):
                self._end(str(error))
                return Result(*this, "pending", str(error), now, is_answer=False)
            case InDoubtError():
                due_at = now + posting.AFTER_DOUBT
                return Result(*this, "pending", str(error), due_at, is_doubtful=True)
            case EmailError() | RefusedError():
                is_answer = not isinstance(error, EmailError)
                return Result(*this, "failed", str(error), is_answer=is_answer)
            case _:
                due_at = posting.put_off_until(letter, now)
                if due_at is None:
                    return Result(*this, "failed", f"given up after two days: {error}")
                return Result(*this, "pending", str(error), due_at)

    def _is_away(self, error: EndpointError) -> bool:
        """Whether the server answers nobody; else it is this mail alone that it fails."""
        now = self.post.clock.now()
        return note(self.post.book, error, now, ping=self.post.mailer.ping) is not None

    def _end(self, reason: str) -> None:
        self.sent.held_back = self.sent.held_back or reason
        self.stop.set()
