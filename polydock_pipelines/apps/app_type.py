"""What an app type is: a key, the step of each stage, the fields it asks for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from polydock_pipelines.lifecycle.fields import Field
from polydock_pipelines.lifecycle.instance import Instance
from polydock_pipelines.lifecycle.outcome import Outcome
from polydock_pipelines.ports import StepPorts

Step = Callable[[Instance, StepPorts], Outcome]


def never(_fields: Mapping[str, str]) -> bool:
    """Say no, whatever the fields are."""
    return False


def always(_fields: Mapping[str, str]) -> bool:
    """Say yes, whatever the fields are."""
    return True


@dataclass(frozen=True)
class AppType:
    """An app type as data. Stages by their names in the lifecycle's table."""

    key: str
    """What the catalogue says: `polydock-app`."""
    label: str
    steps: Mapping[str, Step]
    needs_ai: Callable[[Mapping[str, str]], bool] = never
    """Whether amazee.ai makes something for it, by the store app's fields."""
    store_fields: tuple[Field, ...] = ()
    """What the catalogue may say of an app of this type, beyond the usual."""
    instance_fields: tuple[Field, ...] = ()
    """What a request may say of an instance."""
    adjectives: Sequence[str] = ()
    """Words for project names, where the catalogue has none; empty: everybody's."""
    nouns: Sequence[str] = ()
    is_named_after_company: bool = False
    """Whether the project's name begins with the person's company, where one is known."""
    needs_person: bool = False
    """Whether the person must be known from the start, so that no pool can be made beforehand."""
    longest_trial_days: int | None = None
    """What it works with ends by itself after so many days."""
    has_own_routes: bool = False
    """Whether it makes its routes itself, so that the catalogue may give it none."""
    is_administered_by_person: bool = False
    """Whether its administrator is called by the person's address, and not by a generated name."""

    def variant(self, key: str, label: str, **steps: Step) -> "AppType":
        """Return a type that differs in some steps; underscores stand for the stages' dashes."""
        changed = {name.replace("_", "-"): step for name, step in steps.items()}
        return replace(self, key=key, label=label, steps={**self.steps, **changed})
