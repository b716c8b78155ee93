"""What may go wrong at a call: planned beforehand, met when the call comes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from polydock_pipelines.db.leases import LEASE
from polydock_pipelines.ports import (
    DeniedError,
    EndpointError,
    PortError,
    RefusedError,
    ThrottledError,
)
from polydock_pipelines.ports.amazee_ai import AMAZEE_AI
from tests.baddays.meddling import WorkerDiedError
from tests.fakes.clock import FakeClock

CALLS = (
    "projects.project_by_name",
    "projects.add_project",
    "projects.update_project_metadata",
    "projects.add_groups_to_project",
    "projects.set_variables",
    "projects.delete_variables",
    "projects.delete_project",
    "environments.environment_by_name",
    "environments.names_of",
    "environments.delete_environment",
    "organizations.projects_of",
    "deployments.by_bulk_ids",
    "deployments.deploy_environment_branch",
    "deployments.cancel_deployment",
    "shell.run",
    "ai.region",
    "ai.users.by_email",
    "ai.users.create",
    "ai.users.create_token",
    "ai.users.delete",
    "ai.keys.owned_by",
    "ai.keys.create",
    "ai.keys.cap",
    "ai.keys.ref",
    "ai.keys.refs_of_user",
    "ai.keys.delete",
    "ai.teams.create",
    "ai.teams.delete",
)
MAKING = {
    f"before {call}"
    for call in (
        "deployments.deploy_environment_branch",
        "ai.users.create",
        "ai.users.create_token",
        "ai.keys.create",
        "ai.teams.create",
    )
}
"""Requests that make something, and that nobody can take back once they are on their way."""
AWAY = "Lagoon is away."

ERRORS: dict[str, Callable[[], PortError]] = {
    "odd": lambda: PortError("Lagoon says something odd."),
    "denied": lambda: DeniedError("Lagoon says that we may not."),
    "throttled": lambda: ThrottledError("enough for this minute"),
    "refused": lambda: RefusedError("Lagoon refuses it for good."),
}
ENDPOINT = "endpoint"
LOST = "lost answer"
DEATH = "death"
SLOW = "slow"
OVERTAKEN = "overtaken"
MEDDLED = "meddled"

BEFORE = (ENDPOINT, *ERRORS, DEATH, SLOW, OVERTAKEN, MEDDLED)
AFTER = (LOST, DEATH, SLOW, OVERTAKEN, MEDDLED)
LOOKS = {
    "project_by_name",
    "environment_by_name",
    "names_of",
    "projects_of",
    "by_bulk_ids",
    "by_email",
    "owned_by",
    "region",
    "ref",
    "refs_of_user",
}


def endpoint_of(moment: str) -> str:
    """Return the name of the endpoint that a moment's call goes to."""
    if " ai." in moment:
        return AMAZEE_AI
    return "lagoon-ssh ssh.example.com:22" if "shell" in moment else "lagoon"


@dataclass(frozen=True)
class Trouble:
    """What happens at the next so many of a moment (`before projects.add_project`)."""

    moment: str
    kind: str
    times: int = 1


TROUBLES = [
    *(Trouble(f"before {call}", kind, n) for call in CALLS for kind in BEFORE for n in (1, 3)),
    *(Trouble(f"after {call}", kind) for call in CALLS for kind in AFTER),
]
WORST = [
    Trouble(f"after {call}", kind)
    for call in CALLS
    for kind in (LOST, DEATH, OVERTAKEN)
    if call.split(".")[-1] not in LOOKS
]
"""What was done, and nobody knows."""
DEEPEST = 2
"""So many calls may be interrupted by another run at once."""


@dataclass
class Weather:
    """A hook for `meddling.watched`: the troubles of a scenario, each met once."""

    clock: FakeClock
    others: Callable[[], object]
    """Lets other runs work, in the middle of a call."""
    meddle: Callable[[], object]
    """Lets an operator do something, in the middle of a call."""
    planned: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """By moment (`before projects.add_project`): what happens there next, in order."""
    is_away: bool = False
    _depth: int = 0

    def plan(self, trouble: Trouble) -> None:
        """Let it happen when its moment comes."""
        self.planned.setdefault(trouble.moment, []).extend([trouble.kind] * trouble.times)

    def __call__(self, moment: str) -> None:
        """Be at *moment*."""
        if self.is_away and moment.startswith("before "):
            raise EndpointError(AWAY, endpoint=endpoint_of(moment))
        if self.planned.get(moment):
            self._meet(self.planned[moment].pop(0), moment)

    def _meet(self, kind: str, moment: str) -> None:
        if kind == DEATH:
            raise WorkerDiedError
        if kind == LOST:
            raise EndpointError("the answer was lost", endpoint=endpoint_of(moment))
        if kind == ENDPOINT:
            raise EndpointError("no answer", endpoint=endpoint_of(moment))
        if kind in ERRORS:
            error = ERRORS[kind]
            raise error()
        if kind == SLOW:
            self.clock.advance(LEASE / 2)
        # Nobody can take a request back that is on its way: between the last look at the lease
        # and Lagoon a worker may be stopped for ever, and only Lagoon could tell two builds apart.
        if self._depth < DEEPEST and kind == OVERTAKEN and moment not in MAKING:
            self._interrupt(self.others, LEASE + timedelta(seconds=60))
        if self._depth < DEEPEST and kind == MEDDLED:
            self._interrupt(self.meddle, timedelta(0))

    def _interrupt(self, act: Callable[[], object], after: timedelta) -> None:
        self._depth += 1
        try:
            self.clock.advance(after)
            act()
        finally:
            self._depth -= 1
