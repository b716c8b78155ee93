"""One house without Dagster: ticks hand over, runs work their legs.

Time is a clock that only the house moves, so back-offs, leases and deadlines cost no waiting.
"""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import select

from polydock_pipelines.actions.advance import Visit
from polydock_pipelines.actions.endpoints import probe_others
from polydock_pipelines.actions.hand_over import hand_over_due, hand_over_ended, hand_over_new
from polydock_pipelines.actions.purge import (
    begin_due_purges,
    is_failure_stale,
    is_purge_due,
    purge_instance,
    sweep_failures,
)
from polydock_pipelines.actions.register import RegisterType, Signup, register
from polydock_pipelines.actions.runs import JOBS
from polydock_pipelines.actions.trials import (
    is_reminder_due,
    is_removal_due,
    remove_ended_trials,
    write_reminders,
)
from polydock_pipelines.actions.watch import look
from polydock_pipelines.actions.work import Leg, begin_run, end_run, work_leg
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.handovers import Chunk
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.db.trials import LEAVING
from polydock_pipelines.lifecycle.mails import MailKind
from polydock_pipelines.lifecycle.table import FAILED, UNSTABLE, Kind, leg_of, legs_of
from polydock_pipelines.ports import Lagoon, Ports
from tests.baddays.meddling import WorkerDiedError
from tests.fakes.clock import FakeClock
from tests.makers import a_book

TICK = 5.0
LONGEST_PAUSE = 240.0
ASKED_ANYWAY = 7
"""Odd: the two questions of a tick take turns."""
MINUTE = timedelta(minutes=1)
FAILED_RETENTION = timedelta(days=7)
AFTER_DEATH = timedelta(seconds=100)
"""When the lease and the hand-over of a worker that died have run out."""
CALENDAR = select(
    AppInstance.status,
    AppInstance.updated_at,
    AppInstance.trial_ends_at,
    AppInstance.midtrial_email_at,
    AppInstance.one_day_left_email_at,
    AppInstance.purge_eligible_at,
).where(AppInstance.purged_at.is_(None))
LOOKS = select(AppInstance.status, AppInstance.next_check_at)


def work_run(database: Database, ports: Ports, chunk: Chunk) -> list[Visit]:
    """Do what the job of the chunk's kind does, leg by leg."""
    book, run_id, visits = a_book(database), str(uuid.uuid4()), list[Visit]()
    for name in legs_of(chunk.kind):
        leg = Leg(chunk.kind, name, chunk.handover_id, run_id)
        if leg.is_first:
            begin_run(book, ports, leg)
        report = work_leg(book, ports, leg)
        if any(WorkerDiedError.__name__ in bug for bug in report.bugs):
            raise WorkerDiedError  # a dead worker gives nothing back
        visits += report.visits
        if not report.going_on:
            break
    end_run(book, ports, run_id)
    return visits


@dataclass(frozen=True)
class AiThing:
    """A key, user or team at amazee.ai."""

    kind: str
    """key, user or team."""
    name: str
    """A user's is its address."""


