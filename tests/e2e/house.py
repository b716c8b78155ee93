"""What the daemon does, one tick at a time: a sensor is evaluated, its requests become runs."""

import importlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from polydock_pipelines.actions.register import RegisterType, Signup, register
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.settings import settings
from polydock_pipelines.simulator.simulator import Simulator
from polydock_pipelines.simulator.snapshot import snapshot
from tests.baddays.offers import Offer, put_on_offer

KEY = urlsafe_b64encode(b"a key for tests of 32 bytes long").decode()
"""The key of `tests.makers.VAULT`."""
EVENTS = 1000
SENSORS = ("signups", "builds", "due_instances", "emails")
SCHEDULES = (
    *("midtrial_emails", "one_day_left_emails", "trial_complete_emails", "trial_removals"),
    "project_purges",
)
"""Those that tick each minute."""
DAGSTERS_WARNINGS = [
    # Dagster 1.13 reads pydantic's fields by their first name.
    pytest.mark.filterwarnings(
        "ignore:The `__fields__` attribute:pydantic.warnings.PydanticDeprecatedSince20"
    ),
    # It builds sensors with beta parameters of its own.
    pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning"),
]
"""For tests that load definitions."""


def load_definitions(resources: Mapping[str, object] | None = None) -> dg.Definitions:
    """Return the definitions; imported late, since marks do not hold while tests are collected."""
    return importlib.import_module("polydock_pipelines.definitions").build_defs(resources)


@dataclass
class ShiftedClock:
    """The real time, moved on by some seconds; POLYDOCK_CLOCK says the same to our code."""

    seconds: float = 0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.seconds)

    def calendar(self, now: datetime) -> datetime:
        return now


def environment(simulator: Simulator, database_url: str, home: Path) -> dict[str, str]:
    """Return the variables that lead our code to this house."""
    return {
        **simulator.environment,
        "POLYDOCK_HOME": str(home / "home"),
        "POLYDOCK_DATABASE_URL": database_url,
        "POLYDOCK_SECRET_KEYS": KEY,
        "POLYDOCK_CLOCK": "",
    }


@dataclass
class House:
    """Dagster, our database and Lagoon."""

    dagster: dg.DagsterInstance
    database: Database
    lagoon: Simulator
    clock: ShiftedClock
    monkeypatch: pytest.MonkeyPatch
    storage: Path
    defs: dg.Definitions = field(default_factory=load_definitions)
    skipped: str = ""
    """Why the last sensor skipped."""
    runs: list[dg.ExecuteInProcessResult] = field(default_factory=list[dg.ExecuteInProcessResult])

    def move(self, seconds: float) -> None:
        """Let time pass, here and in Lagoon."""
        self.clock.seconds += seconds
        self.monkeypatch.setenv("POLYDOCK_CLOCK", f"offset:{self.clock.seconds}")
        settings.cache_clear()

    def sign_up(
        self, offer: Offer, people: int = 1, fields: Mapping[str, str] | None = None
    ) -> list[str]:
        """Register some people for one app and return their instances' uuids."""
        app, made = put_on_offer(self.database, offer), list[str]()
        for n in range(people):
            signup = Signup(
                RegisterType.REQUEST_TRIAL,
                email=f"person{n}@example.com",
                trial_app=app,
                aup_and_privacy_acceptance=1,
                fields=dict(fields or {}),
            )
            made.append(register(self.database, signup, self.clock.now()).instance_uuid or "")
        return made

    def tick(self, sensor: str) -> list[dg.RunRequest]:
        """Evaluate a sensor as the daemon does, its asset events included."""
        defs = self.defs
        definition = defs.resolve_sensor_def(sensor)
        with dg.build_sensor_context(instance=self.dagster, resources=defs.resources) as context:
            seen = definition.evaluate_tick(context)
        self.skipped = seen.skip_message or ""
        for event in seen.asset_events:
            assert isinstance(event, dg.AssetMaterialization)
            self.dagster.report_runless_asset_event(event)
        requests = [
            # A sensor of a single job names none.
            one if one.job_name else one.with_replaced_attrs(job_name=definition.job_name)
            for one in seen.run_requests or ()
        ]
        for request in requests:
            job = defs.resolve_job_def(request.job_name or "")
            assert dg.validate_run_config(job, request.run_config)
        return requests

    def move_to(self, moment: datetime) -> None:
        """Let time pass until *moment*."""
        self.move((moment - self.clock.now()).total_seconds())

    def tick_schedule(self, name: str, at: datetime | None = None) -> list[dg.RunRequest]:
        """Evaluate a schedule as the daemon does, at this minute or *at* another."""
        defs, minute = self.defs, (at or self.clock.now()).replace(second=0, microsecond=0)
        schedule = defs.resolve_schedule_def(name)
        with dg.build_schedule_context(
            instance=self.dagster, scheduled_execution_time=minute, resources=defs.resources
        ) as context:
            seen = schedule.evaluate_tick(context)
        self.skipped = seen.skip_message or ""
        return [
            dg.RunRequest(
                job_name=schedule.job_name, run_config=request.run_config, tags=request.tags
            )
            for request in seen.run_requests or ()
        ]

    def pass_a_minute(self) -> list[str]:
        """Evaluate what the daemon does each minute, and run it; return the jobs that ran.

        Again and again, until nothing is asked for: runs find more to do.
        """
        ran = list[str]()
        while requests := [
            *(request for name in SCHEDULES for request in self.tick_schedule(name)),
            *(request for name in SENSORS for request in self.tick(name)),
        ]:
            for request in requests:
                assert self.run(request).success
                ran.append(request.job_name or "")
        return ran

    def run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        """Execute a request's run in this process, red or green."""
        defs = self.defs
        job = defs.resolve_job_def(request.job_name or "")
        run = job.execute_in_process(
            run_config=request.run_config,
            tags=request.tags,
            instance=self.dagster,
            raise_on_error=False,
        )
        self.runs.append(run)
        return run

    def tick_and_run(self, sensor: str) -> list[dg.ExecuteInProcessResult]:
        """Evaluate a sensor and run what it asks for."""
        return [self.run(request) for request in self.tick(sensor)]

    def row(self, uuid: str) -> AppInstance:
        """Return an instance as it is now."""
        with self.database.read() as session:
            return session.query(AppInstance).filter_by(uuid=uuid).one()

    def statuses(self) -> set[str]:
        """Return the statuses that occur."""
        with self.database.read() as session:
            return {row.status for row in session.query(AppInstance)}

    def state(self, part: str) -> Any:
        """Return a part of the simulated Lagoon's state."""
        return self.lagoon._call(lambda world: snapshot(world, (part,)))[part]

    def materializations(self) -> list[dg.AssetMaterialization]:
        """Return all materializations of `app_instances`, newest first."""
        found = self.dagster.fetch_materializations(dg.AssetKey("app_instances"), limit=EVENTS)
        return [r.asset_materialization for r in found.records if r.asset_materialization]

    def shown(self, uuid: str) -> list[str]:
        """Return the statuses that the partition of an instance has shown, oldest first."""
        mine = [m for m in self.materializations() if m.partition == uuid]
        return [str(m.metadata["status"].value) for m in reversed(mine)]


def failure_of(run: dg.ExecuteInProcessResult, op: str) -> Any:
    """Return what an op that failed has to say: its description and metadata."""
    (event,) = [e for e in run.events_for_node(op) if e.is_step_failure]
    return event.step_failure_data.user_failure_data
