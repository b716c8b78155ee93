"""An app tells how it is: the one way into `running-unhealthy` and `running-unresponsive`."""

from datetime import datetime

from sqlalchemy import select

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.door import write
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.places import health_door
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle.status import RUNNING
from polydock_pipelines.lifecycle.table import STATUSES
from polydock_pipelines.lifecycle.transitions import report


class HealthError(Exception):
    """A report is not taken; `code` is the HTTP status that says so."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def report_health(db: Database, uuid: str, token: str, told: str, now: datetime) -> str:
    """Take a report and return the status; the token is the one in the app's own variable.

    HealthError for what is not taken; NotAllowedError for an instance that is not running.
    """
    if not db.vault.is_token(health_door(uuid), token):
        raise HealthError(401, "Unauthorized: Invalid or missing health token")
    if told not in STATUSES:
        raise HealthError(400, "Invalid status value")
    if told not in RUNNING:
        raise HealthError(400, "Invalid running status")
    with db.write() as session:
        row = session.scalar(select(AppInstance).where(AppInstance.uuid == uuid).with_for_update())
        if row is None:
            raise HealthError(404, "Instance not found")
        change = report(row.status, told, is_claimed=_has_person(row))
        if change is not None:
            write(session, row, change, Writing(now))
        return row.status


def _has_person(row: AppInstance) -> bool:
    return row.claimed_at is not None or row.user_group_id is not None
