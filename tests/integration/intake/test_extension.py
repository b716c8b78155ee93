"""`/trials/{uuid}/extend`: opening it changes nothing, its button extends a trial once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from html import unescape
from re import search
from typing import Any

import httpx
import pytest

from polydock_pipelines.actions.read_instances import tell
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.trials import LEAVING
from polydock_pipelines.db.vault import Vault, new_key
from polydock_pipelines.lifecycle.table import Wish
from tests.fakes.clock import START
from tests.integration.actions.tables import dump
from tests.integration.intake.door import Door, Street, opened
from tests.integration.intake.trials import (
    BEGAN,
    END,
    EXTENDED,
    LINKS,
    SHOWN_END,
    SHOWN_EXTENDED,
    SUPPORT,
    Trial,
    changed,
    trial,
)
from tests.makers import TEST_KEY, change_row, instance_row

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
OFFER = "<h1>Extend your trial</h1>"
DONE = "<h1>Your trial is extended</h1>"
NO_MORE = "<h1>This trial cannot be extended any more</h1>"


def press(door: Door, link: str, seen_end: datetime | str = END) -> httpx.Response:
    """Press the button of a page that showed *seen_end*."""
    seen = seen_end if isinstance(seen_end, str) else seen_end.isoformat()
    return door.http.post(link, data={"seen_end": seen})


def end_of(door: Door, one: Trial) -> datetime | None:
    return instance_row(door.db, one.id).trial_ends_at


def test_the_page_shows_what_the_button_does(door: Door) -> None:
    one = trial(door.db)
    answer = door.http.get(one.extension)
    assert answer.status_code == 200
    assert OFFER in answer.text
    for words in ("Drupal CMS", instance_row(door.db, one.id).name, SHOWN_END, SHOWN_EXTENDED):
        assert words in answer.text
    assert f'<input type="hidden" name="seen_end" value="{END.isoformat()}">' in answer.text
    assert one.extension.rpartition("=")[2] not in answer.text  # the signature


def test_the_button_extends_the_trial(door: Door) -> None:
    one = trial(door.db)
    shown = search(r'name="seen_end" value="([^"]*)"', door.http.get(one.extension).text)
    assert shown is not None
    answer = press(door, one.extension, unescape(shown[1]))
    assert (answer.status_code, DONE in answer.text) == (200, True)
    assert SHOWN_EXTENDED in answer.text
    assert end_of(door, one) == EXTENDED
    story = tell(door.db, one.uuid, START)
    assert "by the person's link" in str(story)


def test_pressing_twice_extends_once(door: Door) -> None:
    one = trial(door.db)
    answers = [press(door, one.extension) for _ in range(3)]
    assert [(a.status_code, DONE in a.text) for a in answers] == [(200, True)] * 3
    assert end_of(door, one) == EXTENDED


def test_pressing_at_once_extends_once(door: Door) -> None:
    one = trial(door.db)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: press(door, one.extension), range(8)))
    assert [(a.status_code, DONE in a.text) for a in answers] == [(200, True)] * 8
    assert end_of(door, one) == EXTENDED


def test_a_page_that_is_opened_anew_extends_again_up_to_the_limit(door: Door) -> None:
    one = trial(door.db, app={"trial_max_days": 24})
    press(door, one.extension)
    answer = door.http.get(one.extension)
    assert OFFER in answer.text
    assert "Sat 21 March 2026, 09:00 UTC" in answer.text  # 24 days from the start, and no more
    last = press(door, one.extension, EXTENDED)
    assert DONE in last.text
    assert end_of(door, one) == BEGAN + timedelta(days=24)
    assert NO_MORE in door.http.get(one.extension).text
    assert DONE in press(door, one.extension, EXTENDED).text  # of the page before, pressed again
    beyond = press(door, one.extension, BEGAN + timedelta(days=24))
    assert (beyond.status_code, NO_MORE in beyond.text) == (200, True)
    assert end_of(door, one) == BEGAN + timedelta(days=24)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_scanner_that_opens_it_changes_nothing(door: Door, method: str) -> None:
    one = trial(door.db)
    before = dump(door.db)
    signs = {"Purpose": "prefetch", "X-HTTP-Method-Override": "POST", **FORM}
    content = f"seen_end={END.isoformat()}"
    for _ in range(2):
        answer = door.http.request(method, one.extension, headers=signs, content=content)
        assert answer.status_code == 200
        more = door.http.request(method, f"{one.extension}&seen_end=x&_method=POST")
        assert more.status_code == 200
    assert dump(door.db) == before


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(door: Door, method: str) -> None:
    one = trial(door.db)
    assert door.http.request(method, one.extension).status_code == 405
    assert end_of(door, one) == END


def foreign(one: Trial, other: Trial) -> dict[str, str]:
    """Return links that are not of the extension of *one*."""
    link = one.extension
    return {
        "another trial": link.replace(one.uuid, other.uuid),
        "a later end": changed(link, expires="4000000000"),
        "no signature": changed(link, signature=""),
        "a changed signature": link[:-1] + ("0" if link[-1] != "0" else "1"),
        "no query": f"/trials/{one.uuid}/extend",
        "the signature of the login": one.login.replace(
            f"/app-instances/{one.uuid}", f"/trials/{one.uuid}/extend"
        ),
        "the token of a mail": changed(link, signature=LINKS.unsubscribe(1).rpartition("-")[2]),
    }


def test_a_link_that_is_not_ours_neither_shows_nor_extends(door: Door) -> None:
    one, other = trial(door.db), trial(door.db)
    before = dump(door.db)
    for name, link in foreign(one, other).items():
        for answer in (door.http.get(link), press(door, link), door.http.post(link)):
            assert answer.status_code == 403, name
            assert "Drupal" not in answer.text
    assert dump(door.db) == before


def test_a_link_that_has_ended_extends_nothing(door: Door) -> None:
    one = trial(door.db)
    link = LINKS.extend(one.uuid, START)
    for answer in (door.http.get(link), press(door, link)):
        assert answer.status_code == 410
        assert "<h1>This link has ended</h1>" in answer.text
        assert SUPPORT in answer.text
    assert end_of(door, one) == END


OVER: list[dict[str, Any]] = [
    *({"status": status} for status in LEAVING),
    {"wanted": Wish.REMOVE.value},
    {"trial_completed": True},
    {"trial_ends_at": START},
]


@pytest.mark.parametrize("changes", OVER, ids=lambda c: "-".join(map(str, c.values())))
def test_a_trial_that_is_over_is_not_extended(shut_door: Door, changes: dict[str, Any]) -> None:
    one = trial(shut_door.db, **changes)
    for answer in (shut_door.http.get(one.extension), press(shut_door, one.extension)):
        assert answer.status_code == 410
        assert "<h1>This trial has ended</h1>" in answer.text
    assert end_of(shut_door, one) == changes.get("trial_ends_at", END)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"app": {"trial_extension_days": None}}, "cannot be extended any more"),
        ({"app": {"trial_max_days": 14}}, "cannot be extended any more"),
        ({"is_trial": False}, "has no end that could be moved"),
        ({"trial_started_at": None, "trial_ends_at": None}, "has no end that could be moved"),
    ],
)
def test_what_cannot_be_extended_says_so(door: Door, changes: dict[str, Any], words: str) -> None:
    one = trial(door.db, **changes)
    before = dump(door.db)
    for answer in (door.http.get(one.extension), press(door, one.extension)):
        assert answer.status_code == 200
        assert words in answer.text
        assert "<button" not in answer.text
        assert "polydock" not in answer.text  # no word for operators
    assert dump(door.db) == before


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"seen_end=",
        b"seen_end=soon",
        b"seen_end=2026-03-11T14:05:00",
        b"seen_end=2026-03-11",
        b"other=2026-03-11T14:05:00%2B00:00",
        b"seen_end=%00",
        "seen_end=٢٠٢٦".encode(),
        b'{"seen_end": "2026-03-11T14:05:00+00:00"}',
    ],
)
def test_a_press_without_the_end_that_was_seen_extends_nothing(door: Door, content: bytes) -> None:
    one = trial(door.db)
    answer = door.http.post(one.extension, content=content, headers=FORM)
    assert answer.status_code == 400
    assert "Nothing has changed" in answer.text
    assert end_of(door, one) == END


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"seen_end=" + b"x" * 65536, 413), (b"\xff\xfe", 400), (b"&".join([b"a=1"] * 101), 400)],
)
def test_what_is_no_form_is_refused(door: Door, content: bytes, status: int) -> None:
    one = trial(door.db)
    answer = door.http.post(one.extension, content=content, headers=FORM)
    assert (answer.status_code, answer.json()["status"]) == (status, "failed")
    assert end_of(door, one) == END


def test_the_edges_of_the_calendar_are_no_trouble(door: Door) -> None:
    one = trial(door.db)
    assert DONE in press(door, one.extension, "0001-01-01T00:00:00+23:59").text
    assert end_of(door, one) == END  # it had been moved since the year 1
    assert DONE in press(door, one.extension, "9999-12-31T23:59:59-23:59").text
    assert end_of(door, one) == EXTENDED


def test_the_names_of_an_app_are_only_text(door: Door) -> None:
    evil = "<script>alert('1')</script>\u202e\"&"
    one = trial(door.db, app={"name": evil, "support_email": '"><b>x</b>@example.com'})
    pages = [door.http.get(one.extension), press(door, one.extension)]
    pages += [door.http.get(one.login), door.http.get(LINKS.login(one.uuid, START))]
    change_row(door.db, one.id, status="removed")
    pages.append(door.http.get(one.login))
    for answer in pages:
        assert "<script" not in answer.text
        assert "<b>" not in answer.text
        assert "\u202e" not in answer.text
        assert "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&#34;&amp;" in answer.text


def test_every_page_keeps_to_itself(door: Door) -> None:
    one, gone = trial(door.db), trial(door.db, status="removed")
    links = [one.extension, one.login, gone.login, LINKS.login(one.uuid, START), one.login[:-1]]
    for answer in [*map(door.http.get, links), press(door, one.extension)]:
        assert answer.headers["Content-Security-Policy"] == (
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
            "frame-ancestors 'none'; base-uri 'none'"
        )
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "Set-Cookie" not in answer.headers
        assert not search(r"<script|<link|<img|src=|url\(|@import| on\w+=", answer.text)


def test_a_link_of_a_key_that_was_rotated_extends(street: Street, database: Database) -> None:
    one = trial(database)
    url = database.engine.url.render_as_string(hide_password=False)
    rotated = Database(url, Vault([new_key(), TEST_KEY]))
    with opened(street, rotated) as door:
        assert press(door, one.extension).status_code == 200
        assert end_of(door, one) == EXTENDED
    rotated.close()


def test_extensions_go_by_the_calendar(street: Street, database: Database) -> None:
    one = trial(database)
    with opened(street, database, calendar=lambda now: now + timedelta(days=11)) as door:
        assert "<h1>This trial has ended</h1>" in press(door, one.extension).text
        assert end_of(door, one) == END


def test_a_time_is_shown_in_utc_wherever_it_was_set(door: Door) -> None:
    assert END.tzinfo is UTC
    one = trial(door.db)
    assert DONE in press(door, one.extension, END.isoformat().replace("+00:00", "Z")).text
    assert end_of(door, one) == EXTENDED
