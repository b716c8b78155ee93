from datetime import UTC, datetime, timedelta, timezone

import pytest

from polydock_pipelines.emails.plain import in_utc, one_line, time_left, wrapped

NOW = datetime(2028, 2, 29, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain", "plain"),
        (" a \r\n b\t c ", "a b c"),
        ("a\x00b\x7fc\u2028d\u2029e\x85f", "a b c d e f"),
        ("a\u202eb\u2066c\ud800d", "abcd"),
        ("é\u0301 👩\u200d💻", "é\u0301 👩\u200d💻"),
        ("", ""),
    ],
)
def test_one_line_is_one_line(text: str, line: str) -> None:
    assert one_line(text) == line


def test_a_date_names_day_and_zone() -> None:
    assert in_utc(NOW) == "Tue 29 February 2028, 23:30 UTC"
    east = NOW.astimezone(timezone(timedelta(hours=9)))
    assert in_utc(east) == in_utc(NOW)


def test_a_naive_date_is_refused() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        in_utc(NOW.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(days=15), "15 days"),
        (timedelta(days=7, minutes=-29), "7 days"),
        (timedelta(hours=36), "2 days"),
        (timedelta(hours=35), "one day"),
        (timedelta(hours=23, minutes=1), "one day"),
        (timedelta(hours=12), "12 hours"),
        (timedelta(minutes=90), "2 hours"),
        (timedelta(minutes=89), "less than two hours"),
        (timedelta(0), "less than two hours"),
    ],
)
def test_time_left_is_told_in_round_words(left: timedelta, words: str) -> None:
    assert time_left(NOW, NOW + left) == words


def test_lines_are_wrapped_and_indented_ones_and_long_words_kept() -> None:
    kept = "    " + "code " * 30
    address = "https://example.com/" + "x" * 90
    text = wrapped(f"{'word ' * 20}\n{kept}\n{address}")
    first, second, *rest = text.split("\n")
    assert max(len(first), len(second)) <= 72
    assert rest == [kept, address]
