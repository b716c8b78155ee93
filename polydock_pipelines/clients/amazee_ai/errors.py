"""How amazee.ai fails, in the words of `ports`. No text holds a secret, and none has a cause.

AmazeeAiError                     failed
|- AmazeeAiRefusedError           a limit, a region that is off, a body that it does not take
|- AmazeeAiNotFoundError          no such user, key, team or region
|- AmazeeAiAlreadyExistsError     the address, the team's name or the key's name is taken
|- AmazeeAiInUseError             the user still has keys
|- AmazeeAiAuthError              our token is refused, or is no administrator's; endpoint
'- AmazeeAiUnavailableError       away, slow, broken, or not an amazee.ai at all; endpoint
"""

from polydock_pipelines.ports import (
    AlreadyExistsError,
    EndpointError,
    InUseError,
    NotFoundError,
    PortError,
    RefusedError,
)
from polydock_pipelines.ports.amazee_ai import AMAZEE_AI


class AmazeeAiError(PortError):
    """amazee.ai failed a request."""


class AmazeeAiRefusedError(AmazeeAiError, RefusedError):
    """amazee.ai refused for good."""


class AmazeeAiNotFoundError(AmazeeAiError, NotFoundError):
    """amazee.ai has no such thing."""


class AmazeeAiAlreadyExistsError(AmazeeAiError, AlreadyExistsError):
    """amazee.ai has one of that name or address; of a key's name, perhaps only LiteLLM has it."""


class AmazeeAiInUseError(AmazeeAiError, InUseError):
    """The user still has keys."""


class AmazeeAiAuthError(AmazeeAiError, EndpointError):
    """Our token is refused, or its user is no active administrator; an operator must act."""

    def __init__(self, message: str) -> None:
        super().__init__(message, endpoint=AMAZEE_AI)


class AmazeeAiUnavailableError(AmazeeAiError, EndpointError):
    """amazee.ai, or what stands behind it, is away. The request may have been carried out."""

    def __init__(self, message: str) -> None:
        super().__init__(message, endpoint=AMAZEE_AI)
