import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from polydock_pipelines.lifecycle.naming import (
    ID_LENGTH,
    LONGEST,
    LONGEST_COMPANY,
    Naming,
    admin_password,
    admin_username,
    custom_name,
    is_valid,
    project_name,
    sanitise,
    variant,
)
from polydock_pipelines.lifecycle.words import ADJECTIVES, ADMIN_WORDS, NOUNS

ANY_TEXT = st.text(max_size=200)
NAMINGS = st.builds(
    Naming,
    store_prefix=ANY_TEXT,
    app_prefix=ANY_TEXT,
    adjectives=st.lists(ANY_TEXT, max_size=3),
    nouns=st.lists(ANY_TEXT, max_size=3),
)
NASTY = [
    "",
    "-",
    "--",
    "ÄÖÜ",
    "日本語",
    "a" * 300,
    "-" * 60,
    "a-" * 60,
    "My Custom  Instance!",
    "x\n; rm -rf /",
    "İ",
    "ﬁ",
    "٣",
    "a" * 44 + "-b",
]


def _fits_lagoon(name: str) -> bool:
    return bool(re.fullmatch(r"[0-9a-z-]+", name)) and "--" not in name and len(name) <= 45


@given(NAMINGS)
def test_a_project_name_fits_lagoon_whatever_the_prefixes_and_words(naming: Naming) -> None:
    name = project_name(naming)
    assert _fits_lagoon(name)
    assert is_valid(name)


@given(NAMINGS, ANY_TEXT)
def test_a_custom_name_fits_lagoon_or_is_empty(naming: Naming, wanted: str) -> None:
    name = custom_name(naming, wanted)
    assert (name == "") is (sanitise(wanted) == "")
    assert not name or (_fits_lagoon(name) and is_valid(name))


@pytest.mark.parametrize("text", NASTY)
def test_nasty_input_gives_a_name_that_fits_lagoon(text: str) -> None:
    naming = Naming(text, text, [text], [text])
    assert _fits_lagoon(project_name(naming))
    assert custom_name(naming, text) == "" or _fits_lagoon(custom_name(naming, text))


@given(NAMINGS)
@example(Naming("-" * 60))
def test_a_variant_of_a_name_fits_lagoon_too(naming: Naming) -> None:
    name = project_name(naming)
    assert _fits_lagoon(variant(name, naming))
    assert variant(name, naming) != name


@given(st.text(alphabet=string.ascii_lowercase, min_size=1, max_size=LONGEST))
def test_a_variant_begins_like_the_name(name: str) -> None:
    other = variant(name, Naming(""))
    assert other.startswith(name[:10].rstrip("-")[:8])


@given(NAMINGS)
def test_a_project_name_ends_with_a_whole_random_id(naming: Naming) -> None:
    ends = project_name(naming).rsplit("-", 1)[1]
    assert re.fullmatch(rf"[0-9a-z]{{{ID_LENGTH}}}", ends)


@given(ANY_TEXT)
@example("a" * 300)
@example("-" * 300)
@example("株式会社")
@example("Ünïcode & Söhne, Inc.")
@example("İﬁ٣")
@example(" \t\n")
def test_any_company_gives_a_name_that_fits_lagoon_and_ends_with_an_id(company: str) -> None:
    name = project_name(Naming("trial", company=company))
    assert _fits_lagoon(name)
    assert is_valid(name)
    front, ends = name[:-ID_LENGTH], name[-ID_LENGTH:]
    assert re.fullmatch(rf"[0-9a-z]{{{ID_LENGTH}}}", ends)
    known = sanitise(company).replace("-", "")[:LONGEST_COMPANY]
    assert front == known if known else front.startswith("trial-")


def test_two_projects_of_one_company_have_two_names() -> None:
    naming = Naming("trial", company="Engines Ltd")
    names = {project_name(naming) for _ in range(1000)}
    assert len(names) == 1000
    assert all(name.startswith("enginesltd") for name in names)


def test_a_name_is_made_of_prefixes_words_and_an_id() -> None:
    naming = Naming("trial", "cms", adjectives=["Deep Blue"], nouns=["Whale"])
    assert re.fullmatch(r"cms-trial-deep-blue-whale-[0-9a-z]{8}", project_name(naming))


def test_words_that_are_not_given_come_from_our_lists() -> None:
    _, adjective, noun, _ = project_name(Naming("trial", adjectives=["", "--"])).split("-")
    assert adjective in ADJECTIVES
    assert noun in NOUNS


def test_a_thousand_names_are_a_thousand_different_ones() -> None:
    naming = Naming("trial", adjectives=["one"], nouns=["word"])
    assert len({project_name(naming) for _ in range(1000)}) == 1000


def test_a_custom_name_is_prefixed_once() -> None:
    naming = Naming("trial")
    assert custom_name(naming, "My Site") == "trial-my-site"
    assert custom_name(naming, "trial-my-site") == "trial-my-site"
    assert custom_name(naming, "trialist") == "trial-trialist"


@pytest.mark.parametrize("bad", ["", "-a", "a-", "a--b", "A", "a_b", "a" * 46, "a\n", "ä"])
def test_what_lagoon_refuses_is_not_valid(bad: str) -> None:
    assert not is_valid(bad)


def test_passwords_are_long_mixed_and_not_repeated() -> None:
    passwords = [admin_password().reveal() for _ in range(500)]
    assert len(set(passwords)) == 500
    for password in passwords:
        assert len(password) >= 20
        assert re.fullmatch(r"[A-Za-z0-9]+", password)
        assert all(
            set(password) & set(sort)
            for sort in (string.ascii_lowercase, string.ascii_uppercase, string.digits)
        )


def test_a_username_is_a_word_and_four_digits() -> None:
    found = re.fullmatch(r"([a-z]+)(\d{4})", admin_username())
    assert found is not None
    word, digits = found.groups()
    assert word in ADMIN_WORDS
    assert len(digits) == 4


@pytest.mark.parametrize("words", [ADJECTIVES, NOUNS, ADMIN_WORDS])
def test_our_words_are_plain_short_and_listed_once(words: list[str]) -> None:
    assert len(set(words)) == len(words)
    assert all(re.fullmatch(r"[a-z]{2,10}", word) for word in words)
