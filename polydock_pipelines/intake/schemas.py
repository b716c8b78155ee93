"""Bodies that the intake takes, and nothing else of them."""

import unicodedata
from typing import Annotated, Any
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StringConstraints,
    ValidationError,
    model_validator,
)

from polydock_pipelines.actions.register import RegisterType, Signup
from polydock_pipelines.lifecycle.signs import is_control

INVISIBLE = ("C", "Z")


def _clean(text: str) -> str:
    if any(map(is_control, text)):
        raise ValueError("must not hold control characters")
    return text


def _visible(text: str) -> str:
    if all(unicodedata.category(sign).startswith(INVISIBLE) for sign in text):
        raise ValueError("must not be empty")
    return text


def _address(text: str) -> str:
    """Return an address in its normal form. The checker's own words would quote the value."""
    try:
        found = validate_email(text, check_deliverability=False, strict=True)
    except EmailNotValidError:
        raise ValueError("must be an e-mail address, such as ada@example.com") from None
    return found.normalized


def _present(value: Any) -> bool:
    """Take any scalar for an answer; the original engine only asked whether one was given."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | str):
        return str(value).strip().lower() not in ("", "0", "false", "no")
    raise ValueError("must be true or false")


def _or_empty(value: Any) -> Any:
    return "" if value is None else value


def _or_none(value: Any) -> Any:
    """Take an empty text for none: forms send it for a list in which nothing was chosen."""
    return None if value == "" else value


Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=255, strict=True),
    AfterValidator(_clean),
]
Name = Annotated[Text, AfterValidator(_visible)]
Word = Annotated[Text, BeforeValidator(_or_empty)]
Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=254, strict=True),
    AfterValidator(_address),
    Field(json_schema_extra={"format": "email"}),
]
Consent = Annotated[bool, BeforeValidator(_present)]
Number = Annotated[StrictInt, Field(ge=-(2**31), lt=2**31)]


class RegisterBody(BaseModel):
    """`POST /api/register`. Unknown fields are let go unread and unstored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    register_type: RegisterType
    email: Email
    first_name: Name | None = None
    last_name: Name | None = None
    trial_app: Annotated[UUID | None, BeforeValidator(_or_none)] = None
    aup_and_privacy_acceptance: Number | None = None
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


OUR_WORDS = {"uuid_parsing": "must be a uuid", "uuid_type": "must be a uuid"}
"""For errors whose own words quote a piece of the value."""


def sentence(error: ValidationError) -> str:
    """Return one line that names each wrong field and what is wrong, never its value."""
    parts: list[str] = []
    for problem in error.errors(include_input=False, include_url=False):
        where = ".".join(map(str, problem["loc"]))
        words = OUR_WORDS.get(problem["type"], problem["msg"].removeprefix("Value error, "))
        parts.append(f"{where}: {words}" if where else words)
    return "Malformed registration request: " + "; ".join(parts)
