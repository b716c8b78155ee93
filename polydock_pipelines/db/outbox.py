"""Events, written in the transaction of the change they tell of. Ids and statuses only."""

from datetime import datetime

from sqlalchemy.orm import Session

from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.operations import OutboxEvent
from polydock_pipelines.db.models.requests import Registration

CREATED = "app_instance.created"
STATUS_CHANGED = "app_instance.status_changed"
REGISTRATION_CHANGED = "registration.status.changed"


def tell_instance(
    session: Session, row: AppInstance, event: str, previous: str | None, now: datetime
) -> None:
    """Add an instance's event, numbered in the order in which things happened to it."""
    row.event_sequence += 1
    session.add(
        OutboxEvent(
            event=event,
            instance_id=row.id,
            sequence=row.event_sequence,
            payload={
                "app_instance_id": row.id,
                "app_instance_uuid": row.uuid,
                "store_app_id": row.store_app_id,
                "previous_status": previous,
                "current_status": row.status,
                "timestamp": now.isoformat(),
            },
            created_at=now,
        )
    )


def tell_registration(session: Session, row: Registration, previous: str, now: datetime) -> None:
    """Add a registration's event."""
    session.add(
        OutboxEvent(
            event=REGISTRATION_CHANGED,
            instance_id=row.instance_id,
            registration_id=row.id,
            payload={
                "registration_id": row.id,
                "registration_uuid": row.uuid,
                "previous_status": previous,
                "new_status": row.status,
                "trial_app_id": row.store_app_id,
                "timestamp": now.isoformat(),
            },
            created_at=now,
        )
    )
