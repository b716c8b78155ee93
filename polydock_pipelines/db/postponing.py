"""Deadlines stand still while work is held back: an outage or a pause moves them on."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Interval, case, func, literal, type_coerce, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.types import UtcDateTime
from polydock_pipelines.lifecycle.table import UNSTABLE

AT_LEAST = timedelta(minutes=10)
"""What a stage has left at least: a polled one was not looked at meanwhile."""

Time = InstrumentedAttribute[datetime | None]


def postpone(session: Session, which: ColumnElement[bool], by: timedelta, now: datetime) -> None:
    """Move on the deadlines of unstable rows, and the next look where it is the deadline.

    Set-based, because thousands may wait.
    """
    moved = shifted(session, AppInstance.deadline, by)
    floor = literal(now + AT_LEAST, UtcDateTime())
    later = case((moved < floor, floor), else_=moved)
    waits_until_deadline = AppInstance.next_check_at == AppInstance.deadline
    session.execute(
        update(AppInstance)
        .where(AppInstance.status.in_(UNSTABLE), AppInstance.deadline.is_not(None), which)
        .values(
            deadline=later,
            next_check_at=case((waits_until_deadline, later), else_=AppInstance.next_check_at),
        )
        .execution_options(synchronize_session=False)
    )


def shifted(session: Session, column: Time, by: timedelta) -> ColumnElement[datetime]:
    """Return *column* moved on by *by*, in the database's own arithmetic."""
    if session.get_bind().dialect.name != "sqlite":
        return type_coerce(column.op("+")(literal(by, Interval())), UtcDateTime())
    # As SQLAlchemy stores it there: text with six digits, of which SQLite can count three.
    text = func.strftime("%Y-%m-%d %H:%M:%f", column, f"{by.total_seconds():+.3f} seconds")
    return type_coerce(text.concat("000"), UtcDateTime())
