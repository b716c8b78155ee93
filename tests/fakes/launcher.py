"""A Dagster webserver that only takes notes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polydock_pipelines.ports import Launch, PortError


@dataclass(frozen=True)
class LaunchCall:
    job: str
    run_config: Mapping[str, object]
    tags: Mapping[str, str]


class FakeLauncher:
    """`ports.Launcher`: raises the errors of *failing*, one a call, then launches."""

    def __init__(self, failing: Sequence[PortError] = ()) -> None:
        self._failing = list(failing)
        self.calls: list[LaunchCall] = []
        """All calls, failed ones too."""

    def launch(self, job: str, run_config: Mapping[str, object], tags: Mapping[str, str]) -> Launch:
        self.calls.append(LaunchCall(job, run_config, tags))
        if self._failing:
            raise self._failing.pop(0)
        return Launch(run_id=f"run-{len(self.calls)}")
