"""The resources by the names that ops ask for."""

from polydock_pipelines.resources.amazee_ai import AmazeeAiResource
from polydock_pipelines.resources.database import DatabaseResource
from polydock_pipelines.resources.lagoon import LagoonResource, ShellResource
from polydock_pipelines.resources.mailer import MailerResource


def default_resources() -> dict[str, object]:
    """Return the real ones; nothing is opened yet."""
    return {
        "database": DatabaseResource(),
        "lagoon": LagoonResource(),
        "shell": ShellResource(),
        "amazee_ai": AmazeeAiResource(),
        "mailer": MailerResource(),
    }
