"""Bodies that the intake takes, and nothing else of them."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    EmailStr,
    Field,
    StrictInt,
    StringConstraints,
    ValidationError,
    model_validator,
)

from polydock_pipelines.actions.register import RegisterType, Signup


def _printable(text: str) -> str:
    """Refuse control characters and halves of characters: no database stores them all."""
    if not text.isprintable():
        raise ValueError("must not hold control characters")
    return text


def _present(value: Any) -> bool:
    """Take any scalar for an answer; the original engine only asked whether one was given."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | str):
        return str(value).strip().lower() not in ("", "0", "false", "no")
    raise ValueError("must be true or false")


Word = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=255, strict=True),
    AfterValidator(_printable),
]
Name = Annotated[Word, StringConstraints(min_length=1)]
Consent = Annotated[bool, BeforeValidator(_present)]


class RegisterBody(BaseModel):
    """`POST /api/register`. Unknown fields are let go unread and unstored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    register_type: RegisterType
    email: Annotated[EmailStr, Field(max_length=254)]
    first_name: Name | None = None
    last_name: Name | None = None
    trial_app: UUID | None = None
    aup_and_privacy_acceptance: StrictInt | None = None
    opt_in_to_product_updates: Consent | None = None
    company_name: Word = ""
    organization: Word = ""
    job_title: Word = ""
    region: Word = ""
    project_name: Word = ""

    @model_validator(mode="after")
    def _complete(self) -> "RegisterBody":
        missing = [name for name in NEEDED[self.register_type] if getattr(self, name) is None]
        if missing:
            raise ValueError(f"missing: {', '.join(missing)}")
        return self

    def signup(self) -> Signup:
        """Return what the action takes."""
        return Signup(
            register_type=self.register_type,
            email=self.email.lower(),
            first_name=self.first_name or "",
            last_name=self.last_name or "",
            trial_app=str(self.trial_app) if self.trial_app else None,
            aup_and_privacy_acceptance=self.aup_and_privacy_acceptance or 0,
            opt_in_to_product_updates=bool(self.opt_in_to_product_updates),
            company_name=self.company_name or self.organization,
            job_title=self.job_title,
            region=self.region,
            project_name=self.project_name,
        )


PERSON = (
    "first_name",
    "last_name",
    "aup_and_privacy_acceptance",
    "opt_in_to_product_updates",
)
NEEDED = {
    RegisterType.TEST_FAIL: (),
    RegisterType.REQUEST_TRIAL: (*PERSON, "trial_app"),
    RegisterType.REQUEST_TRIAL_UNLISTED_REGION: PERSON,
}
"""The fields that each type cannot do without."""


def sentence(error: ValidationError) -> str:
    """Return one line that names each wrong field and what is wrong, never its value."""
    parts: list[str] = []
    for problem in error.errors(include_input=False, include_url=False):
        where = ".".join(map(str, problem["loc"]))
        words = problem["msg"].removeprefix("Value error, ")
        parts.append(f"{where}: {words}" if where else words)
    return "Malformed registration request: " + "; ".join(parts)
