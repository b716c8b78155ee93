"""Teams of amazee.ai; contract amazee-ai §6."""

from datetime import datetime

from pydantic import BaseModel, Field, TypeAdapter

from polydock_pipelines.clients.amazee_ai.errors import (
    AmazeeAiAlreadyExistsError,
    AmazeeAiRefusedError,
)
from polydock_pipelines.clients.amazee_ai.request import Request, Rule, aware
from polydock_pipelines.clients.amazee_ai.transport import Transport
from polydock_pipelines.ports.amazee_ai import AiTeam, AiUser, NewAiTeam


class _Team(BaseModel):
    id: int
    name: str = Field(min_length=1)
    admin_email: str = Field(min_length=1)
    deleted_at: str | None = None
    created_at: datetime | None = None


class _Member(BaseModel):
    id: int
    email: str = Field(min_length=1)
    is_active: bool
    team_id: int | None = None


class _TeamWithUsers(BaseModel):
    users: list[_Member]


_TEAM, _TEAMS = TypeAdapter(_Team), TypeAdapter(list[_Team])
_TEAM_WITH_USERS = TypeAdapter(_TeamWithUsers)


class TeamsClient:
    """`ports.amazee_ai.AiTeams` over a transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def by_name(self, name: str) -> AiTeam | None:
        """Return the team of exactly this name, soft-deleted ones too."""
        params: dict[str, str | int] = {"name": name, "include_deleted": "true"}
        request = Request("GET", "/teams", f"the search for team {name}", params=params)
        for row in self._transport.pages(request, _TEAMS):
            if row.name == name:
                return _team(row)
        return None

    def create(self, new: NewAiTeam) -> AiTeam:
        """Make a team; this makes no user of its administrator's address."""
        body = {"name": new.name, "admin_email": new.admin_email, "region_id": new.region_id}
        what = f"the creation of team {new.name}"
        request = Request("POST", "/teams", what, body=body, rules=_CREATE_RULES, is_slow=True)
        return _team(self._transport.send(request, _TEAM))

    def members(self, team_id: int) -> list[AiUser]:
        """Return the users of a team, a soft-deleted one's too."""
        what = f"the users of team {team_id}"
        params = {"include_deleted": "true"}
        found = self._transport.send(
            Request("GET", f"/teams/{team_id}", what, params=params), _TEAM_WITH_USERS
        )
        return [
            AiUser(row.id, row.email.lower(), row.is_active, row.team_id) for row in found.users
        ]

    def delete(self, team_id: int) -> None:
        """Delete a team; delete its keys and users first, for they would live on unlisted."""
        what = f"the deletion of team {team_id}"
        self._transport.carry_out(Request("DELETE", f"/teams/{team_id}", what))


def _team(row: _Team) -> AiTeam:
    return AiTeam(
        row.id,
        row.name,
        row.admin_email,
        is_deleted=row.deleted_at is not None,
        created_at=aware(row.created_at),
    )


_CREATE_RULES = (
    Rule(
        [400],
        r"^Email already registered",
        AmazeeAiAlreadyExistsError,
        "another team has that administrator's address, perhaps one that is deleted",
    ),
    Rule(
        [400],
        r"^Team name already exists",
        AmazeeAiAlreadyExistsError,
        "another team has that name, perhaps one that is deleted",
    ),
    Rule(
        [400],
        r"(?i)\bregion\b",
        AmazeeAiRefusedError,
        "the region is unknown, switched off or dedicated; choose another in the catalogue",
    ),
)
