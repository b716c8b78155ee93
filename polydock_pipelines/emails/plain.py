"""Plain text and dates: what is shown the same in a subject, a text part and HTML."""

import textwrap
import unicodedata
from datetime import UTC, datetime, timedelta

from polydock_pipelines.lifecycle.signs import OVERRIDES, is_control

WIDTH = 72
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
"""Not strftime's, which follow the process's locale."""


def one_line(text: str) -> str:
    """Return *text* as one line without control characters and overrides of direction."""
    if not text.isprintable():  # fast, and false for all that is_control knows
        text = "".join(_replaced(sign) if is_control(sign) else sign for sign in text)
    return " ".join(text.split())


def _replaced(sign: str) -> str:
    return "" if sign in OVERRIDES or unicodedata.category(sign) == "Cs" else " "


def in_utc(moment: datetime) -> str:
    """Return an aware time as `Thu 3 December 2026, 14:05 UTC`."""
    if moment.utcoffset() is None:
        raise ValueError("a time without a zone")
    utc = moment.astimezone(UTC)
    day, month = DAYS[utc.weekday()], MONTHS[utc.month - 1]
    return f"{day} {utc.day} {month} {utc.year}, {utc.hour:02}:{utc.minute:02} UTC"


def time_left(now: datetime, end: datetime) -> str:
    """Return how long it is from *now* to *end*, rounded: `7 days`, `one day`, `5 hours`."""
    hours = round((end - now) / timedelta(hours=1))
    if hours >= 36:
        return f"{round(hours / 24)} days"
    if hours >= 23:
        return "one day"
    return f"{hours} hours" if hours >= 2 else "less than two hours"


def wrapped(text: str, width: int = WIDTH) -> str:
    """Wrap each line of *text*, save those indented by four, which are to be kept as they are."""
    return "\n".join(
        line if line.startswith("    ") else _wrapped_line(line, width) for line in text.split("\n")
    )


def _wrapped_line(line: str, width: int) -> str:
    lines = textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines)
