"""Bodies that the intake takes, and nothing else of them."""

import unicodedata
from typing import Annotated, Any, cast
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
from pydantic.config import JsonDict
from pydantic.json_schema import SkipJsonSchema

from polydock_pipelines.actions.register import RegisterType, Signup
from polydock_pipelines.lifecycle.fields import FIELD_NAME
from polydock_pipelines.lifecycle.signs import is_control

INVISIBLE = ("C", "Z")
FIELD_PREFIX = "instance_config_"
"""The original engine's, before the fields that an app type declares."""
MOST_FIELDS = 50
LONGEST_FIELD = 4096


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


def _as_text(value: Any) -> Any:
    """Take numbers as the text that they are in a form, and nothing for an empty answer."""
    if value is None:
        return ""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _bounded(text: str) -> str:
    if len(text) > LONGEST_FIELD:
        raise ValueError(f"expected at most {LONGEST_FIELD} characters")
    return text


def _few_and_named(fields: dict[str, Any]) -> dict[str, Any]:
    """Refuse names that no field has, without repeating them: a secret may stand there."""
    if len(fields) > MOST_FIELDS:
        raise ValueError(f"expected at most {MOST_FIELDS}")
    if not all(map(FIELD_NAME.fullmatch, fields)):
        raise ValueError("expected names of lower-case letters, digits and underscores")
    return fields


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


FieldText = Annotated[
    str,
    BeforeValidator(_as_text),
    StringConstraints(strip_whitespace=True, strict=True),
    AfterValidator(_bounded),
    AfterValidator(_clean),
]
Fields = Annotated[dict[str, FieldText], BeforeValidator(_few_and_named)]
FIELDS_SCHEMA: JsonDict = {
    f"^{FIELD_PREFIX}{FIELD_NAME.pattern.removeprefix('^')}": {
        "type": ["string", "number", "null"],
        "maxLength": LONGEST_FIELD,
        "description": "A field of the app's type; those that it does not have are let go.",
    }
}


class RegisterBody(BaseModel):
    """`POST /api/register`. Unknown fields are let go unread and unstored."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, json_schema_extra={"patternProperties": FIELDS_SCHEMA}
    )

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
    instance_fields: SkipJsonSchema[Fields] = {}
    """All of the body's `instance_config_<name>`, by name; the app's type says which count."""

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        body = cast("dict[object, Any]", value)
        fields = {
            name.removeprefix(FIELD_PREFIX): found
            for name, found in body.items()
            if isinstance(name, str) and name.startswith(FIELD_PREFIX)
        }
        return {**body, "instance_fields": fields}

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
            fields=self.instance_fields,
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
        where = _where(problem["loc"])
        words = OUR_WORDS.get(problem["type"], problem["msg"].removeprefix("Value error, "))
        parts.append(f"{where}: {words}" if where else words)
    return "Malformed registration request: " + "; ".join(parts)


def _where(location: tuple[int | str, ...]) -> str:
    """Return a field as the body names it."""
    if location[:1] == ("instance_fields",):
        return FIELD_PREFIX + (str(location[1]) if len(location) > 1 else "*")
    return ".".join(map(str, location))
