"""The colours of a mail. Each ink keeps WCAG's AA (4.5 to 1) on the grounds it is set on."""

from dataclasses import dataclass
from typing import Literal

ThemeName = Literal["dark", "light"]
DEFAULT_THEME: ThemeName = "dark"
"""The original's, for apps that name none."""


@dataclass(frozen=True)
class Theme:
    """Grounds, and the inks on them."""

    name: ThemeName
    page: str
    card: str
    box: str
    """Behind credentials and code."""
    line: str
    ink: str
    faint: str
    link: str
    button: str
    on_button: str

    @property
    def inks(self) -> list[tuple[str, str]]:
        """Return every pair of ink and ground there is."""
        grounds = (self.page, self.card, self.box)
        pairs = [(ink, ground) for ink in (self.ink, self.faint, self.link) for ground in grounds]
        return [*pairs, (self.on_button, self.button)]


THEMES: dict[ThemeName, Theme] = {
    "light": Theme(
        name="light",
        page="#eef1f5",
        card="#ffffff",
        box="#f3f5f8",
        line="#d5dbe3",
        ink="#1b2430",
        faint="#55606e",
        link="#0b57a4",
        button="#0b57a4",
        on_button="#ffffff",
    ),
    "dark": Theme(
        name="dark",
        page="#11151b",
        card="#1b212a",
        box="#262e39",
        line="#3a4553",
        ink="#eef2f7",
        faint="#b3bdca",
        link="#8cc4ff",
        button="#8cc4ff",
        on_button="#0d1b2a",
    ),
}
