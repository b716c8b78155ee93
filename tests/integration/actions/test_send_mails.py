"""A round of mails: what goes out, what is tried again, what is given up, and what is left out."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import repeat
from typing import Any

import pytest

from polydock_pipelines.actions.letters import Letterhead
from polydock_pipelines.actions.operate import retry_instance
from polydock_pipelines.actions.read_instances import tell
from polydock_pipelines.actions.read_mails import Which, list_mails
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.posting import LONGEST_PUT_OFF
from polydock_pipelines.lifecycle.mails import TAKEN_ON, MailKind
from polydock_pipelines.ports import RefusedError
from polydock_pipelines.ports.mail import PutOffError, compose
from tests.fakes.clock import START, FakeClock
from tests.fakes.mailer import FakeMailer
from tests.mailing import (
    ADA,
    ALL_MAILS,
    BOB,
    CANARY,
    EVE,
    SENDER,
    Interrupted,
    a_waiting,
    an_owned,
    mails,
    only,
    send,
    states,
    write,
)
from tests.makers import (
    change_row,
    instance_row,
    make_registration,
)

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
REMINDERS = (MailKind.MIDTRIAL, MailKind.ONE_DAY_LEFT)
REFUSED = RefusedError("550 no such mailbox")
BUSY = PutOffError("450 mailbox busy")


# -- the message


def test_a_mail_is_sent_once_to_each_owner_and_marked(database: Database, clock: FakeClock) -> None:
    instance_id, mailer = a_waiting(database, BOB, EVE), FakeMailer()
    sent = send(database, mailer, clock)
    assert sorted(mail.recipient for mail in mailer.sent) == [BOB, EVE]
    assert (sent.count("sent"), sent.count("sent", MailKind.READY), sent.repeats) == (2, 2, 0)
    assert sent.instances[MailKind.READY] == [instance_row(database, instance_id).uuid] * 2
    for row in mails(database):
        assert (row.state, row.settled_at, row.attempts, row.repeats) == ("sent", START, 1, 0)
        assert (row.due_at, row.lease_token, row.tried_at, row.problem) == (None, None, None, "")
    assert send(database, mailer, clock).by_kind == {}
    assert len(mailer.sent) == 2


def test_a_message_id_names_its_row(database: Database, clock: FakeClock) -> None:
    instance_id, mailer = a_waiting(database, BOB, EVE), FakeMailer()
    send(database, mailer, clock)
    uuid = instance_row(database, instance_id).uuid
    assert {mail.recipient: mail.message_id for mail in mailer.sent} == {
        row.recipient: f"<ready.{row.id}.{uuid}@polydock.example>" for row in mails(database)
    }


@pytest.mark.parametrize("kind", MailKind)
def test_headers_of_each_kind(sqlite_database: Database, clock: FakeClock, kind: MailKind) -> None:
    changes: dict[str, Any] = {}
    if kind is MailKind.TRIAL_FAILED:
        changes = {"status": "create-failed"}
    a_waiting(sqlite_database, ADA, kind=kind, **changes)
    mailer = FakeMailer()
    head = Letterhead(SENDER, "Trials", cc=("boss@example.com", EVE))
    send(sqlite_database, mailer, clock, head=head)
    (mail,) = mailer.sent
    content = compose(mail).decode()
    assert "Cc: boss@example.com, eve@example.com" in content
    assert "From: Trials <trials@polydock.example>" in content
    is_reminder = kind in REMINDERS
    email_id = only(sqlite_database).id
    assert (f"<https://polydock.example.com/unsubscribe/{email_id}-" in content) is is_reminder
    assert ("List-Unsubscribe-Post: List-Unsubscribe=One-Click" in content) is is_reminder
    assert ("\nList-Unsubscribe:" in content) is is_reminder


def test_ready_holds_the_signed_link_and_the_credentials(
    sqlite_database: Database, clock: FakeClock
) -> None:
    one_time = "https://app.example.com/one-time?token=canary"
    until = START + HOUR
    instance_id = a_waiting(
        sqlite_database, login_url=one_time, login_valid_until=until, password=CANARY
    )
    mailer = FakeMailer()
    send(sqlite_database, mailer, clock)
    (mail,) = mailer.sent
    uuid = instance_row(sqlite_database, instance_id).uuid
    assert f"https://polydock.example.com/app-instances/{uuid}?expires=" in mail.text
    assert CANARY in mail.text
    assert "Ada" in mail.text
    assert one_time not in mail.text + mail.html
    hidden = {"mails": {**ALL_MAILS, "hide_credentials": True}}
    a_waiting(sqlite_database, BOB, password=CANARY, app=hidden)
    send(sqlite_database, mailer, clock)
    assert CANARY not in mailer.sent[1].text + mailer.sent[1].html


def test_a_sender_beyond_ascii_does_not_lose_every_mail(
    sqlite_database: Database, clock: FakeClock
) -> None:
    a_waiting(sqlite_database)
    mailer = FakeMailer()
    send(sqlite_database, mailer, clock, head=Letterhead("trials@bücher.example"))
    assert states(sqlite_database) == {ADA: "sent"}
    assert mailer.message_ids[0].endswith("@xn--bcher-kva.example>")


# -- answers


def test_one_bad_address_blocks_nobody_else(database: Database, clock: FakeClock) -> None:
    instance_id = a_waiting(database, BOB, EVE)
    a_waiting(database, ADA)
    mailer = FakeMailer(failing={BOB: [REFUSED]})
    sent = send(database, mailer, clock)
    assert states(database) == {BOB: "failed", EVE: "sent", ADA: "sent"}
    assert (sent.count("failed"), sent.count("sent")) == (1, 2)
    assert sent.problems == ["ready to b…@example.com failed: 550 no such mailbox"]
    send(database, mailer, clock)
    assert len([mail for mail in mailer.tried if mail.recipient == BOB]) == 1
    shown = tell(database, instance_row(database, instance_id).uuid, START).mails
    assert [(line.to, line.state, line.problem) for line in shown] == [
        ("b…@example.com", "failed", "550 no such mailbox"),
        ("e…@example.com", "sent", ""),
    ]
    (failed,) = list_mails(database, Which(state="failed"))
    assert (failed.to, failed.problem) == ("b…@example.com", "550 no such mailbox")


def test_a_mail_that_is_put_off_is_tried_again_ever_more_rarely(
    database: Database, clock: FakeClock
) -> None:
    a_waiting(database, BOB, EVE)
    mailer = FakeMailer(failing={BOB: repeat(BUSY, 3)})
    waits = list[float]()
    assert send(database, mailer, clock).count("pending") == 1
    assert states(database) == {BOB: "pending", EVE: "sent"}
    for _ in range(3):
        row = next(row for row in mails(database) if row.recipient == BOB)
        assert (row.problem, row.attempts) == ("450 mailbox busy", len(waits) + 1)
        assert row.due_at is not None
        waits.append((row.due_at - clock.now()).total_seconds() / 60)
        clock.at = row.due_at - timedelta(seconds=1)
        assert send(database, mailer, clock).by_kind == {}
        clock.at = row.due_at
        send(database, mailer, clock)
    assert waits == [1, 5, 15]
    assert states(database) == {BOB: "sent", EVE: "sent"}
    assert len({mail.message_id for mail in mailer.tried if mail.recipient == BOB}) == 1


def test_a_mail_that_is_put_off_for_two_days_is_given_up_with_the_reason(
    sqlite_database: Database, clock: FakeClock
) -> None:
    a_waiting(sqlite_database)
    mailer = FakeMailer(failing={ADA: repeat(BUSY)})
    for _ in range(60):
        send(sqlite_database, mailer, clock)
        due_at = only(sqlite_database).due_at
        if due_at is None:
            break
        clock.at = due_at
    row = only(sqlite_database)
    assert (row.state, row.problem) == ("failed", "given up after two days: 450 mailbox busy")
    assert LONGEST_PUT_OFF < clock.now() - START < LONGEST_PUT_OFF + 3 * HOUR
    assert row.attempts == len(mailer.tried)
    assert len({mail.message_id for mail in mailer.tried}) == 1


def test_after_days_without_a_server_the_first_no_for_now_is_not_the_last(
    sqlite_database: Database, clock: FakeClock
) -> None:
    a_waiting(sqlite_database)
    clock.advance(3 * DAY)
    mailer = FakeMailer(failing={ADA: [BUSY]})
    send(sqlite_database, mailer, clock)
    assert only(sqlite_database).state == "pending"
    clock.advance(timedelta(minutes=1))
    send(sqlite_database, mailer, clock)
    assert only(sqlite_database).state == "sent"


def test_a_mail_that_does_not_render_fails_alone(database: Database, clock: FakeClock) -> None:
    broken = {"mails": {"ready": {"body": "a bell \x07 and Canary4711"}}}
    a_waiting(database, ADA, app=broken)
    a_waiting(database, BOB)
    mailer = FakeMailer()
    sent = send(database, mailer, clock)
    assert states(database) == {ADA: "failed", BOB: "sent"}
    assert "does not render" in mails(database)[0].problem
    assert "Canary" not in mails(database)[0].problem
    assert mails(database)[0].attempts == 0, "no server was asked"
    assert [mail.recipient for mail in mailer.tried] == [BOB]
    assert sent.count("failed") == 1


def test_a_secret_that_cannot_be_opened_puts_that_mail_off(
    database: Database, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    instance_id = a_waiting(database, ADA)
    a_waiting(database, BOB)
    good = instance_row(database, instance_id).admin_password
    change_row(database, instance_id, admin_password="sealed-with-a-lost-key")
    mailer = FakeMailer()
    sent = send(database, mailer, clock)
    assert states(database) == {ADA: "pending", BOB: "sent"}
    row = mails(database)[0]
    assert "POLYDOCK_SECRET_KEYS" in row.problem
    assert (row.attempts, row.repeats, row.tried_at, row.lease_token) == (0, 0, None, None)
    assert sent.count("pending") == 1
    assert "POLYDOCK_SECRET_KEYS" in sent.problems[0]
    assert "POLYDOCK_SECRET_KEYS" in caplog.text
    assert "sealed-with" not in caplog.text + row.problem + str(sent)
    clock.advance(30 * DAY)
    send(database, mailer, clock)
    assert states(database)[ADA] == "pending"
    change_row(database, instance_id, admin_password=good)
    clock.advance(HOUR)
    send(database, mailer, clock)
    assert states(database) == {ADA: "sent", BOB: "sent"}


# -- what happened since it was written


MEANWHILE: Mapping[str, Mapping[str, Any]] = {
    "removed": {"status": "removed", "removed_at": START, "trial_completed": True},
    "on its way out": {"status": "pre-remove-running"},
    "to be removed": {"wanted": "remove"},
    "failed": {"status": "polydock-claim-failed"},
    "purged": {"status": "removed", "purged_at": START, "trial_completed": True},
}


@pytest.mark.parametrize("change", MEANWHILE)
@pytest.mark.parametrize("kind", [k for k in MailKind if k is not MailKind.TRIAL_FAILED])
def test_who_is_gone_gets_no_mail_but_the_one_that_says_so(
    sqlite_database: Database, clock: FakeClock, kind: MailKind, change: str
) -> None:
    instance_id = a_waiting(sqlite_database, ADA, kind=kind)
    change_row(sqlite_database, instance_id, **MEANWHILE[change])
    mailer = FakeMailer()
    sent = send(sqlite_database, mailer, clock)
    row = only(sqlite_database)
    if kind is MailKind.TRIAL_COMPLETE:
        assert (row.state, len(mailer.sent)) == ("sent", 1)
    else:
        assert (row.state, mailer.tried) == ("skipped", [])
        assert (sent.count("skipped", kind), bool(row.problem)) == (1, True)
        assert (row.due_at, row.lease_token) == (None, None)


@pytest.mark.parametrize("kind", REMINDERS)
@pytest.mark.parametrize("change", [{"trial_completed": True}, {"trial_ends_at": START - DAY}])
def test_a_reminder_of_a_trial_that_has_ended_is_skipped_and_marked(
    sqlite_database: Database, clock: FakeClock, kind: MailKind, change: dict[str, Any]
) -> None:
    instance_id = an_owned(sqlite_database, ADA)
    change_row(sqlite_database, instance_id, **change)
    write(sqlite_database, instance_id, kind)
    mailer = FakeMailer()
    send(sqlite_database, mailer, clock)
    row = only(sqlite_database)
    assert (row.state, row.problem) == ("skipped", "the trial has ended")
    assert (row.settled_at, mailer.tried) == (START, [])


@pytest.mark.parametrize(
    ("change", "kind", "state"),
    [
        ({"trial_ends_at": START + 21 * DAY}, MailKind.ONE_DAY_LEFT, "skipped"),
        ({"trial_ends_at": START + 21 * DAY}, MailKind.MIDTRIAL, "sent"),
        ({"is_trial": False, "trial_ends_at": None}, MailKind.MIDTRIAL, "skipped"),
        ({"is_trial": False, "trial_ends_at": None}, MailKind.TRIAL_COMPLETE, "skipped"),
        ({"is_trial": False, "trial_ends_at": None}, MailKind.READY, "sent"),
        ({"life": 2}, MailKind.READY, "skipped"),
        ({"status": "removed"}, MailKind.READY, "skipped"),
    ],
)
def test_what_changes_between_lease_and_hand_over_counts(
    sqlite_database: Database, clock: FakeClock, change: dict[str, Any], kind: MailKind, state: str
) -> None:
    a_waiting(sqlite_database, BOB)
    instance_id = a_waiting(sqlite_database, ADA, kind=kind)
    mailer = Interrupted(BOB, lambda: change_row(sqlite_database, instance_id, **change))
    send(sqlite_database, mailer, clock)
    assert states(sqlite_database) == {BOB: "sent", ADA: state}


def test_a_failure_that_is_retried_in_this_moment_is_not_told(
    database: Database, clock: FakeClock
) -> None:
    a_waiting(database, BOB)
    failed = {"kind": MailKind.TRIAL_FAILED, "status": "create-failed"}
    instance_id = a_waiting(database, ADA, **failed)
    with database.write() as session:
        make_registration(session, session.get_one(AppInstance, instance_id), status="failed")
    uuid = instance_row(database, instance_id).uuid
    mailer = Interrupted(BOB, lambda: retry_instance(database, uuid, clock.now(), by="a test"))
    send(database, mailer, clock)
    row = mails(database)[1]
    assert (row.state, row.problem, row.lease_token) == ("skipped", TAKEN_ON, None)
    assert mailer.sent_to(ADA) == []
