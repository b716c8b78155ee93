"""Statuses: stage x phase, plus a few resting ones. The wire strings are the original engine's.

The strings are computed here and nowhere else; `tests/unit/lifecycle/test_status.py` compares all
61 with the list that API clients and webhook receivers know.
"""

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """How far an instance is within one stage."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class Resting(StrEnum):
    """Statuses in which nothing is due: no lease, no deadline."""

    NEW = "new"
    HEALTHY_UNCLAIMED = "running-healthy-unclaimed"
    HEALTHY_CLAIMED = "running-healthy-claimed"
    UNRESPONSIVE = "running-unresponsive"
    UNHEALTHY = "running-unhealthy"
    REMOVED = "removed"


RUNNING = frozenset(
    {
        Resting.HEALTHY_UNCLAIMED,
        Resting.HEALTHY_CLAIMED,
        Resting.UNRESPONSIVE,
        Resting.UNHEALTHY,
    }
)
"""The application is up (healthy or not) and nobody works on it."""


@dataclass(frozen=True)
class StageStatus:
    """An instance somewhere within a stage."""

    stage: str
    phase: Phase

    @property
    def wire(self) -> str:
        """Return the original engine's word: `pending-create` or `create-running`."""
        if self.phase is Phase.PENDING:
            return f"{self.phase}-{self.stage}"
        return f"{self.stage}-{self.phase}"


Status = StageStatus | Resting


def wire(status: Status) -> str:
    """Return the string that the database, the API and webhooks carry."""
    return status.value if isinstance(status, Resting) else status.wire
