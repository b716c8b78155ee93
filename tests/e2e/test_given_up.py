"""An instance whose attempts are spent fails without a step: its run must tell, and be red."""

from polydock_pipelines.lifecycle.table import STAGES
from tests.baddays.offers import PLAIN
from tests.e2e.house import DAGSTERS_WARNINGS, House, failure_of
from tests.makers import change_row

pytestmark = DAGSTERS_WARNINGS


def test_the_run_that_finds_the_attempts_spent_is_red_and_says_so(sqlite_house: House) -> None:
    house = sqlite_house
    (uuid,) = house.sign_up(PLAIN)
    spent = STAGES["pre-create"].attempts
    change_row(house.database, house.row(uuid).id, attempt=spent)
    (run,) = house.tick_and_run("signups")
    assert (run.success, house.row(uuid).status) == (False, "pre-create-failed")
    told = failure_of(run, "summarize")
    assert f"the worker died in each of {spent} attempts" in told.description
    assert told.metadata["failed for good"].value == 1
