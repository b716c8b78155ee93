"""Who asks for the end of an instance, or for another beginning."""

from collections.abc import Callable
from datetime import timedelta

from polydock_pipelines.actions.operate import remove_instance
from polydock_pipelines.actions.purge import purge_instance, restore_instance
from tests.baddays.house import FAILED_RETENTION, House
from tests.makers import a_book, change_row

Asks = Callable[[House, str], object]


def an_operator(house: House, uuid: str) -> None:
    """Ask for the removal."""
    remove_instance(house.database, uuid, house.clock.now(), by="a test")


def the_end_of_the_trial(house: House, uuid: str) -> None:
    """Let the trial's time be up."""
    change_row(house.database, house.row(uuid).id, trial_ends_at=house.clock.now())
    house.keep_time()


def the_sweep(house: House, uuid: str) -> None:
    """Let nobody retry it for so long that it is swept away."""
    house.clock.at = house.row(uuid).updated_at + FAILED_RETENTION
    house.keep_time()
    assert house.row(uuid).removed_at is house.row(uuid).force_purge_requested_at is None
    house.clock.advance(timedelta(seconds=1))
    house.keep_time()


def a_purge(house: House, uuid: str) -> None:
    """Ask for the end of its project."""
    purge_instance(a_book(house.database), uuid, house.clock.now(), by="a test")


def the_end_of_grace(house: House, uuid: str) -> None:
    """Let its grace be over."""
    eligible_at = house.row(uuid).purge_eligible_at
    assert eligible_at is not None
    house.clock.at = eligible_at
    house.keep_time()


def a_restore(house: House, uuid: str) -> None:
    """Ask for another life of it."""
    restore_instance(a_book(house.database), uuid, house.clock.now(), by="a test")
