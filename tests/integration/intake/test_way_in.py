"""`GET /app-instances/{uuid}`: who has the link of a mail is led to the instance, no one else."""

import logging
from datetime import datetime, timedelta
from typing import Any

import pytest

from polydock_pipelines.actions.links import Links
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.trials import LEAVING
from polydock_pipelines.db.vault import Vault, new_key
from polydock_pipelines.lifecycle.table import Wish
from tests.fakes.clock import START
from tests.integration.actions.tables import dump
from tests.integration.intake.door import Door, Street, opened
from tests.integration.intake.trials import (
    END,
    SHOWN_END,
    SUPPORT,
    Trial,
    changed,
    trial,
    until,
)
from tests.makers import TEST_KEY

LOGIN = "https://trial.example.com/user/reset/1/Canary4711/login?x=%2F&y=1"
APP = "https://trial.example.com"
HOUR = timedelta(hours=1)


def open_trial(db: Database, **changes: Any) -> Trial:
    """Make a trial with a one-time login that is good for another hour."""
    return trial(
        db, **{"login_url": LOGIN, "login_valid_until": START + HOUR, "app_url": APP} | changes
    )


def test_a_fresh_one_time_login_is_where_it_leads(door: Door) -> None:
    one = open_trial(door.db)
    answer = door.http.get(one.login)
    assert (answer.status_code, answer.headers["Location"]) == (302, LOGIN)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"


@pytest.mark.parametrize(
    "changes",
    [
        {"login_valid_until": START},
        {"login_valid_until": None},
        {"login_url": None},
        {"login_url": "javascript:alert(1)"},
        {"login_url": "https://a.example.com/\r\nSet-Cookie: x=1"},
    ],
)
def test_without_one_it_leads_to_the_app(door: Door, changes: dict[str, Any]) -> None:
    answer = door.http.get(open_trial(door.db, **changes).login)
    assert (answer.status_code, answer.headers["Location"]) == (302, APP)
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("app_url", [None, "", "javascript:alert(1)", "//evil.example", "ftp://a"])
def test_without_any_address_it_says_so(door: Door, app_url: str | None) -> None:
    answer = door.http.get(open_trial(door.db, login_url=None, app_url=app_url).login)
    assert answer.status_code == 404
    assert "<h1>No URL available for this app instance</h1>" in answer.text
    assert "Location" not in answer.headers


def tampered(one: Trial, other: Trial) -> dict[str, str]:
    """Return links that look like one of ours."""
    link = one.login
    return {
        "another instance": link.replace(one.uuid, other.uuid),
        "an upper-case uuid": link.replace(one.uuid, one.uuid.upper()),
        "a later end": changed(link, expires=str(int(END.timestamp()) + 1)),
        "another writing of the end": changed(link, expires=f"0{int(END.timestamp())}"),
        "no end": changed(link, expires=""),
        "a cut signature": link[:-1],
        "a longer signature": link + "0",
        "an empty signature": changed(link, signature=""),
        "signs beyond ASCII": changed(link, signature="é" * 40, expires="٣"),
        "no query": f"/app-instances/{one.uuid}",
        "no uuid": "/app-instances/%00?expires=1&signature=1",
        "the signature of an extension": one.extension.replace(
            f"/trials/{one.uuid}/extend", f"/app-instances/{one.uuid}"
        ),
    }


def test_a_link_that_is_not_ours_leads_nowhere(door: Door) -> None:
    one, other = open_trial(door.db), open_trial(door.db)
    for name, link in tampered(one, other).items():
        answer = door.http.get(link)
        assert answer.status_code == 403, name
        assert "<h1>This link does not work</h1>" in answer.text
        assert "Location" not in answer.headers
        assert "Drupal" not in answer.text  # says nothing of the instance
        assert SUPPORT not in answer.text


@pytest.mark.parametrize("end", [START, START - timedelta(days=400)])
def test_a_link_that_has_ended_says_so(door: Door, end: datetime) -> None:
    answer = door.http.get(until(end, open_trial(door.db)))
    assert answer.status_code == 410
    assert "<h1>This link has ended</h1>" in answer.text
    assert SHOWN_END in answer.text
    assert f'href="mailto:{SUPPORT}"' in answer.text
    assert "Location" not in answer.headers


def test_the_link_of_an_instance_that_is_kept_ends_too(door: Door) -> None:
    kept = open_trial(door.db, is_trial=False, trial_ends_at=None)
    assert door.http.get(until(END, kept)).status_code == 302
    answer = door.http.get(until(START, kept))
    assert answer.status_code == 410
    assert "is still there" in answer.text


@pytest.mark.parametrize(
    "changes",
    [
        *({"status": status} for status in LEAVING),
        {"wanted": Wish.REMOVE.value},
        {"trial_completed": True},
        {"trial_ends_at": START},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_nothing_leads_into_an_instance_that_is_over(
    shut_door: Door, changes: dict[str, Any]
) -> None:
    answer = shut_door.http.get(open_trial(shut_door.db, **changes).login)
    assert answer.status_code == 410
    assert "<h1>This trial has ended</h1>" in answer.text
    assert "Location" not in answer.headers
    assert "Canary" not in answer.text


def test_an_instance_that_is_no_more_has_ended(door: Door) -> None:
    nobody = Trial(0, "6f1c52b0-6f0e-4c8a-9a53-0c1d4f5a7e10")
    answer = door.http.get(nobody.login)
    assert answer.status_code == 410
    assert "is no more" in answer.text


def test_a_link_of_a_key_that_was_rotated_works_as_long_as_the_key_is_there(
    street: Street, database: Database
) -> None:
    one = open_trial(database)
    codes: list[int] = []
    for keys in ([new_key(), TEST_KEY], [new_key()]):
        rotated = Database(database.engine.url.render_as_string(hide_password=False), Vault(keys))
        with opened(street, rotated) as door:
            codes.append(door.http.get(one.login).status_code)
        rotated.close()
    assert codes == [302, 403]


def test_a_one_time_login_that_nobody_can_open_is_passed_over(
    street: Street, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    one, vault = open_trial(database), Vault([new_key()])
    other = Database(database.engine.url.render_as_string(hide_password=False), vault)
    with opened(street, other) as door:
        answer = door.http.get(Links(vault, "").login(one.uuid, END))
    other.close()
    assert (answer.status_code, answer.headers["Location"]) == (302, APP)
    assert f"app_instances.login_url:{one.uuid} cannot be decrypted" in caplog.text


def test_links_end_by_the_calendar_and_one_time_logins_by_the_time(
    street: Street, database: Database
) -> None:
    one = open_trial(database)
    with opened(street, database, calendar=lambda now: now + timedelta(days=9)) as door:
        assert door.http.get(one.login).headers["Location"] == LOGIN
    with opened(street, database, calendar=lambda now: now + timedelta(days=11)) as door:
        assert door.http.get(one.login).status_code == 410


def test_following_it_writes_nothing_and_no_log_holds_the_address(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "polydock_pipelines")
    one = open_trial(door.db)
    before = dump(door.db)
    for _ in range(3):
        door.http.get(one.login)
    assert dump(door.db) == before
    ours = [record for record in caplog.records if record.name.startswith("polydock")]
    assert "Canary" not in "".join(record.getMessage() for record in ours)


def test_who_only_checks_links_is_not_told_where_it_leads(door: Door) -> None:
    answer = door.http.head(open_trial(door.db).login)
    assert answer.status_code == 405
    assert "Location" not in answer.headers
