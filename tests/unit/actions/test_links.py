"""Signed links: ours are known, whatever is changed in one makes it somebody else's."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from polydock_pipelines.actions.links import EXTEND, LOGIN, Links, LinkState, Signed
from polydock_pipelines.db.vault import Vault, new_key
from tests.fakes.clock import START
from tests.makers import UUID

OLD, NEW = new_key(), new_key()
URL = "https://polydock.example.com"
END = START + timedelta(days=14)
OTHER = "00000000-0000-4000-8000-000000000000"


def links(*keys: str) -> Links:
    return Links(Vault(keys or [OLD]), URL)


def is_good(link: Signed, now: datetime = START, *keys: str) -> bool:
    return links(*keys).state(link, now) is LinkState.GOOD


def login(until: datetime = END, *keys: str) -> Signed:
    """Return what a login link brings back."""
    parts = urlsplit(links(*keys).login(UUID, until))
    query = parse_qs(parts.query, strict_parsing=True)
    assert parts.path == f"/app-instances/{UUID}"
    return Signed(LOGIN, UUID, query["expires"][0], query["signature"][0])


def unsubscribe_token(email_id: int, *keys: str) -> str:
    return links(*keys).unsubscribe(email_id).rpartition("/")[2]


def test_a_link_is_good_until_its_very_end() -> None:
    link = login()
    assert is_good(link)
    assert is_good(link, END - timedelta(seconds=1))
    assert not is_good(link, END)


@pytest.mark.parametrize(
    "change",
    [
        {"purpose": EXTEND},
        {"purpose": ""},
        {"uuid": OTHER},
        {"uuid": ""},
        {"expires": str(int(END.timestamp()) + 1)},
        {"expires": ""},
        {"expires": "never"},
        {"expires": "-1"},
        {"expires": "9" * 5000},
        {"expires": "\ud800"},
        {"expires": f" {int(END.timestamp())}"},
        {"signature": ""},
        {"signature": "0" * 40},
        {"signature": "é" * 40},
        {"signature": "\ud800"},
        {"uuid": f"{UUID}:{int(END.timestamp())}", "expires": ""},
    ],
)
def test_a_link_in_which_anything_is_changed_is_not_ours(change: dict[str, str]) -> None:
    assert not is_good(replace(login(), **change))


def test_each_letter_of_a_signature_counts() -> None:
    link = login()
    for place, letter in enumerate(link.signature):
        other = "0" if letter != "0" else "1"
        forged = f"{link.signature[:place]}{other}{link.signature[place + 1 :]}"
        assert not is_good(replace(link, signature=forged))
    assert not is_good(replace(link, signature=link.signature[:-1]))


def test_a_link_for_one_purpose_is_none_for_another() -> None:
    query = parse_qs(urlsplit(links().extend(UUID, END)).query)
    link = Signed(EXTEND, UUID, query["expires"][0], query["signature"][0])
    assert is_good(link)
    assert not is_good(replace(link, purpose=LOGIN))


def test_links_outlive_the_rotation_of_keys_but_not_the_loss_of_theirs() -> None:
    link = login(END, OLD)
    assert is_good(link, START, NEW, OLD)
    assert not is_good(link, START, NEW)
    assert is_good(login(END, NEW, OLD), START, NEW)


def test_a_link_until_the_end_of_time_does_not_break() -> None:
    assert is_good(login(datetime.max.replace(tzinfo=UTC)))


def test_an_address_with_a_slash_at_its_end_makes_the_same_links() -> None:
    assert Links(Vault([OLD]), f"{URL}/").login(UUID, END) == links().login(UUID, END)
    assert links().login(UUID, END).startswith(f"{URL}/app-instances/{UUID}?expires=")


def test_who_unsubscribes_is_known_by_their_mail() -> None:
    token = unsubscribe_token(4711)
    assert links().unsubscriber(token) == 4711
    assert links(NEW, OLD).unsubscriber(token) == 4711
    assert links(NEW).unsubscriber(token) is None


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "-",
        "4711",
        "4711-",
        "4712-{}",
        "04711-{}",
        "+4711-{}",
        "-4711-{}",
        "٤٧١١-{}",
        "4711-{}0",
        "4711-\ud800",
        f"{'9' * 30}-{{}}",
        "4711 -{}",
        "{}",
    ],
)
def test_a_token_that_is_not_ours_unsubscribes_nobody(wrong: str) -> None:
    signature = unsubscribe_token(4711).partition("-")[2]
    assert links().unsubscriber(wrong.replace("{}", signature)) is None
