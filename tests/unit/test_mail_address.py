"""Who mails come from, and who gets a copy."""

import pytest

from polydock_pipelines.mail_address import is_address, parse_addresses, parse_sender

CANARY = "Canary4711"


@pytest.mark.parametrize("text", ["jo@example.com", "j.o+x@localhost", "jö@exämple.example"])
def test_an_address_is_one(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "jo", "@x", "jo@", "a@b@c", "jo @x", "<jo@x>", "jo@x,", "a@x\n", "jo@x\u202e"),
        *('"jo"@x', "jo@[::1]", "jo@" + "x" * 252, "jo@x\x00"),
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert not is_address(text)


@pytest.mark.parametrize(
    ("text", "sender"),
    [
        ("trials@example.com", ("trials@example.com", "")),
        ("  <trials@example.com> ", ("trials@example.com", "")),
        ("Trials of Polydock <trials@example.com>", ("trials@example.com", "Trials of Polydock")),
        ('"Smith, Zoë" <zoe@example.com>', ("zoe@example.com", "Smith, Zoë")),
    ],
)
def test_a_sender_has_an_address_and_maybe_a_name(text: str, sender: tuple[str, str]) -> None:
    assert parse_sender(text) == sender


@pytest.mark.parametrize(
    "text",
    [
        *("", CANARY, f"{CANARY} <>", f"{CANARY} <a@x> more", f"a@x, {CANARY}@x", f"{CANARY} a@x"),
        *(f"A\nBcc: {CANARY}@x <a@x>", f"{CANARY * 20} <a@x>", f"<<{CANARY}@x>>"),
    ],
)
def test_what_is_no_sender_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="expected an address") as refused:
        parse_sender(text)
    assert CANARY not in str(refused.value)


def test_addresses_of_a_list_come_once_each_in_order() -> None:
    assert parse_addresses("") == parse_addresses(" , ") == ()
    assert parse_addresses("b@x, a@x ,b@x,") == ("b@x", "a@x")


@pytest.mark.parametrize("text", [CANARY, f"a@x; {CANARY}@x", f"A <{CANARY}@x>", f"a@x {CANARY}"])
def test_a_list_of_anything_else_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="expected mail addresses") as refused:
        parse_addresses(text)
    assert CANARY not in str(refused.value)
