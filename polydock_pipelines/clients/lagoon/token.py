"""Where the API token comes from: a setting, or Lagoon's SSH token service.

Upstream's users live some five minutes, so a token is fetched early and once for all threads.
"""

import re
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import jwt
from pydantic import BaseModel, ValidationError

from polydock_pipelines.clients.lagoon.errors import LagoonAuthError, LagoonUnavailableError
from polydock_pipelines.clients.lagoon.ssh import (
    SshAccount,
    SshBrokenError,
    SshDeniedError,
    SshIdentity,
    SshUnreachableError,
    run_command,
)
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import Clock

EARLY = timedelta(seconds=60)
SHARE_OF_LIFE = 0.8
LIFE_UNKNOWN = timedelta(seconds=120)
FAILURE_KEPT = timedelta(seconds=5)
"""How long a failed fetch answers for others, so that eight threads do not fail in a row."""

_TOKEN = re.compile(r"^[\w-]+\.[\w-]+\.[\w-]+$")


class StaticToken:
    """A token from the settings: when it is refused, there is no other."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def token(self) -> str:
        """Return the token."""
        return self._token.reveal()

    def renew(self, refused: str) -> str | None:  # noqa: ARG002 - the protocol's signature
        """Return None."""
        return None


@dataclass(frozen=True)
class _Kept:
    token: str = field(repr=False)
    good_until: datetime


@dataclass(frozen=True)
class _Failure:
    error: type[LagoonAuthError] | type[LagoonUnavailableError]
    message: str
    until: datetime


class SshToken:
    """Tokens from `ssh <user>@<host> token`; the key says whose.

    Its errors name the endpoint `lagoon`, not `lagoon-ssh`: without a token there is no API, and
    the token host is often another than the one that runs commands.
    """

    def __init__(
        self,
        identity: SshIdentity,
        clock: Clock,
        *,
        host: str,
        port: int,
        user: str = "lagoon",
        connect_timeout_s: float = 15.0,
        timeout_s: float = 30.0,
    ) -> None:
        self._identity = identity
        self._clock = clock
        self._account = SshAccount(user, host, port)
        self._connect_timeout_s = connect_timeout_s
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._kept: _Kept | None = None
        self._failure: _Failure | None = None

    def token(self) -> str:
        """Return a token with some life left; threads that come meanwhile wait for the one fetch.

        LagoonAuthError when the key is refused, LagoonUnavailableError when the server is away.
        """
        with self._lock:
            return self._good_token() or self._fetch_once()

    def renew(self, refused: str) -> str | None:
        """Return another token: the one that another thread just fetched, or a new one."""
        with self._lock:
            token = self._good_token()
            return token if token is not None and token != refused else self._fetch_once()

    def _good_token(self) -> str | None:
        kept = self._kept
        return kept.token if kept is not None and self._clock.now() < kept.good_until else None

    def _fetch_once(self) -> str:
        now, failure = self._clock.now(), self._failure
        if failure is not None and now < failure.until:
            raise failure.error(failure.message)
        try:
            token = self._fetch()
            life = _life_to_use(token, now)
        except (LagoonAuthError, LagoonUnavailableError) as error:
            self._kept = None
            self._failure = _Failure(type(error), str(error), self._clock.now() + FAILURE_KEPT)
            raise
        self._kept = _Kept(token, now + life)
        return token

    def _fetch(self) -> str:
        where = f"No Lagoon token over SSH from {self._account.host}:{self._account.port}"
        try:
            answer = run_command(
                self._identity,
                self._account,
                "token",
                connect_timeout_s=self._connect_timeout_s,
                timeout_s=self._timeout_s,
            )
        except (SshUnreachableError, SshBrokenError) as error:
            raise LagoonUnavailableError(f"{where}: {error}.") from None
        except SshDeniedError as error:
            raise LagoonAuthError(f"{where}: {error}. Add the key to a user in Lagoon.") from None
        token = answer.stdout.strip()
        if answer.exit_code != 0 or not _TOKEN.match(token):
            # The service ends with 0 even when it fails, and its text may hold anything.
            raise LagoonUnavailableError(
                f"{where}: exit {answer.exit_code}, but no token in the answer. "
                "Check LAGOON_SSH_HOST and LAGOON_SSH_PORT: it must be the token service."
            )
        return token


class _Claims(BaseModel):
    exp: float | None = None
    iat: float | None = None


def _life_to_use(token: str, now: datetime) -> timedelta:
    """Return how long from *now* a fresh token serves, by its own claims.

    With `iat` the span counts, so a clock that differs from Lagoon's does no harm.
    """
    try:
        claims = _Claims.model_validate(jwt.decode(token, options={"verify_signature": False}))
    except (jwt.InvalidTokenError, ValidationError):
        raise LagoonAuthError("Lagoon's SSH token service gave something that is no JWT.") from None
    if claims.exp is None:
        return LIFE_UNKNOWN
    life = timedelta(seconds=claims.exp - (claims.iat or now.timestamp()))
    share = life * SHARE_OF_LIFE
    return min(life - EARLY, share) if life > EARLY else share
