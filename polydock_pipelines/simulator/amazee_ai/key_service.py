"""The part of the backend that LiteLLM and Postgres play: aliases, tokens, databases.

An alias is taken here, not in the backend's rows, so it stays taken when the row is lost.
"""

import re
import secrets
from datetime import datetime, timedelta

from fastapi import HTTPException

from polydock_pipelines.simulator.amazee_ai.model import (
    AiKey,
    AiRegion,
    AiTeam,
    AiUser,
    AmazeeAi,
    LlmAccess,
    VectorDb,
)
from polydock_pipelines.simulator.world import World

LIFE = timedelta(days=365)
_LONGEST_ALIAS = 255
_ENDS = "_-./"


def grant(
    world: World, region: AiRegion, owner: AiUser | AiTeam, name: str, *, is_cut: bool
) -> LlmAccess:
    """Return access to models under an alias that is taken from now on.

    *is_cut*: the backend dies before it writes its row, and only the alias is left.
    """
    ai = world.amazee_ai
    alias = alias_of(owner, name)
    if (region.id, alias) in ai.aliases:
        raise HTTPException(500, f"Failed to create LiteLLM token: {_duplicate(alias)}")
    ai.aliases.add((region.id, alias))
    if is_cut:
        raise HTTPException(500, "Failed to create private AI key: the connection was closed")
    budget, duration, rpm = _restrictions(ai, owner)
    token = f"sk-{secrets.token_urlsafe(16)}"
    return LlmAccess(token, alias, world.clock() + LIFE, budget, duration, rpm)


def alias_of(owner: AiUser | AiTeam, name: str) -> str:
    """Return the alias of a key with that name: its owner is in it as an address."""
    if isinstance(owner, AiTeam):
        return sanitized(f"{owner.admin_email} - {name or 'key-unknown'}")
    return sanitized(f"{owner.email} - {name or f'key-{owner.id}'}")


def sanitized(text: str) -> str:
    """Return a text as LiteLLM takes it for an alias: 2 to 255 letters, digits and `_-./`."""
    plain = re.sub(r"[^a-zA-Z0-9_\-./]", "_", text.replace("@", "_at_"))
    plain = re.sub(r"_+", "_", plain).strip(_ENDS)
    return plain[:_LONGEST_ALIAS].rstrip(_ENDS)


def new_vector_db() -> VectorDb:
    """Return a database with a role of its own."""
    return VectorDb(
        name=f"db_{secrets.token_hex(4)}",
        username=f"user_{secrets.token_hex(4)}",
        password=secrets.token_hex(16),
    )


def forget(ai: AmazeeAi, key: AiKey) -> None:
    """Delete a key at the key service, with its database and its row."""
    if key.llm:
        ai.aliases.discard((key.region.id, key.llm.alias))
    del ai.keys[key.id]


def next_month(now: datetime) -> datetime:
    """Return when a monthly budget begins anew."""
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


def _restrictions(
    ai: AmazeeAi, owner: AiUser | AiTeam
) -> tuple[float | None, str | None, int | None]:
    """Return budget, its period and requests a minute of a new key."""
    team = owner if isinstance(owner, AiTeam) else ai.teams.get(owner.team_id or 0)
    if team is not None and team.budget_type == "pool":
        return 0.0, None, None
    return (27.0, "30d", 500) if ai.settings.enable_limits else (None, None, None)


def _duplicate(alias: str) -> str:
    """Return the refusal as it comes through the backend, which wraps it twice."""
    message = (
        f"Key with alias '{alias}' already exists. Unique key aliases across all keys are required."
    )
    error = {"message": message, "type": "bad_request_error", "param": "key_alias", "code": "400"}
    return f"400: Failed to create LiteLLM key: Status 400: {{'error': {error}}}"
