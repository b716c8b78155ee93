"""Send a mail once more, because somebody asked for it."""

from datetime import datetime

from polydock_pipelines.actions.operate import Asked, asked, find
from polydock_pipelines.db.door import add_log
from polydock_pipelines.db.leases import Book
from polydock_pipelines.db.mails import write_again
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.posting import standing
from polydock_pipelines.lifecycle.mails import MailKind, occasion, why_not
from polydock_pipelines.lifecycle.transitions import NotAllowedError
from polydock_pipelines.mail_address import is_address
from polydock_pipelines.ports.mail import hint


def resend(
    book: Book, which: str, kind: MailKind, now: datetime, *, by: str, to: str = ""
) -> Asked:
    """Write a mail that was sent before, to the same people or to *to*. NotAllowedError.

    Asked twice within a second, it is written once.
    """
    if to and not is_address(to):
        raise NotAllowedError("--to is no mail address; expected NAME@HOST")
    with book.db.write() as session:
        row, how = find(session, which), book.writing(now)
        about = occasion(kind, row.life, row.trial_ends_at)
        reason = why_not(kind, about, standing(row, how.today)) or _too_early(kind, row)
        if reason:
            raise NotAllowedError(f"no {kind.value} mail goes out for {row.name}: {reason}")
        people = write_again(session, row, kind, how, by=by, to=to)
        if not people:
            raise NotAllowedError(f"{row.name} has no owner to write to; name somebody with --to")
        who = ", ".join(map(hint, people))
        add_log(session, row, asked(f"the mail {kind.value} to {who}, again,", by, ""), now=now)
        return Asked(row.uuid, row.name, row.status, f"the mail {kind.value} goes to {who}")


def _too_early(kind: MailKind, row: AppInstance) -> str:
    is_restored = row.is_trial and row.trial_started_at is None
    is_unclaimed = row.claimed_at is None or is_restored
    is_about_a_claim = kind is not MailKind.TRIAL_FAILED
    return "nobody has claimed it yet" if is_about_a_claim and is_unclaimed else ""
