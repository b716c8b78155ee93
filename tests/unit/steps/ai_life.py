"""A whole life at step level: each stage of an app type in turn, over fakes, with deaths between.

A death is a BaseException at one call to amazee.ai or at one write of the journal; the stage is
then run again, as another worker would, with what the journal has taken down.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from polydock_pipelines.apps.registry import APP_TYPES
from polydock_pipelines.lifecycle.instance import Instance, Script
from polydock_pipelines.lifecycle.outcome import Done, Failed, Outcome, Waiting
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import EndpointError
from polydock_pipelines.ports.amazee_ai import AMAZEE_AI
from tests.fakes.amazee_ai import FakeAmazeeAi
from tests.fakes.shell import FakeShell, result
from tests.makers import a_target, an_app, an_instance
from tests.unit.steps.step_world import Death, StepWorld, a_world, an_environment, standing_lagoon

IN = ("pre-create", "post-create", "polydock-claim")
OUT = ("pre-remove", "post-remove")
MOST_TRIES = 12
OWN = "trial-calm-otter-a1b2c3d4@autogen.null"
KEY = "trial-calm-otter-a1b2c3d4-proj-creds"
ORGANIZATION = "trials-eu"
CLAIM = Script('echo "API_KEY:abc"; echo https://in.example.com/x')
FIELDS = {
    "amazee-claw": {"amazeeai_key_mode": "anonymous"},
    "dependency-track": {"lagoon_organisation": ORGANIZATION},
}
"""What each type's app says in its fields; others say nothing."""
AI_TYPES = ("polydock-app-ai", "anything-llm", "amazee-claw", "private-gpt")


def lost() -> EndpointError:
    """Return the error of an answer that never came."""
    return EndpointError("amazee.ai did not answer", endpoint=AMAZEE_AI)


def ai_instance(app_type: str, fields: Mapping[str, str] | None = None, **changes: Any) -> Instance:
    """Return an instance of *app_type* whose store has a region and whose project stands."""
    chosen = FIELDS.get(app_type, {}) if fields is None else fields
    budget = changes.pop("budget", None)
    return an_instance(
        app_type=app_type,
        target=a_target(ai_region_id=1),
        app=an_app(ai_budget_usd=budget, scripts={"polydock-claim": CLAIM}),
        fields={name: Secret(value) for name, value in chosen.items()},
        **changes,
    )


def ai_world(ai: FakeAmazeeAi | None = None) -> StepWorld:
    """Return a world with our project, its routes, and an organization."""
    routes = ("https://app.example.com", "https://apiserver.example.com")
    lagoon = standing_lagoon(
        environment=an_environment(route=routes[0], routes=routes), organizations=[ORGANIZATION]
    )
    shell = FakeShell({"polydock-claim": result("API_KEY:abc\nhttps://in.example.com/x\n")})
    return a_world(lagoon, shell, ai=ai)


@dataclass
class Life:
    """One instance, its world, and what each try of a stage came to."""

    instance: Instance
    world: StepWorld = field(default_factory=ai_world)
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    deaths: int = 0

    def run(self, *stages: str) -> Outcome:
        """Run *stages* in turn, each until it is done or failed for good."""
        outcome: Outcome = Done()
        for stage in stages:
            outcome = self._stage(stage)
            if not isinstance(outcome, Done):
                break
        return outcome

    def _stage(self, stage: str) -> Outcome:
        attempt = 0
        while True:
            attempt += 1
            assert attempt <= MOST_TRIES, f"{stage} never ends: {self.outcomes[-3:]}"
            outcome = self._try(stage, attempt)
            if isinstance(outcome, Done) or (isinstance(outcome, Failed) and outcome.is_final):
                return outcome
            until = outcome.until if isinstance(outcome, Waiting) else None
            self.world.clock.at = until or self.world.clock.now() + timedelta(minutes=1)

    def _try(self, stage: str, attempt: int) -> Outcome | None:
        """Run the stage once; None when the worker died or the endpoint was away."""
        step = APP_TYPES[self.instance.app_type].steps[stage]
        deadline = self.world.clock.now() + timedelta(hours=1)
        now = self.world.again(self.instance, stage=stage, attempt=attempt, deadline=deadline)
        try:
            outcome = step(now, self.world.ports)
        except Death:
            self.deaths += 1
            return None
        except EndpointError:
            return None
        self.outcomes.append(outcome)
        return outcome

    @property
    def values(self) -> dict[str, str]:
        """The project's variables in clear text."""
        return self.world.lagoon.values(self.instance.name)


def life_of(app_type: str, ai: FakeAmazeeAi | None = None, **changes: Any) -> Life:
    """Return a life of an instance of *app_type*."""
    return Life(ai_instance(app_type, **changes), ai_world(ai))


def persons(instance: Instance, email: str) -> Instance:
    """Return the instance with another person."""
    return replace(instance, person=replace(instance.person, email=email))
