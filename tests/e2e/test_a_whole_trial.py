"""A trial from the signup to the end of its project, minute by minute around all that falls due."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from polydock_pipelines.actions.follow_link import Answer, Found, press_extension, read_extension
from polydock_pipelines.actions.read_instances import Story, tell
from polydock_pipelines.lifecycle.mails import MailKind
from polydock_pipelines.wiring import open_book
from tests.baddays.offers import CLAIM, TELLS_URL, Offer
from tests.baddays.table import CLAIMED, REMOVED
from tests.e2e.house import DAGSTERS_WARNINGS, House

pytestmark = DAGSTERS_WARNINGS
DAY, MINUTE, SECOND = timedelta(days=1), timedelta(minutes=1), timedelta(seconds=1)
PERSON = "person0@example.com"
TRIAL = Offer(
    scripts={CLAIM: TELLS_URL},
    app={
        "name": "Demo CMS",
        "trial_days": 14,
        "trial_extension_days": 2,
        "trial_max_days": 16,
        "mails": {kind.value: {"enabled": True} for kind in MailKind},
    },
)
ALL_SCHEDULES = {
    "midtrial_emails": 5,
    "one_day_left_emails": 5,
    "trial_complete_emails": 5,
    "trial_removals": 5,
    "project_purges": 5,
    "stuck_instances": 5,
    "lagoon_drift": 37,
    "retention": 17,
}
"""A minute of the hour at which each ticks."""


@dataclass
class Trial:
    """One trial that is played, and what its person has read so far."""

    house: House
    uuid: str
    read: int = 0

    def mails(self) -> list[dict[str, Any]]:
        """Return what came since the last look."""
        all_mails = self.house.state("mails")
        new, self.read = all_mails[self.read :], len(all_mails)
        return new

    def pass_over(self, moment: datetime) -> tuple[list[str], list[dict[str, Any]]]:
        """Go to *moment*; until then nothing happens. Return the jobs that run at it, and mails."""
        self.house.move_to(moment - MINUTE)
        before = self.house.row(self.uuid).status
        assert (self.house.pass_a_minute(), self.mails()) == ([], []), moment
        assert self.house.row(self.uuid).status == before
        self.house.move_to(moment + SECOND)
        return self.house.pass_a_minute(), self.mails()

    def story(self) -> Story:
        """Return all that is told of it."""
        return tell(self.house.database, self.uuid, self.house.clock.now())


def signed_up(house: House) -> Trial:
    """Take a person to the claim."""
    (uuid,) = house.sign_up(TRIAL)
    assert house.pass_a_minute() == ["provision_instances"]
    house.move(90)
    assert house.pass_a_minute() == ["activate_instances", "send_emails"]
    assert house.row(uuid).status == CLAIMED
    return Trial(house, uuid)


def assert_reads(mails: list[dict[str, Any]], subject: str, *says: str) -> str:
    """Assert that there is one mail, to the person, and return its text."""
    (mail,) = mails
    assert mail["recipients"] == [PERSON]
    assert mail["subject"].startswith(subject)
    for words in says:
        assert words in mail["text"], mail["text"]
        assert words.replace("&", "&amp;") in mail["html"] or words in mail["html"]
    return str(mail["text"])


def link_in(text: str, path: str) -> str:
    """Return the link to *path* in the text of a mail."""
    (found,) = set(re.findall(rf"https?://\S*{path}\S*", text))
    return found


def press(trial: Trial, link: str) -> Answer:
    """Open the page of an extension, and press its button."""
    at, book = urlsplit(link), open_book(trial.house.database)
    asked = {name: values[0] for name, values in parse_qs(at.query).items()}
    uuid, now = at.path.split("/")[-2], trial.house.clock.now()
    page = read_extension(book, uuid, asked["expires"], asked["signature"], now)
    seen_end = page.about.ends_at if page.about else None
    return press_extension(book, uuid, asked["expires"], asked["signature"], now, seen_end=seen_end)


def test_thirty_days_of_a_trial(house: House) -> None:
    trial = signed_up(house)
    name, began = house.row(trial.uuid).name, house.row(trial.uuid).trial_started_at
    assert began is not None
    ready = assert_reads(trial.mails(), "Your new instance is Ready", "Demo CMS")
    assert f"/app-instances/{trial.uuid}?" in link_in(ready, "app-instances")

    jobs, mails = trial.pass_over(began + 7 * DAY)
    assert jobs == ["send_midtrial_emails"]
    assert "/unsubscribe/" in assert_reads(mails, "Halfway Through Your Trial", "Demo CMS")

    jobs, mails = trial.pass_over(began + 13 * DAY)
    assert jobs == ["send_one_day_left_emails"]
    reminder = assert_reads(mails, "One Day Left in Your Trial", "Demo CMS")
    extend_once(trial, link_in(reminder, "/extend"), began)

    jobs, mails = trial.pass_over(began + 15 * DAY)
    assert jobs == ["send_one_day_left_emails"]
    assert "/extend" not in assert_reads(mails, "One Day Left in Your Trial", "Demo CMS")

    end_and_remove(trial, began + 16 * DAY)
    removed_at = house.row(trial.uuid).removed_at
    assert removed_at is not None
    assert removed_at - began < 16 * DAY + 10 * MINUTE
    assert house.dagster.get_dynamic_partitions("app_instance") == [trial.uuid]

    jobs, mails = trial.pass_over(removed_at + 14 * DAY)
    assert (jobs, mails) == (
        ["begin_project_purges", "purge_projects", "begin_project_purges"], []
    )  # fmt: skip
    assert_nothing_is_left(trial, name)
    assert_quiet(trial)


def extend_once(trial: Trial, link: str, began: datetime) -> None:
    """Let the person press the button as often as they like."""
    assert press(trial, link).found is Found.EXTENDED
    for _ in range(2):
        assert press(trial, link).found in {Found.EXTENDED, Found.REFUSAL}
    assert trial.house.row(trial.uuid).trial_ends_at == began + 16 * DAY
    assert trial.pass_over(began + 14 * DAY) == ([], [])


def end_and_remove(trial: Trial, ends_at: datetime) -> None:
    """Let the trial end, and Lagoon remove its environment."""
    house = trial.house
    jobs, mails = trial.pass_over(ends_at)
    assert jobs[:2] == ["send_trial_complete_emails", "remove_ended_trials"]
    assert set(jobs[2:]) == {"remove_instances"}
    assert_reads(mails, "Your Trial Has Ended", "Demo CMS")
    assert (house.row(trial.uuid).status, house.row(trial.uuid).trial_completed) == (
        "remove-running",
        True,
    )
    house.move(60)
    assert set(house.pass_a_minute()) == {"remove_instances"}
    assert house.row(trial.uuid).status == REMOVED


def assert_nothing_is_left(trial: Trial, name: str) -> None:
    """Assert that project, secrets and partition are gone, and that the story stays."""
    house = trial.house
    row = house.row(trial.uuid)
    assert (row.status, row.status_message) == (REMOVED, "Delete the Lagoon project: done")
    assert (row.admin_password, row.login_url, row.login_valid_until) == ("", None, None)
    assert row.purged_at is not None
    assert name not in [project["name"] for project in house.state("projects")]
    assert house.dagster.get_dynamic_partitions("app_instance") == []
    story = trial.story()
    assert [(mail.kind, mail.state) for mail in story.mails] == [
        ("ready", "sent"),
        ("midtrial", "sent"),
        ("one_day_left", "sent"),
        ("one_day_left", "sent"),
        ("trial_complete", "sent"),
    ]
    walked = [to for _, _, to in story.transitions]
    assert [s for s in walked if s in (CLAIMED, REMOVED)] == [CLAIMED, REMOVED, REMOVED]
    assert len(set(walked)) == len(walked) - 1
    assert any(line.message == "Lagoon project deleted" for line in story.log)


def assert_quiet(trial: Trial) -> None:
    """Assert that nothing is left to do, a day and a month later."""
    house = trial.house
    for days in (1, 30):
        noon = (house.clock.now() + days * DAY).replace(hour=12, minute=0)
        house.move_to(noon)
        for name, minute in ALL_SCHEDULES.items():
            if name != "retention":  # by then there is old history to take away
                asked = house.tick_schedule(name, noon.replace(minute=minute))
                assert (asked, bool(house.skipped)) == ([], True), name
    assert trial.mails() == []
