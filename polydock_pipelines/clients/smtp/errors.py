"""How a mail server fails us, in the words of `ports` and `ports.mail`.

    RefusedError                5xx: this recipient, or what the mail holds
    PutOffError                 4xx; and 5xx for our sender, which is no fault of the mail
    InDoubtError                no answer after the end of the mail
    EndpointError
    '- SmtpUnavailableError     away, slow, no TLS that we trust, 421
       '- SmtpAuthError         our login is refused, or another one is asked for

No text holds a secret or a whole address: servers like to quote them, so their words are cleaned.
"""

from polydock_pipelines.ports import EndpointError
from polydock_pipelines.ports.mail import SMTP


class SmtpUnavailableError(EndpointError):
    """It is away, or sends us away. The mail at hand was not taken."""

    def __init__(self, message: str) -> None:
        super().__init__(message, endpoint=SMTP)


class SmtpAuthError(SmtpUnavailableError):
    """It does not accept our login; an operator must act."""
