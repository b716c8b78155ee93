"""From rows to the frozen instance that a step sees."""

import pytest

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.leases import claim
from polydock_pipelines.db.loading import MOST_NEIGHBOURS
from polydock_pipelines.db.places import health_door
from polydock_pipelines.lifecycle.instance import CustomRoute, Instance, Person, Scope, Script
from polydock_pipelines.lifecycle.table import LIFECYCLE, LIVING, STATUSES
from polydock_pipelines.lifecycle.transitions import pending
from tests.fakes.clock import START as NOW
from tests.makers import (
    GIT_URL,
    VAULT,
    a_book,
    make_instance_row,
    make_product_type,
    make_store,
    make_store_app,
    make_variable,
    new_instance,
)


def loaded(database: Database, instance_id: int) -> Instance:
    taken = claim(a_book(database), instance_id, NOW)
    assert taken is not None
    return taken.instance


def test_the_nearest_variable_of_a_name_wins(database: Database) -> None:
    with database.write() as session:
        store = make_store(session)
        app = make_store_app(session, store)
        row = make_instance_row(session, app)
        for owner, names in ((store, "ABC"), (app, "BC"), (row, "C")):
            for name in names:
                make_variable(session, owner, name, type(owner).__name__)
        make_variable(session, make_store(session), "D", "of another store")
        instance_id = row.id
    variables = loaded(database, instance_id).variables
    assert {v.name: v.value.reveal() for v in variables} == {
        "A": "Store",
        "B": "StoreApp",
        "C": "AppInstance",
    }


def test_a_variable_keeps_its_scope(database: Database) -> None:
    with database.write() as session:
        row = make_instance_row(session)
        make_variable(session, row, "A", "1", scope=Scope.BUILD)
        instance_id = row.id
    (variable,) = loaded(database, instance_id).variables
    assert variable.scope is Scope.BUILD


def test_the_catalogues_present_word_counts_for_the_app(database: Database) -> None:
    route = {"domain_pattern": "{project}.example.com", "service": "nginx"}
    with database.write() as session:
        app = make_store_app(
            session,
            name="Demo CMS",
            product_type_id=make_product_type(session, "cms").id,
            is_production=True,
            custom_route=route,
            scripts={"polydock-claim": Script("drush uli", service="php", container="web")},
        )
        row = make_instance_row(session, app)
        instance_id, uuid = row.id, row.uuid
    settings = loaded(database, instance_id).app
    assert (settings.name, settings.product_type, settings.is_production) == (
        "Demo CMS",
        "cms",
        True,
    )
    assert settings.custom_route == CustomRoute("{project}.example.com", "nginx")
    assert settings.scripts == {"polydock-claim": Script("drush uli", "php", "web")}
    token = VAULT.token(health_door(uuid))
    door = f"https://polydock.example.com/api/instance/{uuid}.{token}/health/"
    assert settings.health_url == door


def test_an_app_without_extras_has_plain_settings(database: Database) -> None:
    settings = loaded(database, new_instance(database)).app
    assert (settings.product_type, settings.custom_route, settings.scripts) == ("generic", None, {})


def test_where_it_lives_and_whom_it_is_for_come_from_the_row(database: Database) -> None:
    instance_id = new_instance(
        database,
        user_email="ada@example.com",
        user_first_name="Ada",
        user_last_name="Lovelace",
        company_name="Engines Ltd",
        organization_id=70,
        group_name=None,
    )
    instance = loaded(database, instance_id)
    assert instance.person == Person("ada@example.com", "Ada", "Lovelace", "Engines Ltd")
    assert (instance.target.organization_id, instance.target.group_name) == (70, None)
    assert (instance.target.git_url, instance.target.deploy_key) == (GIT_URL, None)


def test_a_store_that_moves_does_not_move_its_instances(database: Database) -> None:
    with database.write() as session:
        store = make_store(session, organization_id=7)
        instance_id = make_instance_row(session, make_store_app(session, store)).id
        store.organization_id = 8
    assert loaded(database, instance_id).target.organization_id == 7


# -- neighbours: what a purge may expect to see where a project was

PURGING = "pending-purge"
LIVES = "running-healthy-claimed"


def neighbours(database: Database, *others: dict[str, object], status: str = PURGING) -> set[int]:
    """Return what an instance of organization 7 is told, when these stand beside it."""
    with database.write() as session:
        app = make_store_app(session)
        own = make_instance_row(session, app, status=status, lagoon_project_id=1).id
        for number, other in enumerate(others, 2):
            make_instance_row(
                session, app, **{"status": LIVES, "lagoon_project_id": number, **other}
            )
    return set(loaded(database, own).neighbours)


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_a_neighbour_is_up_or_on_its_way(sqlite_database: Database, status: str) -> None:
    expected = {2} if status in LIVING else set()
    assert neighbours(sqlite_database, {"status": status}) == expected


def test_neighbours_live_in_the_same_organization_and_have_a_project(database: Database) -> None:
    others = [{}, {"organization_id": 8}, {"lagoon_project_id": None}, {"status": "removed"}]
    assert neighbours(database, *others, {}) == {2, 6}


def test_nobody_is_a_neighbour_of_itself(database: Database) -> None:
    assert neighbours(database) == set()


def test_the_newest_neighbours_are_enough(database: Database) -> None:
    others = [{} for _ in range(MOST_NEIGHBOURS + 2)]
    assert neighbours(database, *others) == set(range(4, MOST_NEIGHBOURS + 4))


@pytest.mark.parametrize("stage", [s.name for s in LIFECYCLE if not s.sees_neighbours])
def test_other_stages_are_not_told_of_neighbours(sqlite_database: Database, stage: str) -> None:
    assert neighbours(sqlite_database, {}, status=pending(stage)) == set()
