"""What the simulated amazee.ai remembers: plain records, and lookups among them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

ADMIN_ID = 1
"""The seeded administrator, and the seeded token."""


class AiSettings(BaseModel):
    """What `PUT /_sim/amazee-ai/settings` may change. The limits are a team's, by default."""

    model_config = ConfigDict(extra="forbid")

    enable_limits: bool = True
    admin_is_active: bool = True
    admin_is_admin: bool = True
    revoked: bool = False
    """The administrator's token is answered with 401."""
    team_users: int = Field(default=1, ge=0)
    user_keys: int = Field(default=1, ge=0)
    team_keys: int = Field(default=5, ge=0)
    vector_dbs: int = Field(default=5, ge=0)


@dataclass
class AiRegion:
    """A place with a key service and a Postgres of its own."""

    id: int
    name: str
    label: str
    created_at: datetime
    is_active: bool = True
    is_dedicated: bool = False

    @property
    def litellm_api_url(self) -> str:
        """Return where the key service is."""
        return f"https://llm.{self.name}.amazeeai.example"

    @property
    def postgres_host(self) -> str:
        """Return where the vector databases are."""
        return f"vectordb1.{self.name}.amazeeai.example"


@dataclass
class AiUser:
    """An account; its address in lower case."""

    id: int
    email: str
    is_active: bool = True
    is_admin: bool = False
    team_id: int | None = None
    role: str | None = None
    receive_marketing_updates: bool = False


@dataclass
class AiToken:
    """An API token, which never expires."""

    id: int
    name: str
    user_id: int
    token: str
    created_at: datetime
    last_used_at: datetime | None = None


@dataclass
class AiTeam:
    """A team; its name and address are taken for as long as its row is there."""

    id: int
    name: str
    admin_email: str
    region_id: int
    created_at: datetime
    phone: str | None = None
    billing_address: str | None = None
    is_active: bool = True
    force_user_keys: bool = False
    hide_public_regions: bool = False
    budget_type: str = "periodic"
    require_purchase_for_requests: bool = True
    updated_at: datetime | None = None
    deleted_at: datetime | None = None


@dataclass
class LlmAccess:
    """A key as the region's key service knows it."""

    token: str
    alias: str
    expires: datetime
    max_budget: float | None
    budget_duration: str | None
    rpm_limit: int | None
    budget_reset_at: datetime | None = None


@dataclass(frozen=True)
class VectorDb:
    """A database and the role that owns it."""

    name: str
    username: str
    password: str


@dataclass
class AiKey:
    """A private key: access to models, a vector database, or both."""

    id: int
    name: str
    region: AiRegion
    owner_id: int | None
    team_id: int | None
    created_at: datetime
    updated_at: datetime
    llm: LlmAccess | None = None
    vector_db: VectorDb | None = None
    cap: float | None = None
    """The budget that was asked for; `llm.max_budget` may also be a default."""


@dataclass
class AmazeeAi:
    """The backend's rows, and the aliases that the key services know."""

    settings: AiSettings = field(default_factory=AiSettings)
    regions: dict[int, AiRegion] = field(default_factory=dict)
    users: dict[int, AiUser] = field(default_factory=dict)
    tokens: dict[int, AiToken] = field(default_factory=dict)
    teams: dict[int, AiTeam] = field(default_factory=dict)
    keys: dict[int, AiKey] = field(default_factory=dict)
    aliases: set[tuple[int, str]] = field(default_factory=set)
    """By region: each has a key service of its own."""
    requests: Counter[str] = field(default_factory=Counter)
    """Requests received, whatever became of them; a number in the path is a `*`."""

    def user_with(self, email: str) -> AiUser | None:
        """Return the user of exactly this address, whatever its case."""
        wanted = email.lower()
        return next((user for user in self.users.values() if user.email == wanted), None)

    def members(self, team_id: int) -> list[AiUser]:
        """Return the users of a team."""
        return [user for user in self.users.values() if user.team_id == team_id]

    def is_of_team(self, key: AiKey, team_id: int) -> bool:
        """Tell whether a key is the team's or one of its users'."""
        if key.team_id is not None:
            return key.team_id == team_id
        owner = self.users.get(key.owner_id or 0)
        return owner is not None and owner.team_id == team_id

    def locked_aliases(self) -> Iterator[tuple[int, str]]:
        """Return the aliases that a key service holds for a key of which the backend has no row."""
        rows = {(key.region.id, key.llm.alias) for key in self.keys.values() if key.llm}
        return iter(sorted(self.aliases - rows))
