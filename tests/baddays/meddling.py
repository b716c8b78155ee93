"""Ports that somebody watches: a hook is told before and after each call, and may do its worst."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

from polydock_pipelines.ports import Lagoon, Ports, Shell
from polydock_pipelines.ports.amazee_ai import AmazeeAi

Hook = Callable[[str], None]
"""Told `before projects.add_project`, then `after projects.add_project`; `shell.run` and
`ai.keys.create` alike."""


class WorkerDiedError(BaseException):
    """The process is gone: no step catches this, and `driver.work_run` writes nothing any more."""


AI_FACETS = {"users", "keys", "teams"}
NO_CALLS = {"endpoint"}
"""Methods of ports that ask nobody."""


@dataclass
class _Watched:
    inner: object
    label: str
    hook: Hook

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        if name in NO_CALLS:
            return method

        def call(*args: object, **options: object) -> object:
            self.hook(f"before {self.label}.{name}")
            answer = method(*args, **options)
            self.hook(f"after {self.label}.{name}")
            return answer

        return call


@dataclass
class _WatchedLagoon:
    inner: Lagoon
    hook: Hook

    def __getattr__(self, name: str) -> _Watched:
        return _Watched(getattr(self.inner, name), name, self.hook)

    def ping(self) -> None:
        _Watched(self.inner, "lagoon", self.hook).ping()


@dataclass
class _WatchedAi:
    inner: AmazeeAi
    hook: Hook

    def __getattr__(self, name: str) -> Any:
        if name in AI_FACETS:
            return _Watched(getattr(self.inner, name), f"ai.{name}", self.hook)
        return getattr(_Watched(self.inner, "ai", self.hook), name)


def watched(ports: Ports, hook: Hook) -> Ports:
    """Return *ports* with *hook* around each call to the outside."""
    return replace(
        ports,
        lagoon=watched_lagoon(ports.lagoon, hook),
        shell=watched_shell(ports.shell, hook),
        amazee_ai=cast("AmazeeAi", _WatchedAi(ports.amazee_ai, hook)),
    )


def watched_lagoon(lagoon: Lagoon, hook: Hook) -> Lagoon:
    """Return *lagoon* with *hook* around each call."""
    return cast("Lagoon", _WatchedLagoon(lagoon, hook))


def watched_shell(shell: Shell, hook: Hook) -> Shell:
    """Return *shell* with *hook* around each command."""
    return cast("Shell", _Watched(shell, "shell", hook))


def once(moment: str, act: Callable[[], object], *, time: int = 1) -> Hook:
    """Return a hook that acts at the *time*-th occurrence of *moment*, and at no other."""
    seen = 0

    def hook(now: str) -> None:
        nonlocal seen
        if now == moment:
            seen += 1
            if seen == time:
                act()

    return hook
