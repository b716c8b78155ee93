"""Pictures of web pages, made by a Chromium of this machine that reaches nothing else."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

NAMES = ("chromium", "chromium-browser", "google-chrome")
WIDTH = 680
TALLEST = 16_000
"""What Chromium can still paint."""
TIMEOUT_S = 60.0
FLAGS = (
    *("--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-extensions"),
    *("--disable-background-networking", "--disable-sync", "--no-proxy-server"),
    *("--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND"),
)
MEASURE = (
    "<script>document.documentElement.setAttribute('data-tall',"
    "document.documentElement.scrollHeight)</script>"
)
MEASURED = re.compile(r'data-tall="(\d+)"')


class BrowserError(Exception):
    """There is no browser, or it took no picture; the text says what to do."""


def find_browser(chosen: str = "") -> str:
    """Return the path of the *chosen* browser, or of the first on PATH. BrowserError."""
    found = next(
        (path for name in ([chosen] if chosen else NAMES) if (path := shutil.which(name))), ""
    )
    if not found:
        what = (
            f"there is no browser {chosen}" if chosen else f"none of {', '.join(NAMES)} is on PATH"
        )
        raise BrowserError(
            f"no picture was taken: {what}; install Chromium, or name one by --browser or CHROME"
        )
    return found


def photograph(browser: str, page: Path, picture: Path, *, timeout_s: float = TIMEOUT_S) -> None:
    """Write *picture*, a PNG of all of the HTML file *page*. BrowserError."""
    with TemporaryDirectory(prefix="polydock-browser-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / page.name
        copy.write_text(page.read_text(encoding="utf-8") + MEASURE, encoding="utf-8")
        program = [browser, *FLAGS, f"--user-data-dir={folder}/profile"]
        if os.geteuid() == 0:
            program.append("--no-sandbox")  # which refuses to be started by root, as in containers
        told = _run([*program, *_task("--dump-dom", WIDTH, copy)], timeout_s)
        measured = MEASURED.search(told)
        if measured is None:
            raise BrowserError(f"{browser} does not tell how long a page is; try another browser")
        picture.unlink(missing_ok=True)
        tall = min(int(measured[1]), TALLEST)
        _run([*program, *_task(f"--screenshot={picture.resolve()}", tall, page)], timeout_s)
    if not picture.is_file():
        raise BrowserError(f"{browser} took no picture of {page}; try another browser")


def _task(what: str, tall: int, page: Path) -> list[str]:
    return [f"--window-size={WIDTH},{tall}", what, page.resolve().as_uri()]


def _run(command: Sequence[str], timeout_s: float) -> str:
    """Return what a browser says; one that hangs goes with all processes it started."""
    try:
        process = subprocess.Popen(  # noqa: S603 - the operator's browser, on a file of ours
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise BrowserError(f"{command[0]} cannot be started: {error.strerror}") from None
    with process:
        try:
            told, complaint = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            _end(process)
            raise BrowserError(f"{command[0]} took more than {timeout_s:g} s over a page") from None
        except BaseException:
            _end(process)
            raise
    if process.returncode:
        why = complaint.strip()[-300:]
        raise BrowserError(f"{command[0]} ended with {process.returncode}: {why}")
    return told


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
