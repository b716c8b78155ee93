"""One request to amazee.ai, and what its failures mean."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from polydock_pipelines.clients.amazee_ai.errors import AmazeeAiError
from polydock_pipelines.lifecycle.secret import Secret

Value = str | int | float | Secret | None


@dataclass(frozen=True)
class Rule:
    """What an answer that failed means."""

    statuses: Collection[int]
    text: str
    """A regular expression, searched in the answer's `detail`."""
    error: type[AmazeeAiError]
    reason: str = ""
    """What is wrong and what somebody must do; empty: what the answer says, if that is harmless."""


@dataclass(frozen=True)
class Request:
    """What is asked; a GET may be asked twice, nothing else."""

    method: str
    path: str
    what: str
    """Names it in an error, for an operator: a noun, ids, no address of a person."""
    params: Mapping[str, str | int] = field(default_factory=dict[str, str | int])
    body: Mapping[str, Value] | None = None
    """Entries that are None are left out."""
    rules: tuple[Rule, ...] = ()
    """Failures that mean something here which they do not mean everywhere."""
    is_slow: bool = False
    """Whether it makes or drops a key, a database or a team, at other services in turn."""
    has_token: bool = True

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing."""
        return self.method == "GET"

    @property
    def doubt(self) -> str:
        """Return what must be said when no answer tells whether it was carried out."""
        return "" if self.is_read else " It may have been carried out."

    def content(self) -> bytes | None:
        """Return the body as JSON, secrets in clear text."""
        if self.body is None:
            return None
        clear = {name: _clear(value) for name, value in self.body.items() if value is not None}
        return json.dumps(clear).encode()

    def texts(self) -> Iterator[str]:
        """Return all texts that are sent, secrets in clear text; an answer may echo any of them."""
        for value in (*self.params.values(), *(self.body or {}).values()):
            clear = _clear(value)
            if isinstance(clear, str) and clear:
                yield clear


def aware(time: datetime | None) -> datetime | None:
    """Return a time of an answer; without a zone it is UTC."""
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time


def _clear(value: Value) -> str | float | None:
    return value.reveal() if isinstance(value, Secret) else value
