import base64
import json

import pytest

from polydock_pipelines.lifecycle.instance import CustomRoute, Scope
from polydock_pipelines.lifecycle.outcome import Facts
from polydock_pipelines.ports import PortError
from polydock_pipelines.steps import variables
from tests.fakes.lagoon import FakeLagoon
from tests.makers import a_person, a_target, a_variable, an_app, an_instance
from tests.unit.steps.step_world import a_world, our_project

NAME = an_instance().name


def pushed(*names: str) -> Facts:
    return Facts(lagoon_project_id=1, pushed_variables=frozenset(names))


def test_every_project_gets_the_polydock_variables() -> None:
    world = a_world(FakeLagoon(projects=[our_project()]))
    app = an_app(health_url="https://polydock.example.com/api/instance/x/health/")
    variables.push(an_instance(app=app), world.ports)
    assert world.lagoon.values(NAME) == {
        "POLYDOCK_APP_NAME": "Demo CMS",
        "POLYDOCK_GENERATED_APP_ADMIN_USERNAME": "demo4711",
        "POLYDOCK_GENERATED_APP_ADMIN_PASSWORD": "Generated4Tests",  # pragma: allowlist secret
        "POLYDOCK_USER_FIRST_NAME": "Ada",
        "POLYDOCK_USER_LAST_NAME": "Lovelace",
        "POLYDOCK_USER_EMAIL": "ada@example.com",
        "POLYDOCK_APP_INSTANCE_HEALTH_WEBHOOK_URL": app.health_url,
        "LAGOON_FEATURE_FLAG_INSIGHTS": "false",
    }


def test_a_withdrawn_variable_is_deleted_in_lagoon() -> None:
    world = a_world(FakeLagoon(projects=[our_project()]))
    before = an_instance(variables=(a_variable("OLD"), a_variable("KEPT")))
    variables.push(before, world.ports)
    after = an_instance(variables=(a_variable("KEPT", "2"),), facts=pushed("OLD", "KEPT"))
    assert variables.push(after, world.ports) == Facts(pushed_variables=frozenset({"KEPT"}))
    assert world.lagoon.values(NAME).get("KEPT") == "2"
    assert "OLD" not in world.lagoon.values(NAME)


def test_what_is_about_to_be_pushed_is_recorded_before_so_that_a_death_loses_nothing() -> None:
    lagoon = FakeLagoon(projects=[our_project()], failing_after={"set_variables": [PortError("?")]})
    world = a_world(lagoon)
    with pytest.raises(PortError):
        variables.push(
            an_instance(variables=(a_variable("NEW"),), facts=pushed("OLD")), world.ports
        )
    assert world.journal.recorded == [Facts(pushed_variables=frozenset({"NEW", "OLD"}))]


def test_a_withdrawal_whose_deletion_failed_is_made_good_at_the_next_push() -> None:
    lagoon = FakeLagoon(
        projects=[our_project()], failing={"delete_variables": [PortError("?"), None]}
    )
    world = a_world(lagoon)
    withdrawn = an_instance(facts=pushed("OLD"))
    with pytest.raises(PortError):
        variables.push(withdrawn, world.ports)
    assert variables.push(withdrawn, world.ports).pushed_variables == frozenset()
    assert lagoon.operations().count("delete_variables") == 2


def test_pushing_the_same_again_deletes_nothing_and_records_nothing() -> None:
    world = a_world(FakeLagoon(projects=[our_project()]))
    variables.push(an_instance(variables=(a_variable("A"),), facts=pushed("A")), world.ports)
    assert world.lagoon.operations() == ["set_variables"]
    assert world.journal.recorded == []


@pytest.mark.parametrize(
    "name", ["POLYDOCK_APP_NAME", "polydock_x", "LAGOON_ROUTES_JSON", "AI_LLM_API_URL", "Ai_key"]
)
def test_a_reserved_name_of_the_catalogue_is_never_pushed(name: str) -> None:
    world = a_world(FakeLagoon(projects=[our_project()]))
    facts = variables.push(an_instance(variables=(a_variable(name, "evil"),)), world.ports)
    assert facts.pushed_variables == frozenset()
    assert "evil" not in world.lagoon.values(NAME).values()


@pytest.mark.parametrize("name", ["DATABASE_URL", "AIRTABLE", "MY_LAGOON_X", "PAID"])
def test_an_ordinary_name_is_not_reserved(name: str) -> None:
    assert not variables.is_reserved(name)


def test_scopes_reach_lagoon_as_they_are() -> None:
    world = a_world(FakeLagoon(projects=[our_project()]))
    variables.push(an_instance(variables=(a_variable("A", "1", Scope.RUNTIME),)), world.ports)
    stored = world.lagoon.stored(NAME)
    assert stored is not None
    assert stored.variables["A"].scope is Scope.RUNTIME


def test_a_custom_route_is_base64_of_the_json_that_a_build_reads() -> None:
    route = CustomRoute("{project}.{environment}.Example.com", "nginx", {"a.b/c": "yes"})
    instance = an_instance(app=an_app(custom_route=route), target=a_target(branch="Main"))
    variable = next(v for v in variables.our_variables(instance) if v.name == "LAGOON_ROUTES_JSON")
    assert variable.scope is Scope.BUILD
    assert json.loads(base64.b64decode(variable.value.reveal(), validate=True)) == {
        "routes": [
            {
                "domain": f"{NAME}.main.example.com",
                "service": "nginx",
                "tls-acme": True,
                "annotations": {"a.b/c": "yes"},
            }
        ]
    }


def test_an_app_without_a_custom_route_gets_no_routes_variable() -> None:
    names = {variable.name for variable in variables.our_variables(an_instance())}
    assert "LAGOON_ROUTES_JSON" not in names


def test_a_pool_instance_has_metadata_without_a_person() -> None:
    person = a_person(email="", first_name="", last_name="")
    assert variables.metadata(an_instance(person=person))["email"] == ""


def test_secrets_do_not_show_in_what_a_failing_test_or_log_would_print() -> None:
    shown = repr([variables.our_variables(an_instance()), an_instance()])
    assert "Generated4Tests" not in shown
