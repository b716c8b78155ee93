"""Users of amazee.ai and their API tokens; contract amazee-ai §1, §2."""

from collections.abc import Iterator

from pydantic import BaseModel, Field, SecretStr, TypeAdapter

from polydock_pipelines.clients.amazee_ai.errors import (
    AmazeeAiAlreadyExistsError,
    AmazeeAiInUseError,
    AmazeeAiUnavailableError,
)
from polydock_pipelines.clients.amazee_ai.request import Request, Rule
from polydock_pipelines.clients.amazee_ai.transport import Transport
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports.amazee_ai import AiToken, AiUser, NewAiUser


class _User(BaseModel):
    id: int
    email: str = Field(min_length=1)
    is_active: bool
    team_id: int | None = None


class _Token(BaseModel):
    id: int
    name: str


class _NewToken(_Token):
    token: SecretStr = Field(min_length=1)
    user_id: int


_USER, _USERS = TypeAdapter(_User), TypeAdapter(list[_User])
_NEW_TOKEN, _TOKENS = TypeAdapter(_NewToken), TypeAdapter(list[_Token])


class UsersClient:
    """`ports.amazee_ai.AiUsers` over a transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def by_email(self, email: str) -> AiUser | None:
        """Return the user of exactly this address, whatever its case; inactive ones too."""
        wanted = email.lower()
        for row in self._similar(wanted):
            if row.email.lower() == wanted:
                return _user(row)
        return None

    def create(self, new: NewAiUser) -> AiUser:
        """Make a user; a known address is AmazeeAiAlreadyExistsError, whatever its case."""
        body = {
            "email": new.email,
            "password": new.password,
            "team_id": new.team_id,
            "role": new.role,
        }
        request = Request(
            "POST", "/users", "the creation of a user", body=body, rules=(_KNOWN_ADDRESS,)
        )
        return _user(self._transport.send(request, _USER))

    def delete(self, user_id: int) -> None:
        """Delete a user; its tokens end with it."""
        what = f"the deletion of user {user_id}"
        request = Request("DELETE", f"/users/{user_id}", what, rules=(_HAS_KEYS,))
        self._transport.carry_out(request)

    def create_token(self, user_id: int, name: str) -> AiToken:
        """Make a token of *user_id*; never return one of somebody else.

        Without the user's id the backend makes a token of the caller, who is an administrator.
        """
        what = f"the creation of token {name} of user {user_id}"
        body = {"name": name, "user_id": user_id}
        made = self._transport.send(Request("POST", "/auth/token", what, body=body), _NEW_TOKEN)
        if made.user_id != user_id:
            raise AmazeeAiUnavailableError(
                f"amazee.ai answered {what} with token {made.id} of user {made.user_id}, which "
                "is not used. Delete it there."
            )
        return AiToken(made.id, made.name, Secret(made.token.get_secret_value()))

    def tokens(self, user_id: int) -> list[AiToken]:
        """Return the user's tokens, without their texts."""
        what = f"the list of tokens of user {user_id}"
        request = Request("GET", "/auth/token", what, params={"user_id": user_id})
        return [AiToken(row.id, row.name) for row in self._transport.send(request, _TOKENS)]

    def _similar(self, email: str) -> Iterator[_User]:
        """Return users of that address or one like it; first the active ones, who are found fast.

        `/users/search` is not asked: it shows ten users, in no order, and takes `_` for any letter.
        """
        what = "the search for a user by address"
        yield from self._transport.send(
            Request("GET", "/users/by-email", what, params={"email": email}), _USERS
        )
        everybody: dict[str, str | int] = {"search": email, "include_inactive": "true"}
        yield from self._transport.pages(Request("GET", "/users", what, params=everybody), _USERS)


def _user(row: _User) -> AiUser:
    return AiUser(row.id, row.email.lower(), row.is_active, row.team_id)


_KNOWN_ADDRESS = Rule(
    [400],
    r"^Email already registered",
    AmazeeAiAlreadyExistsError,
    "a user of that address exists already, perhaps one that is switched off",
)
_HAS_KEYS = Rule(
    [400],
    r"^Cannot delete user with associated AI keys",
    AmazeeAiInUseError,
    "it still has AI keys; delete these first",
)
