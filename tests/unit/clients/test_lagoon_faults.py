"""Messages of Lagoon, made harmless."""

import pytest

from polydock_pipelines.clients.lagoon.errors import LagoonError, LagoonRefusedError
from polydock_pipelines.clients.lagoon.faults import Rule, error_of, fault, redact

KEY = "-----BEGIN KEY-----\nMIIB+line/one==\nsecond-line\n-----END KEY-----"


@pytest.mark.parametrize(
    "message",
    [
        "(conn:85, no: 1406, SQLState: 22001) Data too long for 'value' sql: INSERT ('hunter22')",
        "SQLState: 1 hunter22",
        "select failed sql: select hunter22",
    ],
)
def test_sql_is_never_shown(message: str) -> None:
    shown = redact(message, [])
    assert shown.startswith("database error")
    assert "hunter22" not in shown


def test_the_number_of_a_database_error_is_kept() -> None:
    assert redact("(conn:85, no: 1213, SQLState: 40001) x", []) == "database error 1213 in Lagoon"


@pytest.mark.parametrize(
    ("message", "secret"),
    [
        ("bad value hunter22!", "hunter22"),
        ('bad value "a\\"b\\\\cd"', 'a"b\\cd'),
        ("key MIIB+line/one== is bad", KEY),
        ("pin is 17.", "17"),
        ("naïve pässword", "pässword"),
        ("escaped p\\u00e4ssword", "pässword"),
    ],
)
def test_a_secret_is_blanked_however_it_is_spelt(message: str, secret: str) -> None:
    shown = redact(message, [secret])
    assert "***" in shown
    for line in secret.splitlines():
        assert line not in shown


def test_a_short_secret_does_not_blank_other_words() -> None:
    assert redact("project 117 has 1 error", ["1"]) == "project 117 has *** error"


def test_an_empty_secret_blanks_nothing() -> None:
    assert redact("Unauthorized", [""]) == "Unauthorized"


def test_of_two_secrets_the_longer_is_blanked_first() -> None:
    assert redact("it is hunter2222", ["hunter", "hunter2222"]) == "it is ***"


@pytest.mark.parametrize(
    "message",
    [
        'Variable "$input" got invalid value "hunter22" at "input.value"; String cannot',
        'Variable "$input" got invalid value { name: "A", value: "hunter22" }; Field "x"',
        "String cannot represent a non string value: hunter22",
    ],
)
def test_input_that_is_echoed_is_blanked(message: str) -> None:
    assert "hunter22" not in redact(message, [])


def test_a_secret_that_looks_like_the_end_of_an_echo_is_blanked_whole() -> None:
    message = 'Variable "$v" got invalid value "first; second at \\"x\\""; too long'
    assert "second" not in redact(message, ['first; second at "x"'])


def test_a_long_message_is_cut_to_one_line() -> None:
    shown = redact("a\nb " * 500, [])
    assert len(shown) <= 301
    assert "\n" not in shown


def test_messages_are_told_apart_by_their_own_words_even_when_a_secret_is_one_of_them() -> None:
    one = fault("Project already exists.", ["addProject"], ["already"])
    rule = Rule("already exists", LagoonRefusedError, "Change it.")
    error = error_of([one], [rule], "addProject x")
    assert type(error) is LagoonRefusedError
    assert str(error) == "Lagoon failed addProject x: Project *** exists. Change it."
    assert "already" not in repr(one)


def test_values_in_sql_are_not_taken_for_lagoons_words() -> None:
    one = fault("(conn:1, no: 1, SQLState: 1) sql: VALUES ('Project already exists')")
    rule = Rule("already exists", LagoonRefusedError)
    assert type(error_of([one], [rule], "x")) is LagoonError


def test_a_path_is_made_of_strings() -> None:
    assert fault("x", ["a", 0, "b"]).path == ("a", "0", "b")
