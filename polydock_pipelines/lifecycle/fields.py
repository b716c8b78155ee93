"""Fields that an app type declares: what a store app or an instance may say beyond the usual."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from polydock_pipelines.lifecycle.signs import is_control

FIELD_NAME = re.compile(r"^[a-z][a-z0-9_]{0,63}$")


class FieldError(Exception):
    """A field's value cannot be taken; the text names the field and never quotes the value."""


@dataclass(frozen=True)
class Field:
    """One field."""

    name: str
    label: str
    """What a form writes beside it."""
    options: tuple[str, ...] = ()
    """The values it may have; empty: any text."""
    default: str = ""
    is_secret: bool = False
    """Sealed at rest, and shown to nobody."""
    longest: int = 255
    form: str | None = None
    """A regular expression that the whole value must match; None: any line of text."""
    hint: str = ""
    """What is expected, where `form` is set: 'an https URL'."""
    is_public: bool = True
    """Whether a registration from the street may set it; else operators only."""

    @property
    def is_select(self) -> bool:
        """Whether one of its options must be chosen."""
        return bool(self.options)

    def problem(self, value: str) -> str:
        """Return why *value* cannot be taken, without quoting it; empty when it can."""
        if self.options and value not in self.options:
            return f"expected one of {', '.join(self.options)}"
        if len(value) > self.longest:
            return f"expected at most {self.longest} characters"
        if any(map(is_control, value)):
            return "must not hold control characters"
        if self.form is not None and re.fullmatch(self.form, value) is None:
            return f"expected {self.hint}"
        return ""


def taken(
    fields: tuple[Field, ...], given: Mapping[str, str], *, is_public: bool
) -> dict[str, str]:
    """Return those of *given* that *fields* know and the caller may set, empty ones left out.

    From the street unknown names are let go, as everything else that a request says and nobody
    asked for; an operator is told. FieldError names them, and values that cannot be taken.
    """
    known = {field.name: field for field in fields if field.is_public or not is_public}
    chosen = {name: value.strip() for name, value in given.items() if name in known}
    filled = {name: value for name, value in chosen.items() if value}
    problems = [f"{n}: {p}" for n, v in filled.items() if (p := known[n].problem(v))]
    if not is_public:
        names = ", ".join(known) or "none"
        problems += [
            f"{name}: is no field; there are: {names}" for name in given if name not in known
        ]
    if problems:
        raise FieldError("; ".join(sorted(problems)))
    return filled
