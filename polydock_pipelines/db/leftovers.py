"""What a stack that was killed has left in the database: leases and hand-overs of the dead."""

from datetime import datetime

from sqlalchemy import func, or_, select, update

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.operations import Handover


def release_all(db: Database, now: datetime) -> int:
    """Let go of every lease and hand-over; return how many instances were held.

    Only for one who knows that nobody else works here. Should a process have survived all the
    same, it finds its leases gone and writes nothing.
    """
    held = or_(AppInstance.lease_token.is_not(None), AppInstance.handed_until > now)
    with db.write() as session:
        count = session.scalar(select(func.count()).select_from(AppInstance).where(held)) or 0
        session.execute(
            update(AppInstance)
            .where(or_(AppInstance.lease_token.is_not(None), AppInstance.handed_until.is_not(None)))
            .values(lease_token=None, lease_until=None, handed_until=None)
            .execution_options(synchronize_session=False)
        )
        session.execute(update(Handover).where(Handover.ended_at.is_(None)).values(ended_at=now))
    return count
