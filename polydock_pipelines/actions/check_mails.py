"""Whether the mails of a catalogue show what was meant, asked before any of it is written."""

from collections.abc import Iterator, Sequence

from polydock_pipelines.catalog.problems import Problem
from polydock_pipelines.catalog.reading import LoadedStore
from polydock_pipelines.catalog.trial_shapes import MailEntry, Mails
from polydock_pipelines.emails.body import check_body
from polydock_pipelines.emails.errors import EmailError
from polydock_pipelines.emails.kinds import KINDS
from polydock_pipelines.lifecycle.signs import is_control


def mail_problems(stores: Sequence[LoadedStore]) -> list[Problem]:
    """Return what is wrong with the mails of *stores*, disabled ones included, in their order."""
    return [
        Problem(loaded.file, f"{loaded.path}.apps[{position}].mails.{path}", reason)
        for loaded in stores
        for position, app in enumerate(loaded.entry.apps)
        for path, reason in _of_app(app.mails)
    ]


def _of_app(mails: Mails) -> Iterator[tuple[str, str]]:
    for kind in KINDS:
        entry: MailEntry | None = getattr(mails, kind)
        if entry is None:
            continue
        if any(map(is_control, entry.subject or "")):
            reason = "holds a character that turns the direction of writing, or ends a line"
            yield f"{kind}.subject", f"{reason}; expected plain text"
        try:
            check_body(entry.body)
        except EmailError as error:
            yield f"{kind}.body", error.reason
