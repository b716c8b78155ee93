"""What stands outside because of an instance, besides its Lagoon project: the ledger's entries.

An entry is written before the call that makes the thing, so it says at first: this may exist. It is
closed when the thing is known to be gone, and never forgotten while that is not known.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class HoldingKind(StrEnum):
    """What sort of thing; the order is that in which they are given back."""

    ORGANIZATION_VARIABLES = "organization-variables"
    AI_KEY = "ai-key"
    AI_USER = "ai-user"
    AI_TOKEN = "ai-token"  # noqa: S105 - a kind, no token
    """Behind its user, with whom it ends: nobody can revoke another's token."""
    AI_TEAM = "ai-team"


AI_KINDS = tuple(kind for kind in HoldingKind if kind.value.startswith("ai-"))


@dataclass(frozen=True)
class Holding:
    """One thing that stands outside, or may."""

    kind: HoldingKind
    name: str
    """What it is found by: a key's, token's, team's or organization's name, a user's address."""
    owner: str = ""
    """Of a key: the address of the user or the name of the team that has it."""
    external_id: int | None = None
    """None: it was meant, and its answer never came."""
    region_id: int | None = None
    budget_usd: float | None = None
    """The cap that a key was given."""
    meant_at: datetime | None = None
    """When it was last meant to be made."""
    is_shared: bool = False
    """Whether another instance has the same thing, and had it later."""

    def is_same(self, kind: HoldingKind, name: str) -> bool:
        """Whether this is the entry of *kind* and *name*."""
        return (self.kind, self.name) == (kind, name)
