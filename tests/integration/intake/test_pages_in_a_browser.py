"""A person with a browser: the pages do what they say, without a script, and fit a telephone."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.integration.intake.door import Door
from tests.integration.intake.trials import (
    EXTENDED,
    LINKS,
    SHOWN_END,
    SHOWN_EXTENDED,
    mail,
    trial,
)
from tests.makers import instance_row

NAMES = ("chromium", "chromium-browser", "google-chrome")
LONG = "Averyverylongname" * 9


@contextmanager
def telephone(**options: Any) -> Iterator[Page]:
    """Open a page on a small screen. Not a fixture: it holds the thread's event loop, and so must
    be gone before the door is shut.
    """
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        path = own if Path(own).exists() else next(filter(None, map(shutil.which, NAMES)), None)
        if path is None:
            pytest.skip("no Chromium here; `playwright install chromium` fetches one")
        browser = playwright.chromium.launch(executable_path=path)
        yield browser.new_page(viewport={"width": 390, "height": 640}, **options)
        browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_person_extends_and_declines(sqlite_door: Door, door_url: str, scheme: str) -> None:
    one, said = trial(sqlite_door.db, app={"name": LONG}), list[str]()
    with telephone(color_scheme=scheme, java_script_enabled=False) as page:
        page.on("console", lambda message: said.append(message.text))

        page.goto(door_url + one.extension)
        expect(page).to_have_title("Extend your trial")
        assert SHOWN_END in page.inner_text("main")
        page.get_by_role("button", name="Extend the trial").click()
        expect(page).to_have_title("Your trial is extended")
        assert SHOWN_EXTENDED in page.inner_text("main")
        page.reload()
        assert instance_row(sqlite_door.db, one.id).trial_ends_at == EXTENDED

        page.goto(door_url + LINKS.unsubscribe(mail(sqlite_door.db, one, "ada@example.com")))
        page.get_by_role("button", name="Stop reminders").click()
        expect(page).to_have_title("No more reminders")
    assert said == []  # such as what the content policy blocks


def test_no_page_is_wider_than_a_telephone(sqlite_door: Door, door_url: str) -> None:
    one = trial(sqlite_door.db, app={"name": LONG})
    gone = trial(sqlite_door.db, status="removed", app={"support_email": f"{LONG}@a.example"})
    with telephone() as page:
        for link in (one.extension, one.login, gone.login, one.login[:-1]):
            page.goto(door_url + link)
            assert page.evaluate("document.documentElement.scrollWidth") == 390
