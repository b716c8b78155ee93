"""Rows by their numbers, and the refusals where there is none."""

from fastapi import HTTPException

from polydock_pipelines.simulator.amazee_ai.callers import SYSTEM_ROLES, TEAM_ROLES
from polydock_pipelines.simulator.amazee_ai.model import AiTeam, AiUser, AmazeeAi

ROLES = (*SYSTEM_ROLES, *TEAM_ROLES)


def user_of(ai: AmazeeAi, user_id: int, text: str = "User not found") -> AiUser:
    """Return a user, or refuse."""
    if user_id not in ai.users:
        raise HTTPException(404, text)
    return ai.users[user_id]


def team_of(ai: AmazeeAi, team_id: int) -> AiTeam:
    """Return a team, a soft-deleted one too, or refuse."""
    if team_id not in ai.teams:
        raise no_team()
    return ai.teams[team_id]


def no_team() -> HTTPException:
    """Return the answer when there is no such team."""
    return HTTPException(404, "Team not found")


def check_role(role: str) -> None:
    """Refuse a role that does not exist."""
    if role not in ROLES:
        raise HTTPException(400, f"Invalid role. Must be one of: {', '.join(ROLES)}")
