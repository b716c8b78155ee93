"""Users, groups and roles, also when everybody comes at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import func, select

from polydock_pipelines.actions.people import (
    GroupError,
    create_group,
    find_or_make_user,
    list_groups,
    own_group,
    set_role,
    transfer,
)
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.people import Membership, User, UserGroup
from tests.fakes.clock import START
from tests.integration.actions.tables import counts, dump
from tests.makers import make_group, make_user

OWNER, OTHER = "ada@example.com", "grace@example.com"


def together(*work: Callable[[], object]) -> list[object]:
    """Do everything at the same moment; an error is a result."""
    gate = Barrier(len(work))

    def one(task: Callable[[], object]) -> object:
        gate.wait(20)
        try:
            return task()
        except GroupError as error:
            return error

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(one, work))


def members(db: Database, slug: str) -> dict[str, str]:
    """Return role by address."""
    return next(group.members for group in list_groups(db) if group.slug == slug)


def test_a_group_begins_with_its_owner(database: Database) -> None:
    slug = create_group(database, "  Ärzte & Co. ", " Ada@Example.com", START)
    (group,) = list_groups(database)
    assert (slug, group.slug, group.name) == ("rzte-co", "rzte-co", "Ärzte & Co.")
    assert group.members == {OWNER: "owner"}


@pytest.mark.parametrize(
    ("name", "slugs"),
    [
        ("Analytical Engines", ["analytical-engines", "analytical-engines-1"]),
        ("李明", ["group", "group-1"]),
        ("x" * 255, ["x" * 200, "x" * 200 + "-1"]),
        ("50% _off_", ["50-off", "50-off-1"]),
    ],
)
def test_groups_of_one_name_get_slugs_of_their_own(
    database: Database, name: str, slugs: list[str]
) -> None:
    assert [create_group(database, name, OWNER, START) for _ in range(2)] == slugs


@pytest.mark.parametrize("name", ["", "   ", "x" * 256])
def test_a_group_needs_a_name(database: Database, name: str) -> None:
    with pytest.raises(GroupError, match="name"):
        create_group(database, name, OWNER, START)
    assert counts(database) == {}


@pytest.mark.parametrize("email", ["", "ada", "ada@", "a b@example.com", f"{'a' * 300}@b.com"])
def test_only_an_address_makes_a_user(database: Database, email: str) -> None:
    slug = create_group(database, "Engines", OWNER, START)
    before = dump(database)
    for work in (
        lambda: create_group(database, "Others", email, START),
        lambda: set_role(database, slug, email, "member", START),
        lambda: transfer(database, slug, email, START),
    ):
        with pytest.raises(GroupError, match="no e-mail address"):
            work()
    assert dump(database) == before


def test_a_member_is_added_and_changed(database: Database) -> None:
    slug = create_group(database, "Engines", OWNER, START)
    set_role(database, slug, "Grace@example.com", "viewer", START)
    assert members(database, slug) == {OWNER: "owner", OTHER: "viewer"}
    set_role(database, slug, OTHER, "owner", START)
    set_role(database, slug, OWNER, "admin", START)
    assert members(database, slug) == {OWNER: "admin", OTHER: "owner"}


@pytest.mark.parametrize("role", ["admin", "member", "viewer"])
def test_the_last_owner_stays_one(database: Database, role: str) -> None:
    slug = create_group(database, "Engines", OWNER, START)
    set_role(database, slug, OTHER, "admin", START)
    with pytest.raises(GroupError, match=r"without an owner; use `groups transfer`"):
        set_role(database, slug, OWNER, role, START)
    set_role(database, slug, OWNER, "owner", START)
    assert members(database, slug) == {OWNER: "owner", OTHER: "admin"}


def test_a_role_that_does_not_exist_is_refused(database: Database) -> None:
    slug = create_group(database, "Engines", OWNER, START)
    with pytest.raises(GroupError, match="owner, admin, member, viewer"):
        set_role(database, slug, OTHER, "super_admin", START)
    assert members(database, slug) == {OWNER: "owner"}


def test_a_group_that_does_not_exist_is_refused(database: Database) -> None:
    for work in (
        lambda: set_role(database, "none", OTHER, "member", START),
        lambda: transfer(database, "none", OTHER, START),
    ):
        with pytest.raises(GroupError, match=r"no group none; `polydock groups list`"):
            work()
    assert counts(database) == {}


def test_a_transfer_leaves_one_owner(database: Database) -> None:
    slug = create_group(database, "Engines", OWNER, START)
    set_role(database, slug, "joan@example.com", "owner", START)
    transfer(database, slug, OTHER, START)
    assert members(database, slug) == {
        OWNER: "admin",
        OTHER: "owner",
        "joan@example.com": "admin",
    }
    transfer(database, slug, OTHER, START)
    assert members(database, slug)[OTHER] == "owner"


def test_a_signup_never_uses_somebody_elses_group(database: Database) -> None:
    for role in ("admin", "member", "viewer"):
        with database.write() as session:
            victim = find_or_make_user(session, f"{role}@example.com", "Vic", "Tim", START)
            theirs = make_group(session, make_user(session))
            session.add(
                Membership(group_id=theirs.id, user_id=victim.id, role=role, created_at=START)
            )
            session.flush()
            assert own_group(session, victim, START).id != theirs.id


def test_names_of_a_user_are_never_overwritten(database: Database) -> None:
    with database.write() as session:
        find_or_make_user(session, OWNER, "Ada", "", START)
    with database.write() as session:
        user = find_or_make_user(session, "ADA@example.com ", "Eve", "Lovelace", START)
        assert (user.first_name, user.last_name) == ("Ada", "Lovelace")


def test_sixteen_groups_of_one_name_at_once_get_sixteen_slugs(database: Database) -> None:
    made = together(
        *(
            lambda n=n: create_group(database, "Trials", f"p{n}@example.com", START)
            for n in range(16)
        )
    )
    assert sorted(map(str, made)) == sorted(["trials", *(f"trials-{n}" for n in range(1, 16))])


def test_sixteen_additions_of_one_stranger_make_one_member(database: Database) -> None:
    slug = create_group(database, "Engines", OWNER, START)
    made = together(*[lambda: set_role(database, slug, OTHER, "member", START)] * 16)
    assert made == [None] * 16
    assert members(database, slug) == {OWNER: "owner", OTHER: "member"}


def test_two_owners_who_leave_at_once_do_not_both_go(database: Database) -> None:
    for number in range(5):
        slug = create_group(database, f"Engines {number}", OWNER, START)
        set_role(database, slug, OTHER, "owner", START)
        left = together(
            lambda slug=slug: set_role(database, slug, OWNER, "viewer", START),
            lambda slug=slug: set_role(database, slug, OTHER, "viewer", START),
        )
        assert [type(one) for one in left].count(GroupError) == 1
        assert sorted(members(database, slug).values()) == ["owner", "viewer"]


def test_transfers_at_once_leave_one_owner(database: Database) -> None:
    slug = create_group(database, "Engines", OWNER, START)
    made = together(
        *(lambda n=n: transfer(database, slug, f"p{n}@example.com", START) for n in range(8))
    )
    assert made == [None] * 8
    assert sorted(members(database, slug).values()).count("owner") == 1


def test_a_known_person_who_comes_twice_at_once_gets_one_group(database: Database) -> None:
    def come() -> None:
        with database.write() as session:
            own_group(session, find_or_make_user(session, OWNER, "Ada", "L", START), START)

    with database.write() as session:
        make_user(session, OWNER)
    together(*[come] * 12)
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(User)) == 1
        assert session.scalar(select(func.count()).select_from(UserGroup)) == 1
