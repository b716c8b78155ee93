"""Private keys of amazee.ai, with a vector database or without; contract amazee-ai §4, §5."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from pydantic import BaseModel, SecretStr, TypeAdapter

from polydock_pipelines.clients.amazee_ai.errors import (
    AmazeeAiAlreadyExistsError,
    AmazeeAiRefusedError,
    AmazeeAiUnavailableError,
)
from polydock_pipelines.clients.amazee_ai.faults import SERVER_ERRORS
from polydock_pipelines.clients.amazee_ai.request import Request, Rule, aware
from polydock_pipelines.clients.amazee_ai.transport import Transport
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports.amazee_ai import AiDatabase, AiKey, AiKeyRef, NewAiKey


class _Key(BaseModel):
    id: int
    name: str | None = None
    region: str | None = None
    owner_id: int | None = None
    team_id: int | None = None
    created_at: datetime | None = None
    litellm_api_url: str | None = None
    litellm_token: SecretStr | None = None
    database_host: str | None = None
    database_name: str | None = None
    database_username: str | None = None
    database_password: SecretStr | None = None


_LLM = ("name", "region", "litellm_api_url", "litellm_token")
_DATABASE = ("database_host", "database_name", "database_username", "database_password")
_KEY, _KEYS = TypeAdapter(_Key), TypeAdapter(list[_Key])


class KeysClient:
    """`ports.amazee_ai.AiKeys` over a transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def owned_by(self, user_id: int) -> list[AiKey]:
        """Return the keys of a user; a database alone, or a key that lacks a part, is left out."""
        found = self._listed({"owner_id": user_id}, f"the list of keys of user {user_id}")
        return [key for key in found if key.owner_id == user_id]

    def of_team(self, team_id: int) -> list[AiKey]:
        """Return the keys of the team itself, as `owned_by` does; those of its users are theirs."""
        found = self._listed({"team_id": team_id}, f"the list of keys of team {team_id}")
        return [key for key in found if key.team_id == team_id]

    def refs_of_user(self, user_id: int) -> list[AiKeyRef]:
        """Return all that a user has, whole or not."""
        found = self._rows({"owner_id": user_id}, f"the list of keys of user {user_id}")
        return [_ref(row) for row in found if row.owner_id == user_id]

    def refs_of_team(self, team_id: int) -> list[AiKeyRef]:
        """Return all that the team itself has, whole or not."""
        found = self._rows({"team_id": team_id}, f"the list of keys of team {team_id}")
        return [_ref(row) for row in found if row.team_id == team_id]

    def ref(self, key_id: int) -> AiKeyRef:
        """Return a key by its number."""
        what = f"the look at key {key_id}"
        return _ref(self._transport.send(Request("GET", f"/private-ai-keys/{key_id}", what), _KEY))

    def create(self, new: NewAiKey) -> AiKey:
        """Make a key. After AmazeeAiUnavailableError it may stand: list before another try."""
        if (new.owner_id is None) == (new.team_id is None):
            # Without either, the key would be the administrator's own.
            raise ValueError(f"Key {new.name} must be for one user or for one team.")
        what = f"the creation of key {new.name}"
        made = self._transport.send(
            Request(
                "POST",
                "/private-ai-keys" if new.has_database else "/private-ai-keys/token",
                what,
                body={
                    "region_id": new.region_id,
                    "name": new.name,
                    "owner_id": new.owner_id,
                    "team_id": new.team_id,
                },
                rules=(_LOCKED_NAME, _NO_REGION),
                is_slow=True,
            ),
            _KEY,
        )
        key = _whole(made)
        if key is None or (new.has_database and key.database is None):
            needed = (*_LLM, *_DATABASE) if new.has_database else _LLM
            raise AmazeeAiUnavailableError(
                f"amazee.ai answered {what} with key {made.id}, which lacks "
                f"{', '.join(_missing(made, needed))}."
            )
        return key

    def delete(self, key_id: int) -> None:
        """Delete a key with its database; safe to repeat, the key stays until all of it is gone."""
        what = f"the deletion of key {key_id}"
        request = Request("DELETE", f"/private-ai-keys/{key_id}", what, is_slow=True)
        self._transport.carry_out(request)

    def cap(self, region_id: int, key_id: int, usd: float) -> None:
        """Let the key spend at most *usd* a month; the period is the service's own."""
        path = f"/spend/{region_id}/key/{key_id}/budget"
        what = f"the budget of key {key_id} in region {region_id}"
        self._transport.carry_out(Request("PUT", path, what, body={"max_budget": usd}))

    def _listed(self, owner: Mapping[str, int], what: str) -> list[AiKey]:
        return [key for key in map(_whole, self._rows(owner, what)) if key is not None]

    def _rows(self, owner: Mapping[str, int], what: str) -> list[_Key]:
        # For some callers the service ignores the filter, and removal deletes what we return: so
        # whoever asks looks at the owner once more.
        return self._transport.send(Request("GET", "/private-ai-keys", what, params=owner), _KEYS)


def _ref(row: _Key) -> AiKeyRef:
    return AiKeyRef(row.id, row.name or "", row.owner_id, row.team_id, aware(row.created_at))


def _missing(row: _Key, names: Iterable[str]) -> list[str]:
    """Return those of *names* that are empty."""
    return [name for name in names if not getattr(row, name)]


def _whole(row: _Key) -> AiKey | None:
    """Return the key; None for what is none, such as a database alone, or has lost a part."""
    if not (row.name and row.region and row.litellm_api_url and row.litellm_token):
        return None
    if 0 < len(_missing(row, _DATABASE)) < len(_DATABASE):
        return None
    return AiKey(
        id=row.id,
        name=row.name,
        region=row.region,
        owner_id=row.owner_id,
        team_id=row.team_id,
        llm_url=row.litellm_api_url,
        llm_token=Secret(row.litellm_token.get_secret_value()),
        database=_database(row),
    )


def _database(row: _Key) -> AiDatabase | None:
    if not (
        row.database_host and row.database_name and row.database_username and row.database_password
    ):
        return None
    return AiDatabase(
        host=row.database_host,
        name=row.database_name,
        username=row.database_username,
        password=Secret(row.database_password.get_secret_value()),
    )


_LOCKED_NAME = Rule(
    SERVER_ERRORS,
    r"(?is)key with alias .*already exists|unique key alias",
    AmazeeAiAlreadyExistsError,
    "LiteLLM has a key of that name for that owner; find it in the list of keys, or use another",
)
_NO_REGION = Rule(
    [404],
    r"^Region not found or inactive",
    AmazeeAiRefusedError,
    "the region does not exist or is switched off; choose another in the catalogue",
)
