"""What all parts of a catalogue have in common."""

from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """Typed to the letter, frozen, and closed to unknown keys."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
    )
