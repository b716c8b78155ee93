"""What steps ask of amazee.ai: users, private keys and teams, by what they are there.

Facts: contracts, amazee-ai. Errors are those of `ports`; what each means here:

    EndpointError       away, a 5xx that says nothing else, our token refused or no administrator's;
                        what was asked for may have been done: look before repeating it
    AlreadyExistsError  an address, a team's name, or a key's name that the key service has locked
    InUseError          a user that still has keys
    NotFoundError       gone, or never there; removal treats it as done
    RefusedError        a limit (402), a region that is switched off, a body it does not take
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from polydock_pipelines.lifecycle.secret import Secret

AMAZEE_AI = "amazee-ai"
"""The endpoint's name for operators and circuits."""


@dataclass(frozen=True)
class AiRegion:
    """A place where keys and databases are made."""

    id: int
    name: str
    """What a key's answer calls it."""
    is_active: bool


@dataclass(frozen=True)
class AiUser:
    """An account; its address in lower case."""

    id: int
    email: str
    is_active: bool = True
    team_id: int | None = None


@dataclass(frozen=True)
class NewAiUser:
    """What `POST /users` needs."""

    email: str
    password: Secret
    team_id: int | None = None
    role: str | None = None
    """Within the team: `admin`, …; None: what the service takes by itself."""


@dataclass(frozen=True)
class AiToken:
    """An API token of a user; its text is told once, when it is made."""

    id: int
    name: str
    token: Secret | None = None


@dataclass(frozen=True)
class AiDatabase:
    """A vector database, Postgres on its usual port, which no answer names."""

    host: str
    name: str
    username: str
    password: Secret


@dataclass(frozen=True)
class AiKey:
    """A private key for language models, with a vector database or without."""

    id: int
    name: str
    region: str
    """The region's name."""
    owner_id: int | None
    team_id: int | None
    llm_url: str
    llm_token: Secret
    database: AiDatabase | None = None


@dataclass(frozen=True)
class AiKeyRef:
    """A key without its secrets, whatever it still has: what a removal must know of it."""

    id: int
    name: str
    owner_id: int | None
    team_id: int | None
    created_at: datetime | None = None


@dataclass(frozen=True)
class NewAiKey:
    """What to create: for a user or for a team, never for both."""

    region_id: int
    name: str
    owner_id: int | None = None
    team_id: int | None = None
    has_database: bool = True


@dataclass(frozen=True)
class AiTeam:
    """A team, which is how an organization is called there."""

    id: int
    name: str
    admin_email: str
    is_deleted: bool = False
    """Soft-deleted: its users are switched off, and its name is taken for ever."""
    created_at: datetime | None = None


@dataclass(frozen=True)
class NewAiTeam:
    """What `POST /teams` needs; name and address are unique for ever."""

    name: str
    admin_email: str
    region_id: int


class AiUsers(Protocol):
    """Users and their tokens."""

    def by_email(self, email: str) -> AiUser | None:
        """Return the user of exactly this address, inactive ones too; never one that is similar."""
        ...

    def create(self, new: NewAiUser) -> AiUser:
        """Make a user. AlreadyExistsError for a known address, RefusedError at a team's limit."""
        ...

    def delete(self, user_id: int) -> None:
        """Delete a user, which ends its tokens. InUseError while it has keys; NotFoundError."""
        ...

    def create_token(self, user_id: int, name: str) -> AiToken:
        """Make a token of *user_id*; each call makes another, and its text is never told again."""
        ...

    def tokens(self, user_id: int) -> list[AiToken]:
        """Return the user's tokens, without their texts."""
        ...


class AiKeys(Protocol):
    """Private keys."""

    def owned_by(self, user_id: int) -> list[AiKey]:
        """Return the keys of a user, with their secrets."""
        ...

    def of_team(self, team_id: int) -> list[AiKey]:
        """Return the keys that belong to the team itself, with their secrets."""
        ...

    def refs_of_user(self, user_id: int) -> list[AiKeyRef]:
        """Return all keys of a user, and databases alone, even such as have lost a part."""
        ...

    def refs_of_team(self, team_id: int) -> list[AiKeyRef]:
        """Return all keys that belong to the team itself, as `refs_of_user` does."""
        ...

    def ref(self, key_id: int) -> AiKeyRef:
        """Return a key by its number. NotFoundError."""
        ...

    def create(self, new: NewAiKey) -> AiKey:
        """Make a key; takes seconds. AlreadyExistsError when the key service has locked its name.

        Not safe to repeat after an EndpointError: list first.
        """
        ...

    def delete(self, key_id: int) -> None:
        """Delete a key with its database. NotFoundError when it is gone; else safe to repeat."""
        ...

    def cap(self, region_id: int, key_id: int, usd: float) -> None:
        """Let the key spend at most *usd* a month. Safe to repeat."""
        ...


class AiTeams(Protocol):
    """Teams."""

    def by_name(self, name: str) -> AiTeam | None:
        """Return the team of exactly this name, soft-deleted ones too."""
        ...

    def create(self, new: NewAiTeam) -> AiTeam:
        """Make a team. AlreadyExistsError for a known name or address."""
        ...

    def members(self, team_id: int) -> list[AiUser]:
        """Return the users of a team. NotFoundError when it is gone."""
        ...

    def delete(self, team_id: int) -> None:
        """Delete a team; keys and users it still has live on. NotFoundError when it is gone."""
        ...


class AmazeeAi(Protocol):
    """An amazee.ai, by what it holds."""

    def ping(self) -> None:
        """Ask who we are. EndpointError when it is away, or we are no active administrator."""
        ...

    def check(self) -> None:
        """Do what `ping` does, once in the life of this client; a run opens one."""
        ...

    def region(self, region_id: int) -> AiRegion:
        """Return a region, inactive ones too. NotFoundError. An active one is asked for once."""
        ...

    @property
    def users(self) -> AiUsers:
        """Users and tokens."""
        ...

    @property
    def keys(self) -> AiKeys:
        """Private keys."""
        ...

    @property
    def teams(self) -> AiTeams:
        """Teams."""
        ...
