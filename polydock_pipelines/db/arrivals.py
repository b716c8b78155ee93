"""What reaching a status brings with it, in the same transaction.

Trial dates start at the claim. A registration follows its instance, so that nobody has to poll
for its failure.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from polydock_pipelines.db.holdings import forget
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.offers import StoreApp
from polydock_pipelines.db.models.requests import Registration
from polydock_pipelines.db.outbox import tell_registration
from polydock_pipelines.lifecycle.status import Resting
from polydock_pipelines.lifecycle.table import FAILED, Kind, Stage, stage_of
from polydock_pipelines.lifecycle.trials import MailSwitches, trial_dates

UNTIL_CLAIMED = (Kind.PROVISION, Kind.ACTIVATE)
READY = "Your trial is ready."
CREATING = "Your trial is being created..."
FAILED_MESSAGE = "Failed to process registration."
FAILED_DETAIL = "An unexpected error occurred."
REMOVED_DETAIL = "The trial was removed before it was ready."


def arrive(session: Session, row: AppInstance, now: datetime, grace: timedelta) -> None:
    """Do what reaching `row.status` asks for."""
    action = ARRIVALS.get(row.status)
    if action is not None:
        action(session, row, now, grace)
        return
    stage = stage_of(row.status)
    if stage is not None:
        _on_the_way(session, row, stage, now)


def end_registration(
    session: Session, row: Registration, status: str, result: tuple[str, str, str], now: datetime
) -> None:
    """Give a registration its status and result (type, message, detail), once."""
    row.result_type, row.message, row.message_detail = result
    if row.status == status:
        return
    before, row.status, row.updated_at = row.status, status, now
    tell_registration(session, row, before, now)


def _registration(session: Session, row: AppInstance) -> Registration | None:
    return session.scalar(select(Registration).where(Registration.instance_id == row.id))


def _claimed(session: Session, row: AppInstance, now: datetime, _grace: timedelta) -> None:
    if row.claimed_at is None:
        row.claimed_at = now
        app = session.get_one(StoreApp, row.store_app_id)
        if row.is_trial:
            _start_trial(row, app, now)
    registration = _registration(session, row)
    if registration is not None:
        end_registration(session, registration, "success", ("trial_created", READY, ""), now)


def _start_trial(row: AppInstance, app: StoreApp, now: datetime) -> None:
    switches = MailSwitches(
        midtrial=bool(app.mails.get("midtrial", {}).get("enabled")),
        one_day_left=bool(app.mails.get("one_day_left", {}).get("enabled")),
    )
    dates = trial_dates(now, app.trial_days, switches)
    row.trial_ends_at = dates.ends_at
    row.midtrial_email_at = dates.midtrial_at
    row.one_day_left_email_at = dates.one_day_left_at


def _removed(session: Session, row: AppInstance, now: datetime, grace: timedelta) -> None:
    forget(session, row.id)
    if row.removed_at is None:
        row.removed_at, row.purge_eligible_at = now, now + grace


def _on_the_way(session: Session, row: AppInstance, stage: Stage, now: datetime) -> None:
    """Follow a failure before the claim, a retry after it, and a removal that came first."""
    if row.claimed_at is not None:
        return
    registration = _registration(session, row)
    if registration is None:
        return
    if stage.kind is Kind.REMOVE:
        result = ("registration_failed", FAILED_MESSAGE, REMOVED_DETAIL)
        end_registration(session, registration, "failed", result, now)
    elif row.status in FAILED:
        result = ("registration_failed", FAILED_MESSAGE, FAILED_DETAIL)
        end_registration(session, registration, "failed", result, now)
    elif registration.status == "failed":
        end_registration(session, registration, "processing", ("processing", CREATING, ""), now)


Arrival = Callable[[Session, AppInstance, datetime, timedelta], None]
ARRIVALS: dict[str, Arrival] = {
    Resting.HEALTHY_CLAIMED.value: _claimed,
    Resting.REMOVED.value: _removed,
}
