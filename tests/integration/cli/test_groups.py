"""`polydock groups …`."""

import pytest

from tests.integration.actions.tables import counts
from tests.integration.cli.conftest import Polydock

OWNER = "ada@example.com"


def test_an_empty_list_says_how_groups_come_about(polydock: Polydock) -> None:
    assert polydock("groups", "list").out == "No groups yet; a signup makes one.\n"
    assert polydock("groups", "list", "--json").json == []


def test_a_group_is_made_filled_and_handed_on(polydock: Polydock) -> None:
    slug = polydock("groups", "create", "Engines & Co", "--owner", OWNER).out.strip()
    assert slug == "engines-co"
    polydock("groups", "add-member", slug, "b@example.com")
    polydock("groups", "add-member", slug, "c@example.com", "--role", "viewer")
    polydock("groups", "set-role", slug, "c@example.com", "admin")
    assert polydock("groups", "transfer", slug, "b@example.com").code == 0
    (group,) = polydock("groups", "list", "--json").json
    assert group["members"] == {
        OWNER: "admin",
        "b@example.com": "owner",
        "c@example.com": "admin",
    }
    assert "b@example.com (owner)" in polydock("groups", "list").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("set-role", "engines", OWNER, "member"), "without an owner; use `groups transfer`"),
        (("set-role", "engines", OWNER, "king"), "roles are owner, admin, member, viewer"),
        (("set-role", "none", OWNER, "member"), "there is no group none"),
        (("transfer", "none", OWNER), "there is no group none"),
        (("transfer", "engines", "nobody"), "nobody is no e-mail address"),
        (("add-member", "engines", "nobody"), "nobody is no e-mail address"),
        (("create", "Others", "--owner", "nobody"), "nobody is no e-mail address"),
        (("create", " ", "--owner", OWNER), "needs a name"),
        (("create", "x" * 300, "--owner", OWNER), "at most 255 characters"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    polydock: Polydock, arguments: tuple[str, ...], words: str
) -> None:
    polydock("groups", "create", "Engines", "--owner", OWNER)
    before = counts(polydock.db)
    said = polydock("groups", *arguments)
    assert said.code == 1
    assert words in said.line
    assert counts(polydock.db) == before
