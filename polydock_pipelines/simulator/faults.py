"""Faults that a test or a person orders: the next operation that matches goes wrong as told."""

from collections.abc import Callable, Collection
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

TransportKind = Literal["http500", "expired_token", "timeout", "drop_after_commit", "slow"]
FieldKind = Literal["graphql_error", "quota", "partial_data"]
BuildKind = Literal["build_failed", "build_hang", "build_cancelled"]
SshKind = Literal[
    "ssh_254",
    "ssh_255",
    "ssh_error_exit0",
    "ssh_no_url",
    "ssh_host_key",
    "ssh_cut",
    "slow",
    "timeout",
]
AmazeeAiKind = Literal["ai_plain_500", "ai_500_after_commit", "ai_limit", "ai_locked_alias"]
SmtpKind = Literal["smtp_450", "smtp_550", "smtp_cut_after_data", "slow", "timeout"]

TRANSPORT: frozenset[str] = frozenset(get_args(TransportKind))
FIELD: frozenset[str] = frozenset(get_args(FieldKind))
BUILD: frozenset[str] = frozenset(get_args(BuildKind))
SSH: frozenset[str] = frozenset(get_args(SshKind))
SMTP: frozenset[str] = frozenset(get_args(SmtpKind))
AMAZEE_AI: frozenset[str] = frozenset(get_args(AmazeeAiKind))

HOLD_SECONDS = 600.0
"""How long a `timeout` keeps its caller waiting, unless `seconds` says otherwise."""
_AI_PATH = "/amazee-ai/"
_AI_KEYS = (f"POST {_AI_PATH}private-ai-keys", f"POST {_AI_PATH}private-ai-keys/token")
_AI_ONLY_AT: dict[str, tuple[str, ...]] = {
    "ai_limit": (*_AI_KEYS, f"POST {_AI_PATH}private-ai-keys/vector-db", f"POST {_AI_PATH}users"),
    "ai_locked_alias": _AI_KEYS,
}
_DEFAULT_SECONDS = {"slow": 3.0, "timeout": HOLD_SECONDS, "ssh_cut": 0.2}


class Fault(BaseModel):
    """An ordered fault, spent after *times* operations.

    `match`: a root field, `METHOD /path`, `ssh:token`, `ssh:<stage>`, `ssh:*` or `smtp`. In a path
    `*` stands for one segment.
    """

    model_config = ConfigDict(extra="forbid")

    match: str = Field(min_length=1)
    kind: TransportKind | FieldKind | BuildKind | SshKind | SmtpKind | AmazeeAiKind
    times: int = Field(default=1, ge=1)
    seconds: float | None = Field(default=None, ge=0, le=3600)
    message: str | None = None
    """The text of a `graphql_error`, of the error beside partial data, or of amazee.ai's."""
    field: str | None = None
    """The nested field that `partial_data` takes away; else one is chosen."""

    @model_validator(mode="after")
    def _kind_belongs_to_match(self) -> "Fault":
        if self.kind not in kinds_for(self.match):
            raise ValueError(f"{self.kind} cannot happen to {self.match}")
        if self.match == "ssh:claim":
            self.match = "ssh:polydock-claim"
        if _AI_PATH in self.match:
            self.match = self.match.rstrip("/")
        return self

    @property
    def wait_s(self) -> float:
        """Return how long this fault delays or holds."""
        return _DEFAULT_SECONDS.get(self.kind, 0.0) if self.seconds is None else self.seconds


def kinds_for(match: str) -> Collection[str]:
    """Return the kinds of fault that can happen to what *match* names."""
    if match == "smtp":
        return SMTP
    if match.startswith("ssh:"):
        return SSH
    if _AI_PATH in match:
        return TRANSPORT | _amazee_ai_kinds(match.rstrip("/"))
    if "/" in match:
        return TRANSPORT
    return TRANSPORT | FIELD | BUILD


def _amazee_ai_kinds(match: str) -> set[str]:
    """Return amazee.ai's own kinds for a request; one that reads has nothing to commit."""
    return {
        kind
        for kind in AMAZEE_AI
        if match in _AI_ONLY_AT.get(kind, (match,))
        and not (kind == "ai_500_after_commit" and match.startswith("GET "))
    }


def _names(match: str, asked: str) -> bool:
    """Tell whether *match* names what was asked; in a path `*` stands for one segment."""
    if "*" not in match or "/" not in match:
        return match == asked
    parts, found = match.split("/"), asked.split("/")
    return len(parts) == len(found) and all(
        part in ("*", other) for part, other in zip(parts, found, strict=True)
    )


class Faults:
    """The faults on order, oldest first."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self.watchers: list[Callable[[], None]] = []
        """Told when a fault was ordered or all were cleared."""

    def order(self, fault: Fault) -> None:
        """Put a fault at the end of the queue."""
        self._waiting.append(fault)
        self._tell()

    def waiting(self) -> list[Fault]:
        """Return what has not been spent."""
        return list(self._waiting)

    def clear(self) -> None:
        """Forget all faults."""
        self._waiting.clear()
        self._tell()

    def take(self, matches: Collection[str], kinds: Collection[str]) -> Fault | None:
        """Spend one time of the oldest fault that fits, and return it as it was."""
        for fault in self._waiting:
            is_meant = any(_names(fault.match, asked) for asked in matches)
            if is_meant and fault.kind in kinds:
                taken = fault.model_copy()
                fault.times -= 1
                if not fault.times:
                    self._waiting.remove(fault)
                return taken
        return None

    def take_ssh(self, stage: str, kinds: Collection[str]) -> Fault | None:
        """Spend a fault of the SSH session with that stage (`token` for the token host)."""
        return self.take({f"ssh:{stage}", "ssh:*"}, kinds)

    def _tell(self) -> None:
        for watcher in self.watchers:
            watcher()
