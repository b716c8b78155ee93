import pytest
from hypothesis import given
from hypothesis import strategies as st

from polydock_pipelines.db.door import LONGEST_MESSAGE, shorten


@given(st.text(max_size=1500))
def test_a_shortened_text_fits_and_is_whole_characters(text: str) -> None:
    short = shorten(text)
    assert len(short.encode()) <= LONGEST_MESSAGE
    assert short == text or text.startswith(short.removesuffix("..."))


@pytest.mark.parametrize("letter", ["a", "ü", "語", "🐙"])
def test_a_long_text_is_cut_between_characters(letter: str) -> None:
    short = shorten(letter * 3000)
    assert short.endswith("...")
    assert set(short.removesuffix("...")) == {letter}
    assert LONGEST_MESSAGE - 6 <= len(short.encode()) <= LONGEST_MESSAGE


def test_a_text_that_just_fits_is_left_alone() -> None:
    assert shorten("a" * LONGEST_MESSAGE) == "a" * LONGEST_MESSAGE
