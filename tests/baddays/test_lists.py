"""Lagoon's lists lag behind: a build that was started is shown nowhere for a while."""

from datetime import timedelta

from polydock_pipelines.db.database import Database
from polydock_pipelines.ports import EndpointError
from tests.baddays.crowd import crowd
from tests.baddays.day import CLAIMED
from tests.baddays.meddling import once
from tests.baddays.soundness import assert_at_any_time

UNSEEN = timedelta(seconds=45)


def lose_the_answer() -> None:
    raise EndpointError("the answer was lost", endpoint="lagoon")


def test_a_build_that_no_list_shows_yet_is_not_started_twice(database: Database) -> None:
    lost = once("after deployments.deploy_environment_branch", lose_the_answer)
    house = crowd(database, {"pending-pre-create": 3}, lost)
    house.lagoon.state.shows_builds_after = UNSEEN
    house.go_on()
    rows = assert_at_any_time(house)
    assert [row.status for row in rows] == [CLAIMED] * 3
    assert [len(house.builds_of_project(row.name)) for row in rows] == [1, 1, 1]
    assert house.lagoon.operations().count("deploy_environment_branch") == 3
