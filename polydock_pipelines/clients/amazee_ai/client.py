"""The client of one amazee.ai; `ports.amazee_ai.AmazeeAi` by its facets."""

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import httpx
from pydantic import BaseModel, Field, TypeAdapter

from polydock_pipelines.clients.amazee_ai.errors import (
    AmazeeAiAuthError,
    AmazeeAiUnavailableError,
)
from polydock_pipelines.clients.amazee_ai.keys import KeysClient
from polydock_pipelines.clients.amazee_ai.request import Request
from polydock_pipelines.clients.amazee_ai.teams import TeamsClient
from polydock_pipelines.clients.amazee_ai.transport import Transport
from polydock_pipelines.clients.amazee_ai.users import UsersClient
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports.amazee_ai import AiRegion

Answer = TypeVar("Answer")


class _Health(BaseModel):
    status: str


class _Me(BaseModel):
    id: int
    is_active: bool
    is_admin: bool
    team_id: int | None = None


class _Region(BaseModel):
    id: int
    name: str = Field(min_length=1)
    is_active: bool


_HEALTH, _ME, _REGION = TypeAdapter(_Health), TypeAdapter(_Me), TypeAdapter(_Region)


class AmazeeAiClient:
    """One amazee.ai. Threads may share it.

    *token* is called for each request, so that a token may change while we run; it may raise
    AmazeeAiAuthError. `timeout_s` bounds one request, `create_timeout_s` one that makes a key or a
    team or deletes a key; reads are sent up to `attempts` times while amazee.ai is away.
    """

    def __init__(
        self,
        http: httpx.Client,
        base_url: str,
        token: Callable[[], Secret],
        *,
        connect_timeout_s: float = 5.0,
        timeout_s: float = 30.0,
        create_timeout_s: float = 90.0,
        attempts: int = 3,
        retry_wait_s: float = 0.3,
        failure_kept_s: float = 5.0,
    ) -> None:
        self._transport = Transport(
            http,
            base_url,
            token,
            connect_timeout_s=connect_timeout_s,
            timeout_s=timeout_s,
            create_timeout_s=create_timeout_s,
            attempts=attempts,
            retry_wait_s=retry_wait_s,
        )
        self._users = UsersClient(self._transport)
        self._keys = KeysClient(self._transport)
        self._teams = TeamsClient(self._transport)
        self._lock = threading.Lock()
        self._is_checked = False
        self._regions: dict[int, AiRegion] = {}
        self._failure_kept_s = failure_kept_s
        self._failure: str | None = None
        self._away_until = 0.0

    @property
    def users(self) -> UsersClient:
        """Users and their tokens."""
        return self._users

    @property
    def keys(self) -> KeysClient:
        """Private keys."""
        return self._keys

    @property
    def teams(self) -> TeamsClient:
        """Teams."""
        return self._teams

    def ping(self) -> None:
        """Ask whether it is well and who we are.

        The service takes tokens of users who are switched off, so that is looked at here.
        """
        asked = Request("GET", "/health", "the question after its health", has_token=False)
        if self._transport.send(asked, _HEALTH).status != "healthy":
            raise AmazeeAiUnavailableError("amazee.ai says that it is not healthy.")
        me = self._transport.send(Request("GET", "/auth/me", "the question who we are"), _ME)
        problems = list(_problems(me))
        if problems:
            raise AmazeeAiAuthError(
                f"Our token of amazee.ai belongs to user {me.id}, who {' and '.join(problems)}. "
                "Mend the user there, or set the token of another in AMAZEE_AI_TOKEN or "
                "AMAZEE_AI_TOKEN_FILE."
            )

    def check(self) -> None:
        """Do what `ping` does until it was well once; threads that come meanwhile wait."""
        with self._lock:
            if not self._is_checked:
                self._once(self.ping)
                self._is_checked = True

    def region(self, region_id: int) -> AiRegion:
        """Return a region, inactive ones too; an active one is asked for once."""
        with self._lock:
            known = self._regions.get(region_id)
            region = known or self._once(partial(self._asked_region, region_id))
            if region.is_active:
                self._regions[region_id] = region
            return region

    def _once(self, ask: Callable[[], Answer]) -> Answer:
        """Ask, unless it was away just now: who waited meanwhile must not wait as long again."""
        if time.monotonic() < self._away_until and self._failure is not None:
            raise AmazeeAiUnavailableError(self._failure)
        try:
            return ask()
        except AmazeeAiUnavailableError as error:
            self._failure, self._away_until = str(error), time.monotonic() + self._failure_kept_s
            raise

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _asked_region(self, region_id: int) -> AiRegion:
        request = Request("GET", f"/regions/{region_id}", f"the look at region {region_id}")
        found = self._transport.send(request, _REGION)
        return AiRegion(found.id, found.name, is_active=found.is_active)


def _problems(me: _Me) -> list[str]:
    """Return what keeps our user from the endpoints of administrators."""
    checks = {
        "is switched off (is_active)": me.is_active,
        "is no administrator (is_admin)": me.is_admin,
        f"is in team {me.team_id}, as an administrator may not be": me.team_id is None,
    }
    return [text for text, is_well in checks.items() if not is_well]
