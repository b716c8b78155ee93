"""The resource `mailer`: the server that takes our mails."""

import dagster as dg

from polydock_pipelines import wiring
from polydock_pipelines.ports.mail import Mailer


class MailerResource(dg.ConfigurableResource):
    """The mail server that SMTP_URL names; its login never leaves the client."""

    def open(self) -> Mailer:
        """Return the mailer; each of its sessions connects by itself."""
        return wiring.open_mailer()
