"""The mail server of the bench counts by Message-ID."""

import pytest

from benchmarks.mail_sink import counted, message_id


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"To: a@example.com\r\nMessage-ID: <1@x>\r\n\r\nMessage-ID: <2@x>\r\n", "<1@x>"),
        (b"message-id:<1@x>\r\n\r\n", "<1@x>"),
        (b"To: a@example.com\r\n\r\nMessage-ID: <2@x>\r\n", ""),
    ],
)
def test_the_id_is_that_of_the_head(content: bytes, found: str) -> None:
    assert message_id(content) == found


def test_doubles_are_counted_once_each_time() -> None:
    assert counted([]) == (0, 0)
    assert counted(["a", "b"]) == (2, 0)
    assert counted(["a", "b", "a", "a"]) == (4, 2)
