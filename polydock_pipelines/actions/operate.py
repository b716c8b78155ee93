"""What an operator may do to one instance by hand: retry it, remove it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from polydock_pipelines.actions.allocate import copy_target
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.door import add_log, write
from polydock_pipelines.db.leases import is_held
from polydock_pipelines.db.models.instances import AppInstance, InstanceIntent
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle.instance import Effect
from polydock_pipelines.lifecycle.table import Wish
from polydock_pipelines.lifecycle.transitions import retry, wish


class UnknownInstanceError(Exception):
    """There is no instance of that uuid or name."""


@dataclass(frozen=True)
class Asked:
    """What came of an operator's wish."""

    uuid: str
    name: str
    status: str
    note: str


def find(session: Session, which: str) -> AppInstance:
    """Return the instance of a uuid or project name, its row locked. UnknownInstanceError."""
    row = session.scalar(
        select(AppInstance)
        .where(or_(AppInstance.uuid == which, AppInstance.name == which))
        .with_for_update()
    )
    if row is None:
        raise UnknownInstanceError(
            f"there is no instance {which}; `polydock instances list` shows them"
        )
    return row


def retry_instance(db: Database, which: str, now: datetime, *, by: str, reason: str = "") -> Asked:
    """Take a failed instance on from where it stood, with a new generation. NotAllowedError.

    One that has no project yet follows the catalogue as it is now: its failure may be a store's
    wrong organization, deploy target or group, which somebody has mended since.
    """
    with db.write() as session:
        row = find(session, which)
        change = retry(row.status, now)
        row.generation += 1
        if not _may_have_a_project(session, row):
            copy_target(session, row)
        row.lease_token = row.lease_until = row.handed_until = None
        write(session, row, change, Writing(now))
        add_log(session, row, asked("retry", by, reason), now=now)
        return Asked(row.uuid, row.name, row.status, "it goes on within seconds")


def asked(what: str, by: str, reason: str) -> str:
    """Say in an instance's log who wanted what, and why."""
    return f"{what} asked for by {by}" + (f": {reason}" if reason else "")


def _may_have_a_project(session: Session, row: AppInstance) -> bool:
    """Whether Lagoon holds a project of this instance, or might."""
    meant = select(InstanceIntent.key).where(
        InstanceIntent.instance_id == row.id,
        InstanceIntent.effect == Effect.CREATE_PROJECT.value,
    )
    return row.lagoon_project_id is not None or session.scalar(meant.limit(1)) is not None


def upgrade_instance(
    db: Database, which: str, now: datetime, *, by: str, reason: str = ""
) -> Asked:
    """Ask for another build of a running instance's branch. NotAllowedError."""
    with db.write() as session:
        row = find(session, which)
        change = wish(row.status, Wish.UPGRADE, now)
        if change is None:
            return Asked(row.uuid, row.name, row.status, "its upgrade is under way already")
        add_log(session, row, asked("upgrade", by, reason), now=now)
        write(session, row, change, Writing(now))
        return Asked(row.uuid, row.name, row.status, "its upgrade begins within seconds")


def remove_instance(db: Database, which: str, now: datetime, *, by: str, reason: str = "") -> Asked:
    """Ask for the removal of an instance; at once, or after the step in hand. NotAllowedError."""
    with db.write() as session:
        row = find(session, which)
        note = ask_removal(session, row, asked("removal", by, reason), Writing(now))
        return Asked(row.uuid, row.name, row.status, note)


def ask_removal(session: Session, row: AppInstance, line: str, how: Writing) -> str:
    """Put a locked row on its way out, or note the wish under a lease. NotAllowedError.

    *line* goes to the instance's log, and nothing else when it is on its way already. Return what
    happens next.
    """
    change = wish(row.status, Wish.REMOVE, how.now)
    if change is None:
        return "its removal is under way already"
    add_log(session, row, line, now=how.now)
    if is_held(row, how.now):
        row.wanted = Wish.REMOVE.value
        return "a step is at work; the removal follows it"
    row.lease_token = row.lease_until = row.handed_until = None
    write(session, row, change, how)
    return "its removal begins within seconds"
