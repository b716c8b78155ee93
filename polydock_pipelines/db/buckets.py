"""Token buckets in the database: a rate that all processes share."""

from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.guards import Bucket

LAGOON_OPERATIONS = "lagoon-operations"
MAILS = "mails"
BURST = timedelta(seconds=5)
"""So much of the rate may be saved up while nobody asks."""


def take(
    db: Database,
    name: str,
    per_minute: int,
    count: int,
    now: datetime,
    *,
    longest: timedelta = timedelta.max,
) -> timedelta:
    """Take *count* tokens and return how long to wait before using them.

    What is taken is booked at once, so that waiting callers queue up in the order in which they
    came, whichever process they are in. Nothing is taken where the wait is more than *longest*: who
    does not wait must not make others wait.
    """
    try:
        return _take(db, name, per_minute, count, now, longest)
    except IntegrityError:
        return _take(db, name, per_minute, count, now, longest)  # somebody else made the row


def _take(  # noqa: PLR0917 - see take
    db: Database, name: str, per_minute: int, count: int, now: datetime, longest: timedelta
) -> timedelta:
    with db.write() as session:
        row = session.get(Bucket, name, with_for_update=True)
        if row is None:
            row = Bucket(name=name, booked_until=now - BURST, total=0)
            session.add(row)
        start = max(row.booked_until, now - BURST)
        if start - now > longest:
            return start - now
        row.booked_until = start + timedelta(minutes=count / per_minute)
        row.total += count
        return max(start - now, timedelta())


def backlog(db: Database, name: str, now: datetime) -> timedelta:
    """Return how long a caller who came now would wait."""
    with db.read() as session:
        row = session.get(Bucket, name)
    return max(row.booked_until - now, timedelta()) if row is not None else timedelta()
