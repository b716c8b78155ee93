"""The one error of this room; nothing else may be raised for what a catalogue or a row holds."""


class EmailError(Exception):
    """A mail, or the words for one, that does not render: which kind, and why, but no text of it.

    `kind` is None when only a body was looked at.
    """

    def __init__(self, reason: str, kind: str | None = None) -> None:
        self.reason = reason
        self.kind = kind
        super().__init__(f"the mail {kind} does not render: {reason}" if kind else reason)
