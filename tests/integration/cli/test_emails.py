"""`polydock emails`: previews of mails, with a browser that only pretends, and with a real one."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from polydock_pipelines.cli.browser import NAMES, BrowserError, photograph
from polydock_pipelines.emails.kinds import KINDS
from tests.integration.cli.conftest import Command, Polydock
from tests.makers import make_store, make_store_app

PNG = b"\x89PNG\r\n\x1a\n"
PRETENDING = """#!/bin/sh
printf '%s\\n' "$*" >> "$0.log"
for last; do
  case $last in
    --dump-dom) printf '<html data-tall="1234">' ;;
    --screenshot=*) printf '\\211PNG\\r\\n\\032\\n' > "${last#--screenshot=}" ;;
  esac
done
"""
UUID = "6f1c3f0e-5d0b-4f5e-9a56-2f3f3d1c8b11"
MAILS = {
    "theme": "light",
    "hide_credentials": True,
    "ready": {"subject": "Come in", "body": "The *door* is open.", "enabled": True},
    "midtrial": {"body": "Half.", "enabled": False},
}


def program(folder: Path, script: str) -> str:
    """Write a program that stands in for a browser."""
    path = folder / "browser"
    path.write_text(script)
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def command(environ: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """The command line without a database, in a folder of its own, with a pretended browser."""
    environ.chdir(tmp_path)
    environ.setenv("CHROME", program(tmp_path, PRETENDING))
    return Command({})


def files(*endings: str) -> list[str]:
    return sorted(f"out/{kind}.{ending}" for kind in KINDS for ending in endings)


def test_without_a_database_all_mails_are_written(command: Command, tmp_path: Path) -> None:
    said = command("emails", "preview", "--out", "out", "--json")
    assert said.json == files("html", "txt", "png")
    assert sorted(str(p.relative_to(tmp_path)) for p in (tmp_path / "out").iterdir()) == said.json
    assert (tmp_path / "out/ready.png").read_bytes() == PNG
    text = (tmp_path / "out/ready.txt").read_text()
    assert text.startswith("Subject: Your CMS is ready [cms-trial-brave-otter-6f1c]\n\n")
    assert not (tmp_path / "home").exists()


def test_the_browser_reaches_nothing_and_sees_all_of_a_page(
    command: Command, tmp_path: Path
) -> None:
    assert command("emails", "preview", "--kind", "midtrial", "--out", "out").code == 0
    measured, taken = (tmp_path / "browser.log").read_text().splitlines()
    for call in (measured, taken):
        assert "--headless" in call
        assert "--host-resolver-rules=MAP * ~NOTFOUND" in call
        assert ("--no-sandbox" in call) is (os.geteuid() == 0)
    assert "--window-size=680,1234" in taken
    assert taken.endswith(
        f"--screenshot={tmp_path}/out/midtrial.png file://{tmp_path}/out/midtrial.html"
    )
    assert "data-tall" not in (tmp_path / "out/midtrial.html").read_text()


def test_a_table_tells_subjects_and_files(command: Command) -> None:
    said = command("emails", "preview", "--kind", "trial_failed").out.splitlines()
    subject = "Your Trial Could Not Be Set Up [cms-trial-brave-otter-6f1c]"
    assert said[1].split("  ") == [
        *("trial_failed", "yes", "", "", subject),
        "trial_failed.html trial_failed.txt trial_failed.png",
    ]
    assert said[-1] == "in mails"


@pytest.mark.parametrize(("theme", "page"), [("dark", "#11151b"), ("light", "#eef1f5")])
def test_a_theme_is_the_asked_one_or_the_setting(
    command: Command, environ: pytest.MonkeyPatch, tmp_path: Path, theme: str, page: str
) -> None:
    command("emails", "preview", "--kind", "ready", "--theme", theme, "--out", "asked")
    environ.setenv("EMAIL_DEFAULT_THEME", theme)
    command("emails", "preview", "--kind", "ready", "--out", "set")
    for folder in ("asked", "set"):
        assert page in (tmp_path / folder / "ready.html").read_text()


def test_without_a_browser_the_words_are_written_and_it_says_what_to_install(
    command: Command, environ: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environ.delenv("CHROME")
    environ.setenv("PATH", str(tmp_path))
    said = command("emails", "preview", "--out", "out", "--json")
    assert (said.code, json.loads(said.out)) == (1, files("html", "txt"))
    assert said.err == (
        "polydock: no picture was taken: none of chromium, chromium-browser, google-chrome is on "
        "PATH; install Chromium, or name one by --browser or CHROME\n"
    )
    named = command("emails", "preview", "--out", "out", "--browser", "netscape")
    assert "there is no browser netscape; install Chromium" in named.err


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("#!/bin/sh\necho no sandbox >&2; exit 3\n", "ended with 3: no sandbox"),
        ("#!/bin/sh\n", "does not tell how long"),
        ("#!/bin/sh\necho 'data-tall=\"9\"'\n", "took no picture"),
        ("#!/nowhere\n", "cannot be started"),
    ],
    ids=["refuses", "silent", "no picture", "no program"],
)
def test_a_browser_that_fails_is_one_line(
    command: Command, environ: pytest.MonkeyPatch, tmp_path: Path, script: str, why: str
) -> None:
    environ.setenv("CHROME", program(tmp_path, script))
    said = command("emails", "preview", "--kind", "ready", "--out", "out", "--json")
    assert (said.code, json.loads(said.out)) == (1, ["out/ready.html", "out/ready.txt"])
    assert said.err.count("\n") == 1
    assert re.search(why, said.err), said.err


def test_a_browser_that_hangs_goes_with_all_it_started(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<p>Hello</p>")
    browser = program(tmp_path, '#!/bin/sh\nsleep 30 &\necho $! > "$0.pid"\nwait\n')
    with pytest.raises(BrowserError, match=r"took more than 0\.5 s"):
        photograph(browser, page, tmp_path / "page.png", timeout_s=0.5)
    child = Path("/proc") / (tmp_path / "browser.pid").read_text().strip() / "stat"
    assert not child.exists() or child.read_text().split()[2] == "Z"


@pytest.mark.parametrize("which", [UUID, "eu/cms"])
def test_an_apps_own_words_are_shown(
    polydock: Polydock, command: Command, tmp_path: Path, which: str
) -> None:
    with polydock.db.write() as session:
        store = make_store(session, key="eu", project_prefix="trial")
        make_store_app(
            session,
            store,
            key="cms",
            uuid=UUID,
            name="Our CMS",
            naming={"prefix": "our"},
            mails=MAILS,
            trial_days=4,
        )
    said = polydock("emails", "preview", "--app", which, "--out", "out").out
    assert [line.split()[1] for line in said.splitlines()[1:6]] == ["yes", "no", "no", "no", "yes"]
    ready, page = ((tmp_path / "out" / f"ready.{end}").read_text() for end in ("txt", "html"))
    assert ready.startswith(
        "Subject: Come in [our-trial-brave-otter-6f1c]\n\nYour Our CMS is ready"
    )
    assert "The door is open." in ready
    assert "User name" not in ready
    assert "#eef1f5" in page
    midtrial = (tmp_path / "out/midtrial.txt").read_text()
    assert "ends in 2 days" in midtrial
    ends = re.findall(r"(\d+ \w+ \d{4}, \d\d:\d\d)", " ".join(midtrial.split()))
    assert len(ends) == 2
    assert len(set(ends)) == 1
    assert "extend" not in (tmp_path / "out/one_day_left.txt").read_text()


def test_an_app_that_may_be_extended_and_has_no_end(
    polydock: Polydock, command: Command, tmp_path: Path
) -> None:
    with polydock.db.write() as session:
        make_store_app(session, uuid=UUID, trial_days=None, trial_extension_days=3)
    polydock("emails", "preview", "--app", UUID, "--out", "out")
    assert "It has no end date" in (tmp_path / "out/ready.txt").read_text()
    assert "User name" in (tmp_path / "out/ready.txt").read_text()
    assert "/extend?" in (tmp_path / "out/one_day_left.txt").read_text()


def test_what_does_not_exist_is_one_line(polydock: Polydock, command: Command) -> None:
    unknown = polydock("emails", "preview", "--app", "eu/nothing")
    assert (unknown.code, unknown.line.split("; ")[0]) == (
        1,
        "polydock: there is no app eu/nothing",
    )
    assert polydock("emails", "preview", "--kind", "reddy").line.startswith("polydock: there is no")
    assert polydock("emails", "preview", "--theme", "neon").code == 2


def test_a_mail_that_does_not_render_is_one_line(polydock: Polydock, command: Command) -> None:
    wrong = {"ready": {"body": "a\u202eb", "enabled": True}}
    with polydock.db.write() as session:
        make_store_app(session, uuid=UUID, mails=wrong)
    line = polydock("emails", "preview", "--app", UUID).line
    assert line.startswith("polydock: the mail ready does not render: the body holds")


@pytest.mark.skipif(not any(map(shutil.which, NAMES)), reason="no Chromium on PATH")
def test_a_real_browser_takes_pictures_as_tall_as_the_mails(
    command: Command, environ: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environ.delenv("CHROME")
    tall: list[int] = []
    for kind in ("ready", "trial_failed"):
        assert command("emails", "preview", "--kind", kind, "--out", "out").code == 0
        picture = (tmp_path / f"out/{kind}.png").read_bytes()
        assert picture.startswith(PNG)
        assert int.from_bytes(picture[16:20]) == 680
        tall.append(int.from_bytes(picture[20:24]))
    assert tall[0] > tall[1] > 400
