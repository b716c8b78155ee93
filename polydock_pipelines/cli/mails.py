"""How mails are shown in lists."""

from polydock_pipelines.actions.read_mails import MailLine

COLUMNS = ("kind", "to", "state", "due", "settled", "next try", "tries", "why")


def row(mail: MailLine) -> tuple[object, ...]:
    """Return a mail's cells."""
    return (
        mail.kind,
        mail.to,
        mail.state,
        mail.wanted_at,
        mail.settled_at,
        mail.next_try_at,
        mail.attempts or None,
        mail.problem or None,
    )
