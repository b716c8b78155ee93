"""Users and groups: found or made in the caller's transaction, and changed by operators."""

from dataclasses import dataclass
from datetime import datetime

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.people import Membership, User, UserGroup
from polydock_pipelines.db.models.types import Model
from polydock_pipelines.lifecycle.naming import random_id, sanitise

ROLES = {"owner": 40, "admin": 30, "member": 20, "viewer": 10}
LONGEST_NAME = 255
MOST_NUMBERED = 50
"""Groups of one name that are numbered; further ones get random letters."""
LONGEST_STEM = 200
TRIALS = " Trials"


class GroupError(Exception):
    """A group, a user or a role is not what the operator said; the text says what is."""


@dataclass(frozen=True)
class GroupView:
    """A group as an operator sees it."""

    name: str
    slug: str
    is_beta: bool
    members: dict[str, str]
    """Role by address."""


def find_or_make_user(
    session: Session, email: str, first_name: str, last_name: str, now: datetime
) -> User:
    """Return the user of an address, its row locked; names fill only what was empty.

    The lock lets two signups of one person take turns, so that both find the same group.
    """
    address = email.strip().lower()
    user = _user(session, address)
    while user is None:
        _is_added(session, User(email=address, created_at=now))
        user = _user(session, address)
    user.first_name = user.first_name or first_name
    user.last_name = user.last_name or last_name
    session.flush()
    return user


def _user(session: Session, address: str) -> User | None:
    return session.scalar(select(User).where(User.email == address).with_for_update())


def _is_added(session: Session, row: Model) -> bool:
    """Add a row; False when somebody else was quicker to take its unique value."""
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return False
    return True


def own_group(session: Session, user: User, now: datetime) -> UserGroup:
    """Return the first group that *user* owns, or a new one.

    Never a group of somebody else in which the user is a mere member: its owners would get the
    login of a trial they did not ask for.
    """
    group = session.scalar(
        select(UserGroup)
        .join(Membership, Membership.group_id == UserGroup.id)
        .where(Membership.user_id == user.id, Membership.role == "owner")
        .order_by(UserGroup.id)
        .limit(1)
    )
    if group is not None:
        return group
    name = f"{user.first_name} {user.last_name}".strip() or user.email.partition("@")[0]
    return make_group(session, name[: LONGEST_NAME - len(TRIALS)] + TRIALS, user, now)


def make_group(session: Session, name: str, owner: User, now: datetime) -> UserGroup:
    """Make a group with a slug of its own and its first owner."""
    group = UserGroup(name=name, slug=_free_slug(session, name), created_at=now)
    while not _is_added(session, group):
        group = UserGroup(name=name, slug=_free_slug(session, name), created_at=now)
    session.add(Membership(group_id=group.id, user_id=owner.id, role="owner", created_at=now))
    session.flush()
    return group


def _free_slug(session: Session, name: str) -> str:
    stem = sanitise(name)[:LONGEST_STEM].strip("-") or "group"
    numbered = [stem, *(f"{stem}-{n}" for n in range(1, MOST_NUMBERED + 1))]
    taken = set(session.scalars(select(UserGroup.slug).where(UserGroup.slug.in_(numbered))))
    # Counting all namesakes would cost more with each of them.
    return next((slug for slug in numbered if slug not in taken), f"{stem}-{random_id(8)}")


def list_groups(db: Database) -> list[GroupView]:
    """Return all groups with their members, by slug."""
    with db.read() as session:
        groups = session.scalars(select(UserGroup).order_by(UserGroup.slug)).all()
        members: dict[int, dict[str, str]] = {}
        for group_id, role, email in session.execute(
            select(Membership.group_id, Membership.role, User.email)
            .join(User, User.id == Membership.user_id)
            .order_by(User.email)
        ):
            members.setdefault(group_id, {})[email] = role
    return [GroupView(g.name, g.slug, g.is_beta, members.get(g.id, {})) for g in groups]


def create_group(db: Database, name: str, owner_email: str, now: datetime) -> str:
    """Make a group for an operator; return its slug."""
    called = name.strip()
    if not called or len(called) > LONGEST_NAME:
        raise GroupError(f"a group needs a name of at most {LONGEST_NAME} characters")
    with db.write() as session:
        owner = _person(session, owner_email, now)
        return make_group(session, called, owner, now).slug


def _person(session: Session, email: str, now: datetime) -> User:
    """Return the user that an operator named, made where needed."""
    try:
        address = validate_email(email.strip(), check_deliverability=False, strict=True).normalized
    except EmailNotValidError:
        raise GroupError(f"{email} is no e-mail address") from None
    return find_or_make_user(session, address, "", "", now)


def set_role(db: Database, slug: str, email: str, role: str, now: datetime) -> None:
    """Give a user a role in a group, adding the user where needed; one owner must remain."""
    if role not in ROLES:
        raise GroupError(f"there is no role {role}; roles are {', '.join(ROLES)}")
    with db.write() as session:
        group = _group(session, slug)
        user = _person(session, email, now)
        member = session.get(Membership, (group.id, user.id))
        if member is None:
            session.add(Membership(group_id=group.id, user_id=user.id, role=role, created_at=now))
        else:
            if member.role == "owner" and role != "owner":
                _keep_an_owner(session, group)
            member.role = role


def transfer(db: Database, slug: str, email: str, now: datetime) -> None:
    """Make a user the only owner of a group; earlier owners stay as admins."""
    with db.write() as session:
        group = _group(session, slug)
        user = _person(session, email, now)
        for member in session.scalars(
            select(Membership).where(Membership.group_id == group.id, Membership.role == "owner")
        ):
            member.role = "admin"
        member = session.get(Membership, (group.id, user.id))
        if member is None:
            member = Membership(group_id=group.id, user_id=user.id, created_at=now)
            session.add(member)
        member.role = "owner"


def _group(session: Session, slug: str) -> UserGroup:
    """Return the group, its row locked: who owns it is looked at and changed by one at a time."""
    group = session.scalar(select(UserGroup).where(UserGroup.slug == slug).with_for_update())
    if group is None:
        raise GroupError(f"there is no group {slug}; `polydock groups list` shows them")
    return group


def _keep_an_owner(session: Session, group: UserGroup) -> None:
    owners = session.scalar(
        select(func.count())
        .select_from(Membership)
        .where(Membership.group_id == group.id, Membership.role == "owner")
    )
    if (owners or 0) < 2:
        raise GroupError(f"{group.slug} would be left without an owner; use `groups transfer`")
