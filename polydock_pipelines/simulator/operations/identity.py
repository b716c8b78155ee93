"""Who is asking, and what answers."""

from polydock_pipelines.simulator.model import User
from polydock_pipelines.simulator.permissions import RefusedError
from polydock_pipelines.simulator.schema import Context, resolves

LAGOON_VERSION = "2.33.1"
"""The release whose behaviour is reproduced."""


@resolves("Query", "lagoonVersion")
def lagoon_version(_source: object, _context: Context) -> str:
    """Return the version, with any kind of token."""
    return LAGOON_VERSION


@resolves("Query", "me")
def me(_source: object, context: Context) -> User:
    """Return the calling user; a legacy token has none, and upstream trips over it."""
    if context.caller.is_legacy_admin:
        raise RefusedError("Cannot read properties of null (reading 'access_token')")
    return context.world.user


resolves("User", "comment")(lambda _user, _context: None)
