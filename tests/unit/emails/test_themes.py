import pytest

from polydock_pipelines.emails.themes import DEFAULT_THEME, THEMES, Theme


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_every_ink_can_be_read_on_every_ground(theme: Theme) -> None:
    assert {pair: contrast(*pair) for pair in theme.inks if contrast(*pair) < 4.5} == {}


def test_themes_are_known_by_their_names() -> None:
    assert {theme.name: theme for theme in THEMES.values()} == THEMES
    assert DEFAULT_THEME in THEMES
