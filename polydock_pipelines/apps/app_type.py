"""What an app type is: a key and the step of each stage."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from polydock_pipelines.lifecycle.instance import Instance
from polydock_pipelines.lifecycle.outcome import Outcome
from polydock_pipelines.ports import StepPorts

Step = Callable[[Instance, StepPorts], Outcome]


@dataclass(frozen=True)
class AppType:
    """An app type as data. Stages by their names in the lifecycle's table."""

    key: str
    """What the catalogue says: `polydock-app`."""
    label: str
    steps: Mapping[str, Step]

    def variant(self, key: str, label: str, **steps: Step) -> "AppType":
        """Return a type that differs in some steps; underscores stand for the stages' dashes."""
        changed = {name.replace("_", "-"): step for name, step in steps.items()}
        return replace(self, key=key, label=label, steps={**self.steps, **changed})
