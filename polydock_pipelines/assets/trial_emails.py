"""The assets `trial_emails/…`: mails of each kind; those that the clock causes are written here.

A run writes what fell due and sends it; what a server puts off is sent by the sensor `emails`.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import dagster as dg

from polydock_pipelines import wiring
from polydock_pipelines.actions.send_mails import Sent, send_mails
from polydock_pipelines.actions.trials import Round, end_due_trials, write_reminders
from polydock_pipelines.db.leases import Book
from polydock_pipelines.lifecycle.mails import MailKind
from polydock_pipelines.resources.database import DatabaseResource
from polydock_pipelines.resources.mailer import MailerResource
from polydock_pipelines.settings import settings

GROUP = "trials"
MOST_IDS = 200
STATES = ("sent", "pending", "skipped", "failed", "unsure")
WORDS = {"pending": "put off"}

Metadata = dict[str, dg.MetadataValue | int | float | str]

KEYS = {
    MailKind.READY: dg.AssetKey(["trial_emails", "ready"]),
    MailKind.MIDTRIAL: dg.AssetKey(["trial_emails", "midtrial"]),
    MailKind.ONE_DAY_LEFT: dg.AssetKey(["trial_emails", "one_day_left"]),
    MailKind.TRIAL_COMPLETE: dg.AssetKey(["trial_emails", "trial_complete"]),
    MailKind.TRIAL_FAILED: dg.AssetKey(["trial_emails", "failed"]),
}
ABOUT = {
    MailKind.READY: "Mails with the way in, written when an instance is claimed.",
    MailKind.MIDTRIAL: "Reminders at half time.",
    MailKind.ONE_DAY_LEFT: "Reminders a day before the end.",
    MailKind.TRIAL_COMPLETE: "Mails that say that a trial has ended.",
    MailKind.TRIAL_FAILED: "Mails to people whose instance could not be made.",
}
Write = Callable[[Book, datetime], Round]


def told(kind: MailKind, sent: Sent) -> Metadata:
    """Return what became of the mails of *kind*, and whose they are. Ids only."""
    counts: Metadata = {
        WORDS.get(state, state): count for state in STATES if (count := sent.count(state, kind))
    }
    return {"sent": 0} | counts | ids_of(sent.instances.get(kind, ()))


def ids_of(uuids: Sequence[str]) -> Metadata:
    """Return the first of *uuids*."""
    return {"instances": dg.MetadataValue.json(list(uuids[:MOST_IDS]))}


def lateness(fallen: Round, today: datetime) -> Metadata:
    """Return how many fell due, and how long ago the first of them, by the calendar."""
    return {
        "due": len(fallen.fallen),
        "written": fallen.written,
        "lateness (s)": round(fallen.latest_by(today).total_seconds(), 1),
    }


def common(sent: Sent) -> Metadata:
    """Return what is no kind's own: repeats, what holds mails back, the first problems."""
    found: Metadata = {}
    if sent.repeats:
        found["repeated, since nobody knew whether they arrived"] = sent.repeats
    if sent.held_back:
        found["held back"] = sent.held_back
    if sent.problems:
        found["problems"] = dg.MetadataValue.md("\n".join(f"- {one}" for one in sent.problems))
    return found


def materializations(sent: Sent) -> list[dg.AssetMaterialization]:
    """Return one for each kind of which a mail was dealt with."""
    kinds = {kind for kind, _ in sent.by_kind}
    return [
        dg.AssetMaterialization(KEYS[kind], metadata={**told(kind, sent), **common(sent)})
        for kind in MailKind
        if kind in kinds
    ]


def _asset(kind: MailKind, write: Write) -> dg.AssetsDefinition:
    @dg.asset(
        key=KEYS[kind],
        group_name=GROUP,
        kinds={"email"},
        deps=["app_instances"],
        description=ABOUT[kind],
    )
    def mails(
        context: dg.AssetExecutionContext, database: DatabaseResource, mailer: MailerResource
    ) -> dg.MaterializeResult:
        now = settings().make_clock().now()
        with database.open() as book:
            fallen = write(book, now)
            sent = send_mails(wiring.make_post(book, mailer.open()), [kind])
        today = book.calendar(now)
        context.log.info(
            "%s due, %s written, %s sent", len(fallen.fallen), fallen.written, sent.count("sent")
        )
        for problem in sent.problems[:5]:
            context.log.warning("%s", problem)
        metadata = lateness(fallen, today) | told(kind, sent) | common(sent)
        return dg.MaterializeResult(metadata=metadata)

    return mails


def _spec(kind: MailKind) -> dg.AssetSpec:
    return dg.AssetSpec(
        KEYS[kind],
        group_name=GROUP,
        kinds={"email"},
        description=ABOUT[kind],
        deps=["app_instances"],
    )


midtrial = _asset(MailKind.MIDTRIAL, partial(write_reminders, kind=MailKind.MIDTRIAL))
one_day_left = _asset(MailKind.ONE_DAY_LEFT, partial(write_reminders, kind=MailKind.ONE_DAY_LEFT))
trial_complete = _asset(MailKind.TRIAL_COMPLETE, end_due_trials)

TRIAL_EMAILS = (
    _spec(MailKind.READY),
    midtrial,
    one_day_left,
    trial_complete,
    _spec(MailKind.TRIAL_FAILED),
)
