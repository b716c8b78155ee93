"""What a step is run with: fakes, and a journal in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from polydock_pipelines.clients.keys import public_key_of
from polydock_pipelines.lifecycle.holding import Holding, HoldingKind
from polydock_pipelines.lifecycle.instance import Effect, Instance, Intent
from polydock_pipelines.lifecycle.outcome import Facts
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import (
    Deployment,
    Environment,
    EnvironmentRef,
    Project,
    StaleLeaseError,
    StepPorts,
)
from polydock_pipelines.steps.variables import MARKER
from tests.fakes.amazee_ai import FakeAmazeeAi
from tests.fakes.clock import FakeClock
from tests.fakes.lagoon import FakeLagoon
from tests.fakes.shell import FakeShell
from tests.makers import GIT_URL, an_instance


class Death(BaseException):
    """The worker dies here."""


@dataclass
class MemoryJournal:
    """`ports.Journal` that keeps intents and facts; *is_stale* says that the lease was lost."""

    clock: FakeClock
    intents: dict[Intent, datetime] = field(default_factory=dict[Intent, datetime])
    recorded: list[Facts] = field(default_factory=list[Facts])
    held: dict[tuple[HoldingKind, str], Holding] = field(
        default_factory=dict[tuple[HoldingKind, str], Holding]
    )
    """The open entries of the ledger."""
    owed: dict[tuple[HoldingKind, str], str] = field(
        default_factory=dict[tuple[HoldingKind, str], str]
    )
    kept: dict[str, Secret] = field(default_factory=dict[str, Secret])
    is_stale: bool = False
    dies_at: int = 0
    """The write after which the worker dies; 0: none."""
    writes: int = 0

    def intend(self, effect: Effect, key: str) -> None:
        self._guard()
        self.intents[effect, key] = self.clock.now()

    def retract(self, effect: Effect, key: str) -> None:
        self._guard()
        self.intents.pop((effect, key), None)

    def record(self, facts: Facts) -> None:
        self._guard()
        self.recorded.append(facts)

    def hold(self, holding: Holding) -> None:
        self._guard()
        self.held[holding.kind, holding.name] = replace(holding, meant_at=self.clock.now())
        self._written()

    def let_go(self, holding: Holding) -> None:
        self._guard()
        self.held.pop((holding.kind, holding.name), None)
        self._written()

    def give_back(self, holding: Holding) -> None:
        self._guard()
        self.held.pop((holding.kind, holding.name), None)
        self._written()

    def owe(self, holding: Holding, problem: str) -> None:
        self._guard()
        self.owed[holding.kind, holding.name] = problem
        self._written()

    def keep(self, name: str, value: Secret) -> None:
        self._guard()
        self.kept[name] = value
        self._written()

    def _guard(self) -> None:
        if self.is_stale:
            raise StaleLeaseError("another run holds it")

    def _written(self) -> None:
        self.writes += 1
        if self.writes == self.dies_at:
            raise Death


@dataclass
class StepWorld:
    """The fakes of one test, and the ports made of them."""

    lagoon: FakeLagoon
    shell: FakeShell
    clock: FakeClock
    journal: MemoryJournal
    ai: FakeAmazeeAi

    def again(self, instance: Instance, **changes: Any) -> Instance:
        """Return the instance as a later step sees it: with what the journal has taken down."""
        return replace(
            instance,
            intents=dict(self.journal.intents),
            holdings=tuple(self.journal.held.values()),
            kept=dict(self.journal.kept),
            **changes,
        )

    @property
    def ports(self) -> StepPorts:
        return StepPorts(
            lagoon=self.lagoon,
            shell=self.shell,
            amazee_ai=self.ai,
            clock=self.clock,
            public_key_of=public_key_of,
            journal=self.journal,
        )


def a_world(
    lagoon: FakeLagoon | None = None,
    shell: FakeShell | None = None,
    *,
    clock: FakeClock | None = None,
    intents: Mapping[Intent, datetime] | None = None,
    ai: FakeAmazeeAi | None = None,
) -> StepWorld:
    """Return a world; a lagoon that moves with time must be given the same *clock*."""
    time = clock or FakeClock()
    journal = MemoryJournal(time, dict(intents or {}))
    return StepWorld(
        lagoon or FakeLagoon(time), shell or FakeShell(), time, journal, ai or FakeAmazeeAi()
    )


def our_project(instance: Instance | None = None, **changes: Any) -> Project:
    """Return the project that `an_instance()` has, marked as its."""
    owner = instance or an_instance()
    values: dict[str, Any] = {
        "id": 1,
        "name": owner.name,
        "organization_id": 7,
        "git_url": GIT_URL,
        "metadata": {MARKER: owner.uuid},
    }
    return Project(**{**values, **changes})


MAIN = EnvironmentRef(1, "main")


def an_environment(**changes: Any) -> Environment:
    """Return the environment of `our_project()`."""
    values: dict[str, Any] = {"id": 2, "name": "main", "namespace": "trial-calm-otter-main"}
    return Environment(**{**values, **changes})


def standing_lagoon(
    clock: FakeClock | None = None,
    *,
    builds: tuple[Deployment, ...] = (),
    environment: Environment | None = None,
    **options: Any,
) -> FakeLagoon:
    """Return a Lagoon with our project and its environment."""
    return FakeLagoon(
        clock,
        projects=[our_project()],
        environments={MAIN: environment or an_environment()},
        builds=[(MAIN, build) for build in builds],
        **options,
    )
