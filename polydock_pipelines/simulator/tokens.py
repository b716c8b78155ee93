"""Access tokens: signed here for a user, and judged as Lagoon judges them."""

import base64
import hmac
import uuid
from datetime import timedelta
from functools import lru_cache

import jwt

from polydock_pipelines.simulator.permissions import Caller
from polydock_pipelines.simulator.world import World

USER_SECRET = "only-a-simulated-keycloak-signs-with-this"  # noqa: S105 # pragma: allowlist secret
LEGACY_SECRET = "super-secret-string"  # noqa: S105 # pragma: allowlist secret
LEGACY_AUDIENCE = "api.dev"
"""Secret and audience are the defaults of a local Lagoon; neither opens anything real."""
_ISSUER = "https://keycloak.lagoon.example/auth/realms/lagoon"
_KEYCLOAK = "Keycloak token invalid: Grant validation failed. Reason: invalid token"


class TokenRefusedError(Exception):
    """A 401; its text is Lagoon's."""


def issue(world: World) -> str:
    """Return a fresh access token for the simulator's user."""
    now = world.clock()
    claims = {
        "typ": "Bearer",
        "azp": "auth-server",
        "iss": _ISSUER,
        "sub": world.user.id,
        "email": world.user.email,
        "jti": str(uuid.uuid4()),
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(seconds=world.settings.token_seconds)).timestamp()),
    }
    return jwt.encode(claims, USER_SECRET, algorithm="HS256")


def judge(world: World, authorization: str | None) -> Caller:
    """Return who sent an Authorization header, or refuse with Lagoon's words."""
    if not authorization:
        raise TokenRefusedError("Unauthorized - Bearer token required")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenRefusedError("Unauthorized - Bearer token malformed")
    is_legacy, expires, problem = _read(token.strip())
    kind = "Legacy token invalid: " if is_legacy else ""
    if problem:
        raise TokenRefusedError(f"Unauthorized - {kind}{problem}")
    if expires is not None and expires <= world.clock().timestamp():
        why = "jwt expired" if is_legacy else f"{_KEYCLOAK} (expired)"
        raise TokenRefusedError(f"Unauthorized - {kind}{why}")
    return Caller(is_legacy_admin=is_legacy)


@lru_cache(maxsize=1024)
def _read(token: str) -> tuple[bool, float | None, str | None]:
    """Return whether a token is a legacy one, when it expires, and what is wrong with it.

    Lagoon tells the two kinds apart by the claim `role`. The expiry is left to the caller, who
    knows the time.
    """
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return False, None, "Bearer token unrecognized"
    expires = claims.get("exp")
    if "role" in claims:
        return True, expires, _legacy_problem(token, claims)
    problem = None if _is_signed(token, USER_SECRET) else f"{_KEYCLOAK} (signature)"
    return False, expires, problem


def _is_signed(token: str, secret: str) -> bool:
    """Check an HS256 signature; PyJWT would warn, each time, that Lagoon's secret is short."""
    signed, _, signature = token.rpartition(".")
    digest = hmac.digest(secret.encode(), signed.encode(), "sha256")
    wanted = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return hmac.compare_digest(signature, wanted)


def _legacy_problem(token: str, claims: dict[str, object]) -> str | None:
    if not _is_signed(token, LEGACY_SECRET):
        return "invalid signature"
    if claims.get("aud") != LEGACY_AUDIENCE:
        return "Token audience mismatch."
    if claims["role"] != "admin":
        return "Cannot authenticate non-admin user with legacy token."
    return None
