"""Debts: what a removed instance still holds outside, because it could not be given back then."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from polydock_pipelines.db import debts
from polydock_pipelines.db.circuits import LAGOON
from polydock_pipelines.db.debts import Debt
from polydock_pipelines.db.leases import Book
from polydock_pipelines.lifecycle.holding import AI_KINDS, Holding
from polydock_pipelines.lifecycle.table import Kind
from polydock_pipelines.ports import EndpointError, Lagoon, PortError
from polydock_pipelines.ports.amazee_ai import AMAZEE_AI, AmazeeAi
from polydock_pipelines.steps.dependency_track import withdraw
from polydock_pipelines.steps.giving_back import give_back

MOST_INSTANCES = 1000
LONGEST_S = 120.0
"""After so much the round ends: a run has 300 s, and those left over come first in the next one."""


@dataclass(frozen=True)
class Settled:
    """What came of a round."""

    paid: int
    left: Sequence[Debt]
    """At most so many as somebody wants to read; `owed` counts all."""
    owed: int = 0
    held_back: str = ""
    """Why nothing was tried: a brake, or Lagoon is away."""


@dataclass(frozen=True)
class _Round:
    """One round: what is asked, and when."""

    book: Book
    lagoon: Lagoon
    ai: AmazeeAi
    now: datetime
    paid: list[Holding] = field(default_factory=list[Holding])
    away: set[str] = field(default_factory=set[str])
    """Endpoints that did not answer: not asked again, since they will not for the others either."""

    def settle(self, instance_id: int) -> None:
        """Give back what one instance owes, as it stands now; note why what cannot be is left."""
        held = debts.of(self.book.db, instance_id)

        def close(one: Holding) -> None:
            debts.close(self.book.db, instance_id, one, self.now)
            self.paid.append(one)

        for endpoint, give in ((LAGOON, self._withdraw), (AMAZEE_AI, self._give_back)):
            if endpoint in self.away:
                continue
            try:
                give(held, close)
            except PortError as error:
                debts.note(self.book.db, instance_id, str(error), self.now)
                if isinstance(error, EndpointError):
                    self.away.add(endpoint)

    def _withdraw(self, held: Collection[Holding], close: Callable[[Holding], None]) -> None:
        for one in held:
            if one.kind not in AI_KINDS:
                withdraw(one, self.lagoon)
                close(one)

    def _give_back(self, held: Collection[Holding], close: Callable[[Holding], None]) -> None:
        give_back([one for one in held if one.kind in AI_KINDS], self.ai, close)


def settle_debts(book: Book, lagoon: Lagoon, ai: AmazeeAi, now: datetime) -> Settled:
    """Try once more to give back what is owed; what still cannot be is told with its reason.

    Each entry is closed as soon as its thing is gone. Safe to repeat, and safe beside another. The
    brakes of removals hold this back too.
    """
    this, gate, began = _Round(book, lagoon, ai, now), book.gate(now), time.monotonic()
    for instance_id in debts.due(book.db, MOST_INSTANCES, gate.lets(Kind.REMOVE)):
        if time.monotonic() - began > LONGEST_S:
            break
        this.settle(instance_id)
    left, owed = debts.all_of(book.db), debts.count(book.db)
    return Settled(len(this.paid), left, owed, gate.why(Kind.REMOVE))
