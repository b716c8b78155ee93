"""Which mails are written, what about, and which of them are not sent any more."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from polydock_pipelines.lifecycle.mails import (
    POLICIES,
    MailKind,
    Standing,
    is_written,
    occasion,
    why_not,
)

END = datetime(2026, 3, 15, 9, 0, tzinfo=UTC)
RUNNING = Standing(
    status="running-healthy-claimed",
    is_failed=False,
    is_leaving=False,
    is_claimed=True,
    is_trial=True,
    has_ended=False,
    life=1,
    ends_at=END,
)
CHANGES = {
    "runs": {},
    "failed": {"is_failed": True, "status": "upgrade-failed"},
    "leaves": {"is_leaving": True},
    "is kept": {"is_trial": False, "ends_at": None},
    "has ended": {"has_ended": True},
    "has another end": {"ends_at": END + timedelta(days=7)},
    "lives again": {"life": 2},
    "failed, unclaimed": {"is_failed": True, "is_claimed": False, "status": "create-failed"},
    "leaves, unclaimed": {"is_leaving": True, "is_claimed": False},
    "was retried": {"is_claimed": False, "status": "pending-create"},
}
GOES_OUT = {
    MailKind.READY: {"runs", "is kept", "has ended", "has another end", "was retried"},
    MailKind.MIDTRIAL: {"runs", "has another end", "was retried"},
    MailKind.ONE_DAY_LEFT: {"runs", "was retried"},
    MailKind.TRIAL_COMPLETE: set(CHANGES) - {"is kept", "has another end", "lives again"},
    MailKind.TRIAL_FAILED: {"failed, unclaimed", "leaves, unclaimed"},
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", MailKind)
def test_what_is_sent_of_an_instance_that_changed_meanwhile(kind: MailKind, change: str) -> None:
    about = occasion(kind, RUNNING.life, RUNNING.ends_at)
    reason = why_not(kind, about, replace(RUNNING, **CHANGES[change]))
    assert (reason == "") == (change in GOES_OUT[kind]), reason


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        (MailKind.READY, "failed", "the instance is upgrade-failed"),
        (MailKind.READY, "leaves", "on its way out"),
        (MailKind.READY, "lives again", "built anew"),
        (MailKind.MIDTRIAL, "has ended", "the trial has ended"),
        (MailKind.ONE_DAY_LEFT, "is kept", "is kept"),
        (MailKind.ONE_DAY_LEFT, "has another end", "was moved"),
        (MailKind.TRIAL_COMPLETE, "has another end", "was moved"),
        (MailKind.TRIAL_FAILED, "runs", "taken on again"),
        (MailKind.TRIAL_FAILED, "was retried", "taken on again"),
    ],
)
def test_a_mail_that_is_left_out_says_why(kind: MailKind, change: str, said: str) -> None:
    about = occasion(kind, RUNNING.life, RUNNING.ends_at)
    assert said in why_not(kind, about, replace(RUNNING, **CHANGES[change]))


def test_a_mail_that_somebody_asked_for_again_is_about_the_same() -> None:
    about = f"{occasion(MailKind.ONE_DAY_LEFT, 1, END)}, asked 2026-03-14T10:00:00"
    assert why_not(MailKind.ONE_DAY_LEFT, about, RUNNING) == ""
    moved = replace(RUNNING, ends_at=END + timedelta(days=1))
    assert "was moved" in why_not(MailKind.ONE_DAY_LEFT, about, moved)


@pytest.mark.parametrize("kind", MailKind)
def test_an_app_that_says_nothing_sends_the_usual_mails(kind: MailKind) -> None:
    usual = {MailKind.READY, MailKind.TRIAL_FAILED}
    assert is_written({}, kind) == (kind in usual)
    assert is_written({"theme": "dark"}, kind) == (kind in usual)


@pytest.mark.parametrize("kind", MailKind)
@pytest.mark.parametrize(
    ("entry", "expected"),
    [({}, True), ({"enabled": True}, True), ({"enabled": False}, False), ({"body": "Hi"}, True)],
)
def test_an_app_that_names_a_mail_has_it_written_unless_it_is_off(
    kind: MailKind, entry: dict[str, object], *, expected: bool
) -> None:
    assert is_written({kind.value: entry}, kind) is expected


def test_what_speaks_of_an_end_is_another_mail_for_another_end() -> None:
    later = END + timedelta(seconds=1)
    for kind, policy in POLICIES.items():
        is_same = occasion(kind, 1, END) == occasion(kind, 1, later)
        assert is_same is not policy.is_of_one_end
        assert occasion(kind, 1, END) != occasion(kind, 2, END)
        assert occasion(kind, 1, None) == "life 1"


def test_each_kind_has_a_policy_and_only_reminders_may_be_declined() -> None:
    assert set(POLICIES) == set(MailKind)
    reminders = {kind for kind, policy in POLICIES.items() if policy.is_reminder}
    assert reminders == {MailKind.MIDTRIAL, MailKind.ONE_DAY_LEFT}
    assert [k for k, policy in POLICIES.items() if policy.is_for_requester] == [
        MailKind.TRIAL_FAILED
    ]
