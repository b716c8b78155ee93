"""How much a team may have. Who is in no team is never counted."""

from fastapi import HTTPException

from polydock_pipelines.simulator.amazee_ai.model import AiTeam, AiUser, AmazeeAi

KEYS_REACHED = "Entity has reached their maximum number of AI keys"
USERS_REACHED = "Team has reached their maximum user limit."
DATABASES_REACHED = "Team has reached their maximum vector DB limit."


def check_users(ai: AmazeeAi, team_id: int) -> None:
    """Refuse one more user in a team that is full."""
    _check(ai, len(ai.members(team_id)), ai.settings.team_users, USERS_REACHED)


def check_keys(ai: AmazeeAi, owner: AiUser | AiTeam) -> None:
    """Refuse one more key of a team, or of a user in one."""
    keys = [key for key in ai.keys.values() if key.llm]
    if isinstance(owner, AiTeam):
        count = sum(key.team_id == owner.id for key in keys)
        _check(ai, count, ai.settings.team_keys, KEYS_REACHED)
    elif owner.team_id is not None:
        count = sum(key.owner_id == owner.id for key in keys)
        _check(ai, count, ai.settings.user_keys, KEYS_REACHED)


def check_vector_dbs(ai: AmazeeAi, owner: AiUser | AiTeam) -> None:
    """Refuse one more database of a team and its users."""
    team_id = owner.id if isinstance(owner, AiTeam) else owner.team_id
    if team_id is not None:
        keys = [key for key in ai.keys.values() if key.vector_db]
        count = sum(ai.is_of_team(key, team_id) for key in keys)
        _check(ai, count, ai.settings.vector_dbs, DATABASES_REACHED)


def _check(ai: AmazeeAi, count: int, most: int, text: str) -> None:
    if ai.settings.enable_limits and count >= most:
        raise HTTPException(402, text)
