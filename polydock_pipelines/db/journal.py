"""What a step writes before its outcome, each time under the lease that is still the row's."""

from sqlalchemy import delete
from sqlalchemy.orm import Session

from polydock_pipelines.db.holdings import give_back, hold, keep, let_go, owe
from polydock_pipelines.db.learning import learn
from polydock_pipelines.db.leases import Book, Held, mine
from polydock_pipelines.db.models.instances import AppInstance, InstanceIntent
from polydock_pipelines.lifecycle.holding import Holding
from polydock_pipelines.lifecycle.instance import Effect
from polydock_pipelines.lifecycle.outcome import Facts
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import Clock, StaleLeaseError


class LeaseJournal:
    """`ports.Journal` for one held instance."""

    def __init__(self, book: Book, held: Held, clock: Clock) -> None:
        self._book = book
        self._held = held
        self._clock = clock

    def intend(self, effect: Effect, key: str) -> None:
        """See `ports.Journal.intend`."""
        with self._book.db.write() as session:
            self._row(session)
            session.merge(
                InstanceIntent(
                    instance_id=self._held.instance.id,
                    effect=effect.value,
                    key=key,
                    intended_at=self._clock.now(),
                )
            )

    def retract(self, effect: Effect, key: str) -> None:
        """See `ports.Journal.retract`."""
        with self._book.db.write() as session:
            row = self._row(session)
            session.execute(
                delete(InstanceIntent).where(
                    InstanceIntent.instance_id == row.id,
                    InstanceIntent.effect == effect.value,
                    InstanceIntent.key == key,
                )
            )

    def record(self, facts: Facts) -> None:
        """See `ports.Journal.record`."""
        with self._book.db.write() as session:
            learn(session, self._row(session), facts, self._book.db.vault)

    def hold(self, holding: Holding) -> None:
        """See `ports.Journal.hold`."""
        with self._book.db.write() as session:
            hold(session, self._row(session).id, holding, self._clock.now())

    def let_go(self, holding: Holding) -> None:
        """See `ports.Journal.let_go`."""
        with self._book.db.write() as session:
            let_go(session, self._row(session).id, holding)

    def give_back(self, holding: Holding) -> None:
        """See `ports.Journal.give_back`."""
        with self._book.db.write() as session:
            give_back(session, self._row(session).id, holding, self._clock.now())

    def owe(self, holding: Holding, problem: str) -> None:
        """See `ports.Journal.owe`."""
        with self._book.db.write() as session:
            owe(session, self._row(session).id, holding, problem, self._clock.now())

    def keep(self, name: str, value: Secret) -> None:
        """See `ports.Journal.keep`."""
        with self._book.db.write() as session:
            keep(session, self._row(session).id, name, value, self._book.db.vault)

    def _row(self, session: Session) -> AppInstance:
        row = mine(session, self._held)
        if row is None:
            raise StaleLeaseError(f"another run holds {self._held.instance.name} now")
        return row