@dataclass
class House:
    """A database, a Lagoon, a clock, and the person who turns the handle."""

    database: Database
    clock: FakeClock
    ports: Ports
    """What the runs use."""
    eye: Lagoon
    """What the sensor looks with."""
    builds: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]], init=False)
    """Every build ever seen; Lagoon forgets those of a removed environment."""

    asked: Iterator[int] = field(default_factory=count, init=False)
    """How often we looked for ourselves whether anything may be due."""

    def projects(self) -> list[dict[str, Any]]:
        """Return the projects in Lagoon: `name`, `gitUrl`, `metadata`."""
        raise NotImplementedError

    def builds_now(self) -> list[dict[str, Any]]:
        """Return the builds in Lagoon: `id`, `project`, `bulkId`."""
        raise NotImplementedError

    def ai_things(self) -> list[AiThing]:
        """Return what stands at amazee.ai."""
        raise NotImplementedError

    def register(self, app: str, email: str) -> str:
        """Register somebody for a trial and return the instance's uuid."""
        signup = Signup(
            RegisterType.REQUEST_TRIAL,
            email=email,
            first_name="Ada",
            last_name="Lovelace",
            trial_app=app,
            aup_and_privacy_acceptance=1,
        )
        made = register(self.database, signup, self.clock.now()).instance_uuid
        assert made is not None
        return made

    def ask_for_purge(self, which: str) -> None:
        """Ask for the purge of a removed instance, whatever is left of its grace."""
        purge_instance(a_book(self.database), which, self.clock.now(), by="a test")

    def keep_time(self) -> None:
        """Do what the calendar has due, as the schedules do."""
        now, book = self.clock.now(), a_book(self.database)
        if not (self._asks_all() or self._has_the_calendar_any(now)):
            return
        for kind in (MailKind.MIDTRIAL, MailKind.ONE_DAY_LEFT):
            if is_reminder_due(book, now, kind):
                write_reminders(book, now, kind)
        if is_removal_due(book, now):
            remove_ended_trials(book, now)
        if is_purge_due(book, now):
            begin_due_purges(book, now)
        if is_failure_stale(book, FAILED_RETENTION, now):
            sweep_failures(book, FAILED_RETENTION, now)

    def due(self) -> list[Chunk]:
        """Hand over what is due, as the three sensors do."""
        now, book = self.clock.now(), a_book(self.database)
        chunks = hand_over_new(book, now, "signups")
        chunks += hand_over_ended(book, look(book, self.eye, now).by_kind, now, "builds")
        probe_others(book, now)
        looked_at = set(JOBS) if self._asks_all() else self._kinds_looked_at(now)
        for kind in JOBS:
            if kind in looked_at:
                chunks += hand_over_due(book, kind, now, "due_instances")
        return chunks

    def _asks_all(self) -> bool:
        """Whether to ask the product although nothing seems due: it might do something early."""
        return next(self.asked) % ASKED_ANYWAY == 0

    def _has_the_calendar_any(self, now: datetime) -> bool:
        """Whether it may have: most ticks find nothing, and shall cost one look."""
        with self.database.read() as session:
            rows = session.execute(CALENDAR).tuples().all()
        return any(
            (status in FAILED and since < now - FAILED_RETENTION)
            or any(date and date <= now for date in (dates if status in LEAVING else (end, *dates)))
            for status, since, end, *dates in rows
        )

    def _kinds_looked_at(self, now: datetime) -> set[Kind]:
        with self.database.read() as session:
            rows = session.execute(LOOKS).tuples().all()
        return {leg[0] for status, at in rows if at and at <= now and (leg := leg_of(status))}

    def tick(self) -> list[Visit]:
        """Keep time, hand over what is due and work it."""
        self.keep_time()
        visits = [v for chunk in self.due() for v in work_run(self.database, self.ports, chunk)]
        self.look_at_builds()
        return visits

    def go_on(self, until: Callable[[], bool] | None = None, patience: timedelta | None = None):
        """Tick and move the clock until everything rests, *until* is true, or patience ends."""
        patience = patience or 240 * MINUTE
        end, pause = self.clock.now() + patience, TICK
        is_for_days = patience >= timedelta(days=1)
        longest = patience.total_seconds() / 200 if is_for_days else LONGEST_PAUSE
        still = {"unreachable", "waiting"} if is_for_days else {"unreachable"}
        while not (until or self.is_at_rest)() and self.clock.now() < end:
            has_moved = any(visit.outcome not in still for visit in self.tick())
            pause = TICK if has_moved else min(pause * 2, longest)
            self.clock.advance(pause)

    def row(self, which: str) -> AppInstance:
        """Return an instance as it is now, detached."""
        with self.database.read() as session:
            return session.query(AppInstance).filter_by(uuid=which).one()

    def is_at_rest(self) -> bool:
        """Whether nobody has to act on any instance."""
        with self.database.read() as session:
            return not session.query(AppInstance).filter(AppInstance.status.in_(UNSTABLE)).count()

    def stands(self, which: str, status: str) -> Callable[[], bool]:
        """Return a question: does the instance stand in *status*?"""
        return lambda: self.row(which).status == status

    def look_at_builds(self) -> None:
        """Remember the builds that stand now."""
        for build in self.builds_now():
            self.builds[build["id"]] = build

    def builds_of(self, which: str) -> list[dict[str, Any]]:
        """Return every build that the instance's project ever had, oldest first."""
        self.look_at_builds()
        return self.builds_of_project(self.row(which).name)

    def builds_of_project(self, name: str) -> list[dict[str, Any]]:
        """Return every build seen so far in a project, oldest first."""
        return [build for _, build in sorted(self.builds.items()) if build["project"] == name]
