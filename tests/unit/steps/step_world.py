"""What a step is run with: fakes, and a journal in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from polydock_pipelines.clients.keys import public_key_of
from polydock_pipelines.lifecycle.instance import Effect, Instance, Intent
from polydock_pipelines.lifecycle.outcome import Facts
from polydock_pipelines.ports import (
    Deployment,
    Environment,
    EnvironmentRef,
    Project,
    StaleLeaseError,
    StepPorts,
)
from polydock_pipelines.steps.variables import MARKER
from tests.fakes.clock import FakeClock
from tests.fakes.lagoon import FakeLagoon
from tests.fakes.shell import FakeShell
from tests.makers import GIT_URL, an_instance


@dataclass
class MemoryJournal:
    """`ports.Journal` that keeps intents and facts; *is_stale* says that the lease was lost."""

    clock: FakeClock
    intents: dict[Intent, datetime] = field(default_factory=dict[Intent, datetime])
    recorded: list[Facts] = field(default_factory=list[Facts])
    is_stale: bool = False

    def intend(self, effect: Effect, key: str) -> None:
        self._guard()
        self.intents[effect, key] = self.clock.now()

    def retract(self, effect: Effect, key: str) -> None:
        self._guard()
        self.intents.pop((effect, key), None)

    def record(self, facts: Facts) -> None:
        self._guard()
        self.recorded.append(facts)

    def _guard(self) -> None:
        if self.is_stale:
            raise StaleLeaseError("another run holds it")


@dataclass
class StepWorld:
    """The fakes of one test, and the ports made of them."""

    lagoon: FakeLagoon
    shell: FakeShell
    clock: FakeClock
    journal: MemoryJournal

    @property
    def ports(self) -> StepPorts:
        return StepPorts(
            lagoon=self.lagoon,
            shell=self.shell,
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
) -> StepWorld:
    """Return a world; a lagoon that moves with time must be given the same *clock*."""
    time = clock or FakeClock()
    journal = MemoryJournal(time, dict(intents or {}))
    return StepWorld(lagoon or FakeLagoon(time), shell or FakeShell(), time, journal)


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
