"""Random lives: everything that may happen, in any order, on a real database.

Hypothesis draws the steps. After each step nothing is doubled and nothing without an owner; at the
end the weather clears up, and everything must come to rest as if it had been a good day.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from polydock_pipelines.actions.debts import settle_debts
from polydock_pipelines.actions.extend import (
    End,
    extend_by_person,
    extend_trial,
    keep_instance,
    read_offer,
)
from polydock_pipelines.actions.operate import (
    remove_instance,
    retry_instance,
    upgrade_instance,
)
from polydock_pipelines.actions.pause import pause, resume
from polydock_pipelines.actions.purge import call_off_purge, purge_instance, restore_instance
from polydock_pipelines.actions.report_health import report_health
from polydock_pipelines.actions.stuck import end_instance, mend_stuck
from polydock_pipelines.db import debts
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.places import health_door
from polydock_pipelines.lifecycle.mails import MailKind
from polydock_pipelines.lifecycle.status import RUNNING
from polydock_pipelines.lifecycle.transitions import NotAllowedError
from polydock_pipelines.lifecycle.trials import TrialError
from polydock_pipelines.lifecycle.work import ALL, Work
from polydock_pipelines.ports import CommandResult, Container, Ports
from tests.baddays.fake_house import FakeHouse
from tests.baddays.house import AFTER_DEATH, FAILED_RETENTION
from tests.baddays.meddling import WorkerDiedError, watched, watched_lagoon
from tests.baddays.offers import CLAIM, EACH_TYPE, LOGIN_URL, PLAIN, Offer, put_on_offer
from tests.baddays.soundness import assert_at_any_time, assert_sealed, assert_sound
from tests.baddays.weather import TROUBLES, WORST, Trouble, Weather
from tests.fakes.amazee_ai import FakeAmazeeAi
from tests.fakes.clock import FakeClock
from tests.fakes.lagoon import FakeLagoon
from tests.fakes.shell import FakeShell, result
from tests.makers import a_book

MOST_INSTANCES = 5
SETTLES_WITHIN = timedelta(days=4)
"""Back-offs, deadlines, and a clock that was set back by a day."""
BUILD_ENDS = ("complete", "failed", "cancelled", "error", None)
SCRIPTS = ("post-deploy", CLAIM, "pre-upgrade", "upgrade", "post-upgrade", "pre-remove", "remove")
TELLS = {CLAIM: "tell-the-url"}
OFFERS = {
    "no scripts": PLAIN,
    "a claim script": Offer(scripts=TELLS),
    "all scripts": Offer(scripts=dict.fromkeys(SCRIPTS, "do-it")),
    "credentials": replace(EACH_TYPE["polydock-app-ai"], scripts=TELLS),
    "a build at the claim": replace(EACH_TYPE["anything-llm"], scripts=TELLS),
    "a team": replace(EACH_TYPE["private-gpt"], scripts=TELLS),
}
A_TROUBLE = st.one_of(st.sampled_from(WORST), st.sampled_from(TROUBLES))
AI_CHANGES = {
    *("users.create", "users.create_token", "users.delete", "keys.create", "keys.delete"),
    *("keys.cap", "teams.create", "teams.delete"),
}
LAGOON_LOOKS = {
    *("project_by_name", "environment_by_name", "by_bulk_ids", "running", "standing"),
    *("names_of", "projects_of", "ping"),
}
BRAKES = (ALL, Work.PROVISIONING, Work.REMOVAL, Work.PURGE)
CALENDAR = ("the trial", "the grace", "the patience with a failure")
TRIAL_ACTS = ("extend", "end soon", "keep", "press", "purge", "cancel", "restore")
AFTER_REMOVAL = ("restore", "purge", "the end of its grace")
TRIALS = {
    "trial_extension_days": 3,
    "trial_max_days": 20,
    "mails": {kind.value: {"enabled": True} for kind in MailKind},
}
STAGE = re.compile(r"^# polydock-stage: (\S+)$", re.M)

Open = Callable[[], Database]
"""Returns a migrated database without a row."""


def machine(open_database: Open) -> type[RuleBasedStateMachine]:
    """Return a state machine whose scenarios each begin on a database of *open_database*."""

    class Scenario(Life):
        def __init__(self) -> None:
            super().__init__(open_database())

    return Scenario


class Life(RuleBasedStateMachine):
    """One scenario: instances, and all that may happen to them."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.clock, self.book = FakeClock(), a_book(database)
        self.build_ends: str | None = "complete"
        self.exit_code = 0
        self.lagoon = FakeLagoon(
            self.clock,
            build_takes=timedelta(seconds=10),
            build_status=lambda _build: self.build_ends,
            removal_takes=timedelta(seconds=5),
        )
        self.weather = Weather(self.clock, others=self._others_work, meddle=self._ask_for_a_removal)
        self.ai = FakeAmazeeAi()
        ports = Ports(
            lagoon=self.lagoon,
            shell=FakeShell(run_script=self._answer),
            amazee_ai=self.ai,
            clock=self.clock,
            public_key_of=self.lagoon.state.public_key_of,
        )
        self.house = FakeHouse(
            database,
            self.clock,
            watched(ports, self.weather),
            watched_lagoon(self.lagoon, self.weather),
            lagoon=self.lagoon,
            ai=self.ai,
        )
        self.db = database
        self.uuids: list[str] = []
        self.people = count(1)
        self.app = ""

    def _answer(self, _at: Container, script: str) -> CommandResult:
        if self.exit_code:
            code, self.exit_code = self.exit_code, 0
            return result(exit_code=code)
        found = STAGE.search(script)
        assert found
        return result(LOGIN_URL if found[1] == CLAIM else "well")

    # -- people

    @initialize(
        offer=st.sampled_from(sorted(OFFERS)),
        hidden_s=st.sampled_from([0, 45]),
        troubles=st.lists(A_TROUBLE, min_size=1, max_size=8),
        ticks=st.integers(1, 6),
    )
    def open_a_store(self, offer: str, hidden_s: int, troubles: list[Trouble], ticks: int) -> None:
        for trouble in troubles:
            self.weather.plan(trouble)
        self.app = put_on_offer(
            self.db, replace(OFFERS[offer], app={**OFFERS[offer].app, **TRIALS})
        )
        self.lagoon.state.shows_builds_after = timedelta(seconds=hidden_s)
        self.sign_up()
        self.time_passes(ticks)

    @precondition(lambda self: len(self.uuids) < MOST_INSTANCES)
    @rule()
    def sign_up(self) -> None:
        self.uuids.append(self.house.register(self.app, f"person{next(self.people)}@example.com"))

    # -- Dagster

    @rule(ticks=st.integers(2, 6))
    def time_passes(self, ticks: int = 1) -> None:
        for _ in range(ticks):
            self.house.tick()
            self.clock.advance(15)

    @rule()
    def a_run_is_lost(self) -> None:
        self.house.due()

    @precondition(lambda self: self.house.chunks)
    @rule(data=st.data())
    def a_run_begins_late_or_again(self, data: st.DataObject) -> None:
        self.house.work(data.draw(st.sampled_from(self.house.chunks)))

    @rule()
    def somebody_looks_for_what_is_stuck(self) -> None:
        mend_stuck(self.book, self.clock.now())

    @rule()
    def somebody_settles_debts(self) -> None:
        with suppress(WorkerDiedError):
            self._settle()

    def _settle(self) -> None:
        ports = self.house.ports
        settle_debts(self.book, ports.lagoon, ports.amazee_ai, self.clock.now())

    # -- the outside

    @rule(trouble=A_TROUBLE)
    def trouble_is_ahead(self, trouble: Trouble) -> None:
        self.weather.plan(trouble)
        self.time_passes()

    @rule()
    def lagoon_goes_or_comes_back(self) -> None:
        self.weather.is_away = not self.weather.is_away
        self.time_passes()

    @rule(ends=st.sampled_from(BUILD_ENDS))
    def builds_end_like_this(self, ends: str | None) -> None:
        self.build_ends = ends
        self.time_passes()

    @rule(code=st.sampled_from([1, 86, 137]))
    def the_next_script_fails(self, code: int) -> None:
        self.exit_code = code
        self.time_passes()

    @rule()
    def somebody_deletes_an_environment_in_lagoon(self) -> None:
        for environment in self.lagoon.state.environments[:1]:
            environment.gone_at = self.clock.now()
            self.house.forget_builds_of(environment)
        self.time_passes()

    @rule(
        by=st.sampled_from(
            [
                timedelta(seconds=40),
                timedelta(minutes=3),
                timedelta(minutes=50),
                timedelta(days=1),
                timedelta(days=-1),
                timedelta(minutes=-2),
            ]
        )
    )
    def the_clock_jumps(self, by: timedelta) -> None:
        self.clock.advance(by)
        self.time_passes()

    @rule(which=st.integers(0, MOST_INSTANCES), over=st.sampled_from(CALENDAR))
    def the_calendar_goes_on(self, which: int, over: str) -> None:
        moment = self._moment(self.uuids[which % len(self.uuids)], over)
        if moment is not None and self.clock.at < moment:
            self.clock.at = moment
        self.time_passes(3)

    @rule(which=st.integers(0, MOST_INSTANCES), then=st.sampled_from(AFTER_REMOVAL))
    def a_removal_is_followed_by_more(self, which: int, then: str) -> None:
        uuid = self.uuids[which % len(self.uuids)]
        with suppress(NotAllowedError):
            remove_instance(self.db, uuid, self.clock.now(), by="a test")
        self.time_passes(6)
        if then == "the end of its grace":
            self.the_calendar_goes_on(which, "the grace")
        else:
            self.somebody_decides_over_a_trial(which, then)

    def _moment(self, uuid: str, over: str) -> datetime | None:
        row = self.house.row(uuid)
        if over == "the patience with a failure":
            return row.updated_at + FAILED_RETENTION + timedelta(seconds=1)
        return row.purge_eligible_at if over == "the grace" else row.trial_ends_at

    # -- operators and apps

    @rule(which=st.integers(0, MOST_INSTANCES), act=st.sampled_from(TRIAL_ACTS))
    def somebody_decides_over_a_trial(self, which: int, act: str) -> None:
        uuid, now = self.uuids[which % len(self.uuids)], self.clock.now()
        with suppress(NotAllowedError, TrialError):
            match act:
                case "extend":
                    extend_trial(self.book, uuid, End(days=7), now, by="a test")
                case "end soon":
                    end = End(at=now + timedelta(minutes=1))
                    extend_trial(self.book, uuid, end, now, by="a test")
                case "keep":
                    keep_instance(self.book, uuid, now, by="a test")
                case "press":
                    offer = read_offer(self.book, uuid, now)
                    if offer is not None:
                        extend_by_person(self.book, uuid, offer.ends_at, now)
                case "purge":
                    purge_instance(self.book, uuid, now, by="a test")
                case "cancel":
                    call_off_purge(self.book, uuid, now, by="a test")
                case _:
                    restore_instance(self.book, uuid, now, by="a test")
        self.time_passes(3)

    @rule(which=st.integers(0, MOST_INSTANCES), data=st.data())
    def an_operator_acts(self, which: int, data: st.DataObject) -> None:
        uuid, now = self.uuids[which % len(self.uuids)], self.clock.now()
        act = data.draw(st.sampled_from(["remove", "retry", "upgrade", "end"]))
        with suppress(NotAllowedError):
            match act:
                case "remove":
                    remove_instance(self.db, uuid, now, by="a test")
                case "retry":
                    retry_instance(self.db, uuid, now, by="a test")
                case "upgrade":
                    upgrade_instance(self.db, uuid, now, by="a test")
                case _:
                    end_instance(self.book, uuid, now, by="a test", reason="it is time")
        self.time_passes()

    @rule(work=st.sampled_from(BRAKES))
    def an_operator_pauses(self, work: str) -> None:
        pause(self.db, self.clock.now(), work=work, by="a test")
        self.time_passes()

    @rule(work=st.sampled_from(BRAKES))
    def an_operator_resumes(self, work: str) -> None:
        resume(self.db, self.clock.now(), work=work, by="a test")
        self.time_passes()

    @rule(which=st.integers(0, MOST_INSTANCES), told=st.sampled_from(sorted(RUNNING)))
    def an_app_tells_its_health(self, which: int, told: str) -> None:
        uuid = self.uuids[which % len(self.uuids)]
        token = self.db.vault.token(health_door(uuid))
        with suppress(NotAllowedError):
            report_health(self.db, uuid, token, told, self.clock.now())
        self.time_passes()

    def _others_work(self) -> None:
        self.house.tick()

    def _ask_for_a_removal(self) -> None:
        with suppress(NotAllowedError):
            remove_instance(self.db, self.uuids[0], self.clock.now(), by="a test")

    # -- what must hold

    @invariant()
    def nothing_is_doubled_or_without_an_owner(self) -> None:
        assert_at_any_time(self.house)

    def teardown(self) -> None:
        """Let the weather clear up: everything comes to rest, and then nothing moves it."""
        if not self.app:
            return
        self.weather.is_away = False
        self.build_ends, self.exit_code = "complete", 0
        self.lagoon.state.shows_builds_after = timedelta(0)
        for work in BRAKES:
            resume(self.db, self.clock.now(), work=work, by="a test")
        self.clock.advance(AFTER_DEATH)
        self.house.go_on(patience=SETTLES_WITHIN)
        self.house.keep_time()  # a purge that was to follow a removal begins
        self.house.go_on(patience=SETTLES_WITHIN)
        assert self.house.is_at_rest(), self._statuses()
        for _ in range(20):  # trouble that was planned may still come, once each
            if not debts.all_of(self.db):
                break
            with suppress(WorkerDiedError):
                self._settle()
        assert not debts.all_of(self.db), "the weather is fine, and yet something is owed"
        assert_sound(self.house)
        assert_sealed(self.db)
        before = self._statuses(), self._changes()
        for chunk in self.house.chunks:
            self.house.work(chunk)
        self.clock.advance(timedelta(days=1))
        for chunk in self.house.due():  # without the calendar: a day more has something due
            self.house.work(chunk)
        assert (self._statuses(), self._changes()) == before, "a run that had nothing to do did it"

    def _statuses(self) -> list[tuple[str, str, int]]:
        with self.db.read() as session:
            rows = session.query(AppInstance).order_by(AppInstance.id)
            return [(row.status, row.status_message, row.event_sequence) for row in rows]

    def _changes(self) -> int:
        changes = sum(call.operation not in LAGOON_LOOKS for call in self.lagoon.calls)
        return changes + sum(name in AI_CHANGES for name in self.ai.operations())
