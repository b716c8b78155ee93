"""Jobs that a trial's calendar starts, and the one that sends what waits."""

import dagster as dg

from polydock_pipelines import wiring
from polydock_pipelines.actions.send_mails import send_mails
from polydock_pipelines.assets import trial_emails, trial_removals
from polydock_pipelines.lifecycle.mails import MailKind
from polydock_pipelines.resources.database import DatabaseResource
from polydock_pipelines.resources.mailer import MailerResource

TAGS = {"dagster/priority": "5", "dagster/max_runtime": "300"}
"""After people who wait, before removals."""


def _mail_job(name: str, kind: MailKind):
    return dg.define_asset_job(
        name,
        selection=[trial_emails.KEYS[kind]],
        executor_def=dg.in_process_executor,
        description=f"{trial_emails.ABOUT[kind]} Writes what fell due, and sends it.",
        tags=TAGS,
    )


send_midtrial_emails = _mail_job("send_midtrial_emails", MailKind.MIDTRIAL)
send_one_day_left_emails = _mail_job("send_one_day_left_emails", MailKind.ONE_DAY_LEFT)
send_trial_complete_emails = _mail_job("send_trial_complete_emails", MailKind.TRIAL_COMPLETE)

remove_ended_trials = dg.define_asset_job(
    "remove_ended_trials",
    selection=[trial_removals.KEY],
    executor_def=dg.in_process_executor,
    description="Trials whose time is up are ended and put on their way out.",
    tags={**TAGS, "dagster/priority": "1"},
)


@dg.op(name="send", description="Send what waits, of every kind; a mail that fails blocks no other")
def send(
    context: dg.OpExecutionContext, database: DatabaseResource, mailer: MailerResource
) -> None:
    """Send, and show each kind in its asset."""
    with database.open() as book:
        sent = send_mails(wiring.make_post(book, mailer.open()))
    for event in trial_emails.materializations(sent):
        context.log_event(event)
    context.log.info("%s sent, %s put off", sent.count("sent"), sent.count("pending"))
    for problem in sent.problems[:5]:
        context.log.warning("%s", problem)
    counts = {trial_emails.WORDS.get(s, s): sent.count(s) for s in trial_emails.STATES}
    context.add_output_metadata(counts | trial_emails.common(sent))


@dg.job(
    executor_def=dg.in_process_executor,
    description="Mails that an event caused, and those that a server put off.",
    tags=TAGS,
)
def send_emails() -> None:
    """Send."""
    send()


TRIAL_JOBS = (
    send_midtrial_emails,
    send_one_day_left_emails,
    send_trial_complete_emails,
    remove_ended_trials,
    send_emails,
)
