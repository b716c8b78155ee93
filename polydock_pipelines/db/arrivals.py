"""What reaching a status brings with it, in the same transaction.

The trial's clock starts at the claim. A registration follows its instance, so that nobody has to
poll for its failure; and who waits for an instance is told by mail what became of it.
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from polydock_pipelines.db.holdings import forget
from polydock_pipelines.db.mails import call_off, call_on, write_mail
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.offers import FieldValue, StoreApp, Variable
from polydock_pipelines.db.models.requests import Registration
from polydock_pipelines.db.outbox import tell_registration
from polydock_pipelines.db.writing import Writing
from polydock_pipelines.lifecycle.mails import TAKEN_ON, MailKind, is_written
from polydock_pipelines.lifecycle.status import Resting
from polydock_pipelines.lifecycle.table import FAILED, WISHES, Kind, Stage, Wish, stage_of
from polydock_pipelines.lifecycle.transitions import pending
from polydock_pipelines.lifecycle.trials import MailSwitches, TrialDates, trial_dates

READY = "Your trial is ready."
CREATING = "Your trial is being created..."
FAILED_MESSAGE = "Failed to process registration."
FAILED_DETAIL = "An unexpected error occurred."
REMOVED_DETAIL = "The trial was removed before it was ready."


def arrive(session: Session, row: AppInstance, before: str, how: Writing) -> None:
    """Do what reaching `row.status` from *before* asks for."""
    action = ARRIVALS.get(row.status)
    if action is not None:
        action(session, row, before, how)
        return
    stage = stage_of(row.status)
    if stage is not None:
        _on_the_way(session, row, stage, how)


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


def _claimed(session: Session, row: AppInstance, before: str, how: Writing) -> None:
    if row.claimed_at is None:
        row.claimed_at = how.today
    if row.is_trial and row.trial_started_at is None:
        _start_trial(row, session.get_one(StoreApp, row.store_app_id), how.today)
    registration = _registration(session, row)
    if registration is not None:
        end_registration(session, registration, "success", ("trial_created", READY, ""), how.now)
    stage = stage_of(before)
    if stage is not None and stage.kind is Kind.ACTIVATE:  # nor an upgrade, nor the app's health
        write_mail(session, row, MailKind.READY, how)


def switches_of(app: StoreApp) -> MailSwitches:
    """Return which reminders an app sends."""
    return MailSwitches(
        midtrial=is_written(app.mails, MailKind.MIDTRIAL),
        one_day_left=is_written(app.mails, MailKind.ONE_DAY_LEFT),
    )


def set_dates(row: AppInstance, dates: TrialDates) -> None:
    """Write what lies ahead of a trial."""
    row.trial_ends_at = dates.ends_at
    row.midtrial_email_at = dates.midtrial_at
    row.one_day_left_email_at = dates.one_day_left_at


def _start_trial(row: AppInstance, app: StoreApp, today: datetime) -> None:
    row.trial_started_at = today
    set_dates(row, trial_dates(today, app.trial_days, switches_of(app)))


def _removed(session: Session, row: AppInstance, before: str, how: Writing) -> None:
    stage = stage_of(before)
    if before == pending(WISHES[Wish.PURGE]):
        return  # called off before it began
    if stage is not None and stage.kind is Kind.PURGE:
        _purged(session, row, how)
        return
    forget(session, row.id)
    row.midtrial_email_at = row.one_day_left_email_at = None
    row.trial_completed = row.is_trial
    if row.removed_at is None:
        is_forced = row.force_purge_requested_at is not None
        row.removed_at = how.today
        row.purge_eligible_at = how.today if is_forced else how.today + how.grace


def _purged(session: Session, row: AppInstance, how: Writing) -> None:
    """Let every secret of an instance go with its project; its story stays."""
    row.purged_at = how.today
    row.admin_password, row.login_url, row.login_valid_until = "", None, None
    forget(session, row.id)
    for model in (FieldValue, Variable):
        session.execute(
            delete(model).where(model.owner_type == "app_instance", model.owner_id == row.id)
        )


def _on_the_way(session: Session, row: AppInstance, stage: Stage, how: Writing) -> None:
    """Follow a failure before the claim, a retry after it, and a removal that came first."""
    if row.claimed_at is not None or stage.kind is Kind.PURGE:
        return  # by then it was told what became of it
    registration = _registration(session, row)
    if registration is None:
        return
    detail = REMOVED_DETAIL if stage.kind is Kind.REMOVE else FAILED_DETAIL
    if stage.kind is Kind.REMOVE or row.status in FAILED:
        result, was = ("registration_failed", FAILED_MESSAGE, detail), registration.status
        end_registration(session, registration, "failed", result, how.now)
        if was != "failed":  # one that failed before there were mails is not told of it now
            call_on(session, row, MailKind.TRIAL_FAILED, TAKEN_ON, how.now)
            write_mail(session, row, MailKind.TRIAL_FAILED, how)
    elif registration.status == "failed":
        result = ("processing", CREATING, "")
        end_registration(session, registration, "processing", result, how.now)
        call_off(session, row, [MailKind.TRIAL_FAILED], TAKEN_ON, how.now)


Arrival = Callable[[Session, AppInstance, str, Writing], None]
ARRIVALS: dict[str, Arrival] = {
    Resting.HEALTHY_CLAIMED.value: _claimed,
    Resting.REMOVED.value: _removed,
}
