"""A string that never prints itself."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Secret:
    """A password, key or token: `reveal()` gives it, `repr` and `str` do not."""

    _value: str = field(repr=False)

    def reveal(self) -> str:
        """Return the clear text; call it at the last moment, and never in a message."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"
