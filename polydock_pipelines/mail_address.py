"""What a mail address is, for settings and mails alike: what any mail server takes unquoted."""

import re

_ADDRESS = re.compile(r'[^\s<>()\[\]\\,;:"@]+@[^\s<>()\[\]\\,;:"@]+')
_NAMED = re.compile(r"([^<>]*)<([^<>]*)>")
_LONGEST = 254
_LONGEST_NAME = 100


def is_address(text: str) -> bool:
    """Whether *text* is one address, and nothing else."""
    is_short = len(text.encode(errors="replace")) <= _LONGEST
    return is_short and text.isprintable() and _ADDRESS.fullmatch(text) is not None


def parse_sender(text: str) -> tuple[str, str]:
    """Return address and name of `ADDRESS` or `NAME <ADDRESS>`; without a name it is empty.

    Quotes around the name are no part of it. ValueError, which quotes nothing of *text*.
    """
    named = _NAMED.fullmatch(text.strip())
    name, address = named.groups() if named else ("", text)
    name, address = name.strip().removeprefix('"').removesuffix('"'), address.strip()
    if not is_address(address) or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise ValueError(
            f"expected an address, or NAME <ADDRESS> with a name of at most {_LONGEST_NAME} "
            "printable characters"
        )
    return address, name


def parse_addresses(text: str) -> tuple[str, ...]:
    """Return the addresses of a comma list, each once. ValueError, which quotes none of them."""
    found = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not all(map(is_address, found)):
        raise ValueError("expected mail addresses with commas between them, and no names")
    return found
