"""What operators read of registrations."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from polydock_pipelines.actions.register import FIELDS_MARK, RegisterType
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.requests import Registration


@dataclass(frozen=True)
class RegistrationLine:
    """A registration as an operator sees it."""

    uuid: str
    type: str
    status: str
    email: str
    result: str
    """What it came to, in words."""
    instance: str | None
    instance_status: str | None
    request: dict[str, Any]
    created_at: datetime


def list_registrations(
    db: Database, *, status: str | None = None, limit: int = 100, uuid: str | None = None
) -> list[RegistrationLine]:
    """Return registrations, the newest first."""
    chosen = (
        select(Registration, AppInstance.name, AppInstance.status)
        .outerjoin(AppInstance, AppInstance.id == Registration.instance_id)
        .order_by(Registration.id.desc())
        .limit(limit)
    )
    if status:
        chosen = chosen.where(Registration.status == status)
    if uuid:
        chosen = chosen.where(Registration.uuid == uuid)
    with db.read() as session:
        return [_line(row, name, at) for row, name, at in session.execute(chosen)]


def _line(row: Registration, name: str | None, status: str | None) -> RegistrationLine:
    return RegistrationLine(
        uuid=row.uuid,
        type=row.type,
        status=row.status,
        email=row.email,
        result=_words(row),
        instance=name,
        instance_status=status,
        request={name: said for name, said in row.request.items() if name != FIELDS_MARK},
        created_at=row.created_at,
    )


def _words(row: Registration) -> str:
    if row.type == RegisterType.REQUEST_TRIAL_UNLISTED_REGION and row.status == "success":
        region = row.request.get("region")
        return f"waits for a region that is not offered{f' ({region})' if region else ''}; no trial"
    return f"{row.message} {row.message_detail}".strip()
