"""The whole state of the simulator, in memory, and the agenda by which its cluster works.

Nothing here waits: what is due by the clock is done when somebody looks (`settle`).
"""

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from functools import partial

from polydock_pipelines.simulator.addresses import Endpoints
from polydock_pipelines.simulator.amazee_ai.model import AmazeeAi
from polydock_pipelines.simulator.faults import Faults
from polydock_pipelines.simulator.model import (
    Build,
    Command,
    DeployTarget,
    Environment,
    Group,
    Mail,
    Organization,
    Post,
    Project,
    User,
    Webhook,
)
from polydock_pipelines.simulator.options import Clock, Settings, SimulatorOptions

Event = Callable[[datetime], None]
MOST_POSTS = 2000


@dataclass
class Ledger:
    """What reached the simulator from outside."""

    requests: Counter[str] = field(default_factory=Counter)
    """Root fields received, whatever became of them."""
    executed: Counter[str] = field(default_factory=Counter)
    """Root fields whose resolver ran."""
    posts: deque[Post] = field(default_factory=partial(deque[Post], maxlen=MOST_POSTS))
    """The last requests to `/graphql`."""
    mails: list[Mail] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    webhooks: list[Webhook] = field(default_factory=list)


@dataclass
class World:
    """One simulated Lagoon, with an amazee.ai beside it."""

    clock: Clock
    settings: Settings
    user: User
    endpoints: Endpoints = field(default_factory=Endpoints)
    faults: Faults = field(default_factory=Faults)
    ledger: Ledger = field(default_factory=Ledger)
    targets: dict[int, DeployTarget] = field(default_factory=dict)
    organizations: dict[int, Organization] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    projects: dict[int, Project] = field(default_factory=dict)
    names: dict[str, Project] = field(default_factory=dict)
    environments: dict[int, Environment] = field(default_factory=dict)
    namespaces: dict[str, Environment] = field(default_factory=dict)
    builds: dict[int, Build] = field(default_factory=dict)
    bulks: dict[str, list[Build]] = field(default_factory=dict)
    amazee_ai: AmazeeAi = field(default_factory=AmazeeAi)
    _ids: dict[str, Iterator[int]] = field(default_factory=dict)
    _agenda: list[tuple[datetime, int, Event]] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=itertools.count)

    def become(self, other: "World") -> None:
        """Take over everything of another world but where this one listens; no fault remains."""
        for item in fields(self):
            if item.name not in ("endpoints", "faults"):
                setattr(self, item.name, getattr(other, item.name))
        self.faults.clear()

    def next_id(self, kind: str) -> int:
        """Return the next number of a table, as an auto-increment column would."""
        return next(self._ids.setdefault(kind, itertools.count(1)))

    def later(self, when: datetime, seconds: float, event: Event) -> None:
        """Put *event* on the agenda, *seconds* after *when*; it is told when it was due."""
        due = when + timedelta(seconds=seconds)
        heapq.heappush(self._agenda, (due, next(self._order), event))

    def settle(self) -> datetime:
        """Do all that is due, in order, and return the present time."""
        now = self.clock()
        while self._agenda and self._agenda[0][0] <= now:
            due, _, event = heapq.heappop(self._agenda)
            event(due)
        return now

    def project(self, name: str | None) -> Project | None:
        """Return a project by its name, whose case does not matter to Lagoon's database."""
        return self.names.get((name or "").lower())

    def organization_named(self, name: str) -> Organization | None:
        """Return an organization by its name."""
        wanted = name.lower()
        return next((o for o in self.organizations.values() if o.name.lower() == wanted), None)

    def organization_projects(self, organization_id: int) -> list[Project]:
        """Return the projects of one organization."""
        return [p for p in self.projects.values() if p.organization == organization_id]


def empty_world(options: SimulatorOptions) -> World:
    """Return a world without a project in it."""
    user = User(
        id="7d1c3f5e-0a7b-4a51-9a55-3f6f6f2f6c10",
        email="polydock@example.com",
        first_name="Polydock",
        last_name="Pipelines",
    )
    return World(clock=options.clock, settings=Settings.of(options), user=user)
