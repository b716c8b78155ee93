"""`/unsubscribe/{token}`: people decline reminders by a button, or their mail program for them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from polydock_pipelines.actions.unsubscribe import list_opt_outs, opt_in
from polydock_pipelines.db.leases import Book
from polydock_pipelines.db.mails import DECLINED, write_mail
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.models.mails import Email, MailOptOut
from polydock_pipelines.db.posting import NotSent, begin, lease
from polydock_pipelines.lifecycle.mails import MailKind
from tests.fakes.clock import START
from tests.integration.actions.tables import dump
from tests.integration.intake.door import Door
from tests.integration.intake.trials import LINKS, mail, trial
from tests.makers import VAULT

ADA, BOB = "ada@example.com", "bob@example.com"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
DONE = "<h1>No more reminders</h1>"


def opt_outs(door: Door) -> list[str]:
    return [one.recipient for one in list_opt_outs(door.db)]


def states(door: Door) -> dict[int, tuple[str, str]]:
    with door.db.read() as session:
        return {row.id: (row.state, row.problem) for row in session.query(Email)}


def test_opening_the_page_changes_nothing(door: Door) -> None:
    link = LINKS.unsubscribe(mail(door.db, trial(door.db), ADA))
    before = dump(door.db)
    for method in ("GET", "HEAD", "GET"):
        answer = door.http.request(method, link)
        assert answer.status_code == 200
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"
    assert "<h1>Stop reminders?</h1>" in answer.text
    assert ADA not in answer.text  # the link never ends, and may be passed on
    assert dump(door.db) == before


def test_one_click_declines_and_skips_the_reminders_that_wait(door: Door) -> None:
    one, other = trial(door.db), trial(door.db)
    first = mail(door.db, one, ADA, MailKind.MIDTRIAL)
    last_day = mail(door.db, other, ADA, MailKind.ONE_DAY_LEFT, lease_token="x", lease_until=START)
    kept = [
        mail(door.db, one, ADA, MailKind.READY),
        mail(door.db, one, ADA, MailKind.TRIAL_COMPLETE),
        mail(door.db, one, BOB, MailKind.MIDTRIAL),
        mail(door.db, other, ADA, MailKind.MIDTRIAL, tried_at=START),
    ]
    sent = mail(door.db, one, ADA, MailKind.ONE_DAY_LEFT, state="sent", due_at=None)
    answer = door.http.post(LINKS.unsubscribe(sent), data=ONE_CLICK)
    assert (answer.status_code, DONE in answer.text) == (200, True)
    assert opt_outs(door) == [ADA]
    now = states(door)
    assert {now[id_] for id_ in (first, last_day)} == {("skipped", DECLINED)}
    assert {now[id_] for id_ in kept} == {("pending", "")}
    assert now[sent] == ("sent", "")
    with door.db.read() as session:
        row = session.get_one(Email, last_day)
        assert (row.due_at, row.lease_token, row.settled_at) == (None, None, START)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", None),
        (b"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded"),
        (b"--x\r\n\r\n--x--", "multipart/form-data; boundary=x"),
        (b"\xff\x00{", "application/json"),
        (b"x" * 200_000, "text/plain"),
    ],
)
def test_any_body_will_do(door: Door, content: bytes, kind: str | None) -> None:
    link = LINKS.unsubscribe(mail(door.db, trial(door.db), ADA))
    answer = door.http.post(link, content=content, headers={"Content-Type": kind} if kind else {})
    assert answer.status_code == 200
    assert opt_outs(door) == [ADA]


def test_declining_again_changes_nothing(door: Door) -> None:
    link = LINKS.unsubscribe(mail(door.db, trial(door.db), ADA))
    door.http.post(link)
    before = dump(door.db)
    door.clock.advance(3600)
    assert door.http.post(link, data=ONE_CLICK).status_code == 200
    assert DONE in door.http.get(link).text
    assert dump(door.db) == before


def test_declining_at_once_from_several_mails_is_one_choice(door: Door) -> None:
    one = trial(door.db)
    links = [LINKS.unsubscribe(mail(door.db, one, ADA, occasion=f"life {n}")) for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(door.http.post, links))
    assert [answer.status_code for answer in answers] == [200] * 8
    assert opt_outs(door) == [ADA]
    assert set(states(door).values()) == {("skipped", DECLINED)}


def test_a_token_that_is_not_ours_is_unknown(door: Door) -> None:
    good = LINKS.unsubscribe(mail(door.db, trial(door.db), ADA))
    token = good.rpartition("-")[2]
    wrong = [
        good[:-1],
        good + "0",
        "/unsubscribe/x",
        "/unsubscribe/-",
        f"/unsubscribe/2-{token}",
        f"/unsubscribe/{'9' * 30}-{token}",
        "/unsubscribe/%00-%00",
        LINKS.unsubscribe(4711),  # ours, of a mail that is no more
    ]
    before = dump(door.db)
    for link in wrong:
        for answer in (door.http.get(link), door.http.post(link, data=ONE_CLICK)):
            assert answer.status_code == 404, link
            assert "<h1>This link does not work</h1>" in answer.text
    assert dump(door.db) == before


def write(door: Door, instance_id: int, kind: MailKind) -> None:
    with door.db.write() as session:
        row = session.get_one(AppInstance, instance_id)
        write_mail(session, row, kind, Book(door.db).writing(START))


def test_who_declined_gets_no_reminders_until_an_operator_lets_them(door: Door) -> None:
    mails = {"mails": {"midtrial": {}, "one_day_left": {}}}
    one = trial(door.db, app=mails, user_group_id=None, user_email=ADA)
    door.http.post(LINKS.unsubscribe(mail(door.db, one, ADA, MailKind.READY)))
    write(door, one.id, MailKind.MIDTRIAL)
    assert opt_in(door.db, " Ada@Example.com ")
    assert not opt_in(door.db, ADA)
    assert opt_outs(door) == []
    write(door, one.id, MailKind.ONE_DAY_LEFT)
    with door.db.read() as session:
        found = {row.kind: row.state for row in session.query(Email)}
    assert found == {"ready": "pending", "midtrial": "skipped", "one_day_left": "pending"}


@pytest.mark.parametrize(
    ("kind", "by", "is_sent"),
    [
        (MailKind.MIDTRIAL, None, False),
        (MailKind.MIDTRIAL, "an operator", True),
        (MailKind.READY, None, True),
    ],
)
def test_a_reminder_that_was_written_in_that_moment_is_not_sent(
    door: Door, kind: MailKind, by: str | None, *, is_sent: bool
) -> None:
    id_ = mail(door.db, trial(door.db), ADA, kind, requested_by=by)
    with door.db.write() as session:  # as by a transaction that did not see the mail yet
        session.add(MailOptOut(recipient=ADA, created_at=START))
    now = START + timedelta(minutes=1)
    token, ids = lease(door.db, None, now, 10)
    with door.db.write() as session:
        begun = begin(session, VAULT, id_, token, Book(door.db).writing(now))
    assert ids == [id_]
    assert isinstance(begun, NotSent) != is_sent
    assert states(door)[id_] == (("pending", "") if is_sent else ("skipped", DECLINED))
