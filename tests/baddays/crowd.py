"""Hundreds of instances in flight, written into the database and Lagoon as real work leaves them.

To bring them there by real work would take minutes; what they do from here on is all real.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain, repeat

from sqlalchemy.orm import Session

from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.instances import AppInstance
from polydock_pipelines.lifecycle.instance import bulk_id
from polydock_pipelines.lifecycle.table import UNSTABLE
from polydock_pipelines.ports import Deployment, Environment, EnvironmentRef, Ports, Project
from polydock_pipelines.steps.variables import MARKER
from tests.baddays.fake_house import FakeHouse
from tests.baddays.meddling import Hook, watched, watched_lagoon
from tests.baddays.offers import LOGIN_URL
from tests.fakes.amazee_ai import FakeAmazeeAi
from tests.fakes.clock import START, FakeClock
from tests.fakes.lagoon import FakeLagoon
from tests.fakes.shell import FakeShell, result
from tests.makers import (
    GIT_URL,
    make_group,
    make_instance_row,
    make_registration,
    make_store,
    make_store_app,
)

SCRIPTS = {"polydock-claim": "tell-the-url"}
NOT_IN_LAGOON = {"pending-pre-create", "pre-create-running"}
BUILDING, LEAVING, GONE = "deploy-running", "remove-running", "post-remove-running"
TAKES = timedelta(minutes=10)
"""How long Lagoon goes on building, and removing."""


@dataclass
class InLagoon:
    """What Lagoon knows of the crowd."""

    projects: list[Project] = field(default_factory=list[Project])
    environments: dict[EnvironmentRef, Environment] = field(
        default_factory=dict[EnvironmentRef, Environment]
    )
    builds: list[tuple[EnvironmentRef, Deployment]] = field(
        default_factory=list[tuple[EnvironmentRef, Deployment]]
    )

    def add(self, row: AppInstance, number: int) -> None:
        """Let Lagoon have what an instance in that status has there."""
        if row.status in NOT_IN_LAGOON:
            return
        ref = EnvironmentRef(number, row.branch)
        self.projects.append(
            Project(number, row.name, row.organization_id, GIT_URL, {MARKER: row.uuid})
        )
        if row.status != GONE:
            route = f"https://{row.name}.example.com"
            shown = Environment(10_000 + number, row.branch, f"{row.name}-main", route, (route,))
            self.environments[ref] = shown
            status = "running" if row.status == BUILDING else "complete"
            build = Deployment(20_000 + number, f"lagoon-build-{number}", status, _bulk_id(row))
            self.builds.append((ref, build))


def _bulk_id(row: AppInstance) -> str:
    return bulk_id(row.uuid, "deploy", 1)


def crowd(database: Database, counts: Mapping[str, int], hook: Hook) -> FakeHouse:
    """Return a house in which so many instances stand in each status; *hook* hears every call."""
    known, clock = InLagoon(), FakeClock()
    statuses = chain.from_iterable(repeat(status, n) for status, n in counts.items())
    with database.write() as session:
        app = make_store_app(session, make_store(session), scripts=SCRIPTS)
        group = make_group(session)
        for number, status in enumerate(statuses, start=1):
            row = make_instance_row(
                session, app, status=status, group=group, user_email=f"person{number}@example.com"
            )
            make_registration(session, row)
            known.add(row, number)
            _note_facts(row, number)
        session.flush()
    lagoon = FakeLagoon(
        clock,
        projects=known.projects,
        environments=known.environments,
        builds=known.builds,
        build_takes=TAKES,
        removal_takes=TAKES,
    )
    _let_leave(database, lagoon)
    shell = FakeShell(run_script=lambda _at, _script: result(LOGIN_URL))
    ports = Ports(
        lagoon=lagoon,
        shell=shell,
        amazee_ai=FakeAmazeeAi(),
        clock=clock,
        public_key_of=lagoon.state.public_key_of,
    )
    eye = watched_lagoon(lagoon, hook)
    return FakeHouse(database, clock, watched(ports, hook), eye, lagoon=lagoon)


def _note_facts(row: AppInstance, number: int) -> None:
    if row.status in NOT_IN_LAGOON:
        return
    row.lagoon_project_id, row.build_bulk_id = number, _bulk_id(row)
    row.build_name = f"lagoon-build-{number}"
    row.build_status = "running" if row.status == BUILDING else "complete"
    if row.status in {BUILDING, LEAVING}:
        row.next_check_at = row.deadline  # its sensor brings it forward


def _let_leave(database: Database, lagoon: FakeLagoon) -> None:
    with database.read() as session:
        leaving = session.query(AppInstance.lagoon_project_id).filter_by(status=LEAVING)
        going = {number for (number,) in leaving}
    for stored in lagoon.state.environments:
        if stored.project_id in going:
            stored.gone_at = START + TAKES


def in_flight(session: Session) -> int:
    """Return how many instances somebody has to act on."""
    return session.query(AppInstance).filter(AppInstance.status.in_(UNSTABLE)).count()
