"""How commands speak."""

import io
import json

import pytest

from polydock_pipelines.cli.failing import fail, one_line
from polydock_pipelines.cli.output import print_json, print_table
from tests.fakes.clock import START

COLUMNS = ("name", "message")


class Terminal(io.StringIO):
    """A terminal that keeps what it shows."""

    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_one_line_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(COLUMNS, [("a" * 100, "b\nc " * 200), ("x", None)], "empty")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["name", "a" * 100, "x"]
    assert not [line for line in lines if line.endswith(" ")]


def test_a_terminal_gets_whole_words_whatever_they_look_like(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "40")
    monkeypatch.setenv("TERM", "dumb")
    print_table(COLUMNS, [("[/b][red]x[/red]", ":boom:\x1b[2J" + "y" * 100)], "empty")
    shown = terminal.getvalue()
    assert "[/b][red]x[/red]" in shown
    assert ":boom:�[2J" in shown
    assert "y" * 100 in "".join(shown.split())
    assert max(len(line) for line in shown.splitlines()) <= 60


def test_nothing_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(COLUMNS, [], "Nothing yet.")
    assert capsys.readouterr().out == "Nothing yet.\n"


def test_times_are_iso_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"at": START, "name": "Zoë"})
    out = capsys.readouterr().out
    assert json.loads(out) == {"at": "2026-03-01T09:00:00+00:00", "name": "Zoë"}
    assert "Zoë" in out


def test_an_error_is_one_line_whatever_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - typer's own way to leave
        fail("a\n\tb\x1b[2J", 2)
    assert getattr(caught.value, "exit_code", None) == 2
    assert capsys.readouterr().err == "polydock: a b�[2J\n"


def test_one_line_keeps_what_people_write() -> None:
    assert one_line("  a\r\n b\u2028c\u202ed ") == "a b c�d"
    assert one_line("👩\u200d💻 دوست\u200cمن") == "👩\u200d💻 دوست\u200cمن"
