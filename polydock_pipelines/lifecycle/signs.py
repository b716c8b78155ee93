"""Which characters are no text, wherever text comes in or goes out."""

import unicodedata

UNWANTED = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, halves of characters, and what ends a line: no database stores them all."""
OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They turn the text around that follows. Writing right to left needs none of them."""


def is_control(sign: str) -> bool:
    """Whether a character is no text; joiners are, since emoji and Persian names hold some."""
    return unicodedata.category(sign) in UNWANTED or sign in OVERRIDES
