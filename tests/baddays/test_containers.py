"""Containers that are slow to wake, never stop talking, or lose the connection at every turn."""

import threading
from dataclasses import replace
from functools import partial
from inspect import signature

import psutil
import pytest

from polydock_pipelines.clients.shell import ShellError, SshShell
from polydock_pipelines.db.database import Database
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import CommandResult, Container, Shell
from polydock_pipelines.steps.wrapper import wrap
from tests.baddays.conftest import DriverMaker
from tests.baddays.day import CLAIMED
from tests.baddays.driver import Driver, address_of, open_ports
from tests.baddays.offers import CLAIM, LOGIN_URL, SCRIPTED, Offer
from tests.baddays.soundness import assert_sound
from tests.makers import UUID

WAKES_IN_S = 80.0
SCALE = 1 / 80
"""One second here is eighty of the real thing."""
SECONDS = 60
"""The claim script takes so long, and is cut off at every second second."""
MORE_MEMORY = 50 * 1024 * 1024


@pytest.fixture
def sqlite_driver(driving: DriverMaker, sqlite_database: Database) -> Driver:
    return driving(sqlite_database)


def container(driver: Driver, uuid: str) -> Container:
    """Return where the scripts of an instance that has been built run."""
    at = driver.eye.environments.environment_by_name(
        driver.row(uuid).lagoon_project_id or 0, driver.row(uuid).branch
    )
    assert at is not None
    return Container(at.namespace, host=at.ssh_host, port=at.ssh_port)


def built(driver: Driver, offer: Offer = SCRIPTED) -> str:
    """Sign somebody up and return the instance when it is claimed."""
    uuid = driver.sign_up(offer)
    driver.go_on()
    assert driver.row(uuid).status == CLAIMED
    return uuid


def shell_of(driver: Driver, timeout_s: float) -> Shell:
    """Return a shell that waits so long, the connection included."""
    address = address_of(driver.simulator, timeout_s=timeout_s / 2)
    return open_ports(address, driver.clock).shell


# -- an idle environment that wakes


def test_we_wait_longer_than_any_portal_needs_to_wake_an_environment() -> None:
    """Nothing bounds the first byte alone, so the whole patience counts: 90 s, then the script."""
    patience = signature(SshShell).parameters["timeout_s"].default
    assert patience >= 90 + 2 * SECONDS


def test_an_environment_that_wakes_for_eighty_seconds_is_claimed_at_the_first_try(
    sqlite_driver: Driver,
) -> None:
    driver = sqlite_driver
    patience = signature(SshShell).parameters["timeout_s"].default
    uuid = driver.sign_up(SCRIPTED)
    driver.go_on(until=driver.stands(uuid, "deploy-running"))
    driver.simulator.change(wake_seconds=WAKES_IN_S * SCALE)
    driver.ports = replace(driver.ports, shell=shell_of(driver, patience * SCALE))
    driver.go_on()
    assert driver.row(uuid).status == CLAIMED
    assert len(driver.state("commands")["commands"]) == 1
    assert_sound(driver)


# -- output without end


def test_output_without_end_is_cut_with_a_sentence_and_fills_no_memory(
    sqlite_driver: Driver,
) -> None:
    driver = sqlite_driver
    shell, at = shell_of(driver, 2.0), container(driver, built(driver))
    before, most, stop = psutil.Process().memory_info().rss, [0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            most[0] = max(most[0], psutil.Process().memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    with pytest.raises(ShellError, match=r"did not end within 2 s"):
        shell.run(at, "# polydock-stage: polydock-claim\nyes 'never enough'\n")
    stop.set()
    watcher.join()
    assert most[0] - before < MORE_MEMORY


def test_a_script_that_never_stops_talking_ends_as_a_failure_that_says_so(
    sqlite_driver: Driver,
) -> None:
    driver = sqlite_driver
    driver.ports = replace(driver.ports, shell=shell_of(driver, 0.6))
    loud = "while [ ! -f ../stop ]; do echo never enough; sleep 0.01; done"
    uuid = driver.sign_up(Offer(scripts={CLAIM: loud}))
    driver.go_on()
    row = driver.row(uuid)
    (home,) = (driver.simulator.options.home / "containers").glob(f"{row.namespace or row.name}*")
    (home / "stop").touch()
    assert row.status == f"{CLAIM}-failed"
    assert "did not end within" in row.status_message
    assert_sound(driver)


# -- a connection that is lost again and again


def test_a_claim_script_of_sixty_seconds_that_is_cut_off_at_every_second_second_runs_once(
    sqlite_driver: Driver,
) -> None:
    driver = sqlite_driver
    at, shell = container(driver, built(driver)), shell_of(driver, 20.0)
    clock = driver.simulator.options.home / "a-clock"
    clock.mkdir(exist_ok=True)
    script = (
        "echo began >> ../ran; n=0\n"
        f"while [ $n -lt {SECONDS} ]; do n=$((n+1)); "
        f"while [ ! -f {clock}/$n ]; do sleep 0.01; done; done\n"
        f"echo ended >> ../ran; echo {LOGIN_URL}"
    )
    asked = partial(shell.run, at, quick(script))
    for second in range(1, SECONDS, 2):
        driver.simulator.fault(f"ssh:{CLAIM}", "ssh_cut", seconds=0.05)
        with pytest.raises(ShellError):
            asked()
        (clock / str(second)).touch()
        (clock / str(second + 1)).touch()
    assert asked() == CommandResult(0, Secret(f"{LOGIN_URL}\n"), Secret(""))
    assert asked().exit_code == 0
    (ran,) = (driver.simulator.options.home / "containers").glob(f"{at.namespace}.*/ran")
    assert ran.read_text() == "began\nended\n"


def quick(script: str) -> str:
    """Wrap a claim script of another generation than the one that ran; look ten times as often."""
    text = wrap(script, stage=CLAIM, instance_uuid=UUID, generation=7, env={})
    assert "  sleep 1\n" in text
    return text.replace("  sleep 1\n", "  sleep 0.1\n")
