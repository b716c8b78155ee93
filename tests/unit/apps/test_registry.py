import inspect

import pytest

from polydock_pipelines.apps.app_type import AppType
from polydock_pipelines.apps.generic import GENERIC
from polydock_pipelines.apps.registry import APP_TYPES
from polydock_pipelines.lifecycle.outcome import Done, Outcome
from polydock_pipelines.lifecycle.table import LIFECYCLE, STAGES

types = pytest.mark.parametrize("app_type", APP_TYPES.values(), ids=lambda app: app.key)


@types
@pytest.mark.parametrize("stage", [stage.name for stage in LIFECYCLE])
def test_each_app_type_has_a_step_for_each_stage(app_type: AppType, stage: str) -> None:
    parameters = inspect.signature(app_type.steps[stage]).parameters.values()
    assert [one.name for one in parameters if one.default is one.empty] == ["instance", "ports"]


@types
def test_no_app_type_has_a_step_for_a_stage_that_does_not_exist(app_type: AppType) -> None:
    assert set(app_type.steps) <= set(STAGES)


@types
def test_an_app_type_is_registered_under_its_own_key(app_type: AppType) -> None:
    assert APP_TYPES[app_type.key] is app_type
    assert app_type.label


def test_a_variant_differs_in_the_named_steps_only() -> None:
    def mine(_instance: object, _ports: object) -> Outcome:
        return Done()

    variant = GENERIC.variant("mine", "Mine", polydock_claim=mine)
    changed = {stage for stage in variant.steps if variant.steps[stage] is not GENERIC.steps[stage]}
    assert changed == {"polydock-claim"}
    assert (variant.key, variant.label) == ("mine", "Mine")
    assert GENERIC.steps["polydock-claim"] is not mine
