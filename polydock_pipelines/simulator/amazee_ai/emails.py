"""Addresses as the backend takes and compares them."""

import re

from fastapi import HTTPException

_DISPOSABLE = frozenset(
    {"10minutemail.com", "guerrillamail.com", "mailinator.com", "tempmail.com", "yopmail.com"}
)
_TAG = re.compile(r"\+[^@]*(?=@)")
_WILDCARDS = {"%": ".*", "_": "."}


def accepted(email: str) -> str:
    """Return an address as it is stored. A domain for throwing away is a 422 in plain words."""
    address = email.lower()
    if address.rpartition("@")[2] in _DISPOSABLE:
        raise HTTPException(422, "Invalid email domain.")
    return address


def without_tag(email: str) -> str:
    """Return an address in lower case, without what follows a `+` in its local part."""
    return _TAG.sub("", email.lower())


def like(text: str) -> re.Pattern[str]:
    """Return what `ILIKE '%text%'` finds: the backend escapes neither `%` nor `_`."""
    pattern = "".join(_WILDCARDS.get(sign, re.escape(sign)) for sign in text)
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)
