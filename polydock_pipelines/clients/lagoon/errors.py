"""How Lagoon fails, in the words of `ports`.

LagoonError                     failed; repeating it may help
|- LagoonRefusedError           somebody must change something first
|- LagoonDeniedError            no permission, or Lagoon could not ask for it: try again
|- LagoonNotFoundError          no such project, environment, group or deployment
|- LagoonAlreadyExistsError     the project name is taken
|- LagoonAuthError              our credential is refused; endpoint
'- LagoonUnavailableError       away, slow, or not a Lagoon at all; endpoint
"""

from polydock_pipelines.ports import (
    AlreadyExistsError,
    DeniedError,
    EndpointError,
    NotFoundError,
    PortError,
    RefusedError,
)

ENDPOINT = "lagoon"


class LagoonError(PortError):
    """Lagoon failed a request."""


class LagoonRefusedError(LagoonError, RefusedError):
    """Lagoon refused for good."""


class LagoonDeniedError(LagoonError, DeniedError):
    """Lagoon says that we may not. It says so, too, while its Keycloak is away: so not for good."""


class LagoonNotFoundError(LagoonError, NotFoundError):
    """Lagoon has no such thing, or hides it from us."""


class LagoonAlreadyExistsError(LagoonError, AlreadyExistsError):
    """Lagoon has a project of that name."""


class LagoonAuthError(LagoonError, EndpointError):
    """The token is refused after one refresh, or there is none; an operator must act."""

    def __init__(self, message: str, *, endpoint: str = ENDPOINT) -> None:
        super().__init__(message, endpoint=endpoint)


class LagoonUnavailableError(LagoonError, EndpointError):
    """Lagoon is away. The request may have been carried out."""

    def __init__(self, message: str, *, endpoint: str = ENDPOINT) -> None:
        super().__init__(message, endpoint=endpoint)
