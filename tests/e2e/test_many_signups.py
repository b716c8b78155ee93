"""A chunk too large for an event each: one materialization with a table, the rest catches up."""

import dagster as dg

from polydock_pipelines.actions.operate import remove_instance
from polydock_pipelines.assets.app_instances import MOST_AT_A_TICK, SMALL
from tests.baddays.offers import PLAIN
from tests.baddays.table import CLAIMED, REMOVED
from tests.e2e.house import DAGSTERS_WARNINGS, House

pytestmark = DAGSTERS_WARNINGS
MANY = 30


def test_thirty_signups_are_one_chunk_and_each_claim_is_shown_in_the_end(
    sqlite_house: House,
) -> None:
    house = sqlite_house
    uuids = house.sign_up(PLAIN, people=MANY)
    (provision,) = house.tick_and_run("signups")
    house.move(90)
    (activate,) = house.tick_and_run("builds")
    assert (provision.success, activate.success, house.statuses()) == (True, True, {CLAIMED})
    assert sorted(house.dagster.get_dynamic_partitions("app_instance")) == sorted(uuids)
    assert SMALL < MANY <= MOST_AT_A_TICK
    chunks = [m for m in house.materializations() if m.partition is None]
    assert len(chunks) == len(house.materializations()) == 5
    for chunk in chunks:
        assert chunk.metadata["instances"] == dg.MetadataValue.int(MANY)
        table = chunk.metadata["visits"]
        assert isinstance(table, dg.TableMetadataValue)
        assert {str(record.data["instance"]) for record in table.records} == set(uuids)
    assert house.tick("due_instances") == []
    assert [house.shown(uuid) for uuid in uuids] == [[CLAIMED]] * MANY
    assert house.tick("due_instances") == []
    assert len(house.materializations()) == 5 + MANY


def test_a_removal_of_many_is_shown_by_the_catch_up_too(sqlite_house: House) -> None:
    house = sqlite_house
    uuids = house.sign_up(PLAIN, people=SMALL + 1)
    for uuid in uuids:
        remove_instance(house.database, uuid, house.clock.now(), by="a test")
    (run,) = house.tick_and_run("due_instances")
    assert (run.success, house.statuses()) == (True, {REMOVED})
    assert house.tick("due_instances") == []
    assert [house.shown(uuid) for uuid in uuids] == [[REMOVED]] * len(uuids)


def test_above_the_limit_of_partitions_instances_are_worked_without_one(
    sqlite_house: House,
) -> None:
    house = sqlite_house
    house.monkeypatch.setenv("POLYDOCK_INSTANCE_PARTITIONS", "1")
    house.move(0)
    house.sign_up(PLAIN, people=3)
    (run,) = house.tick_and_run("signups")
    assert (run.success, house.statuses()) == (True, {"deploy-running"})
    assert len(house.dagster.get_dynamic_partitions("app_instance")) == 1
    assert len(house.materializations()) == 2
