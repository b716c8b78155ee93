"""Old history goes from Dagster's storage and our tables: schedule, run, rows and files.

Dagster's own tables are aged here, since its clock cannot be moved.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.runs.schema import RunsTable, RunTagsTable
from sqlalchemy import Table, func, select, update

from polydock_pipelines.assets.app_instances import catch_up
from polydock_pipelines.assets.dagster_history import NO_RUN, SUFFIXES, dagster_piles, delete_run
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.operations import Handover
from polydock_pipelines.settings import settings
from tests.e2e.house import DAGSTERS_WARNINGS, KEY, load_definitions
from tests.makers import VAULT, change_row, instance_row, new_instance
from tests.postgres import PostgresServer

pytestmark = DAGSTERS_WARNINGS

ASSET = dg.AssetKey("app_instances")
LONG_AGO = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=15)
CLAIMED = "running-healthy-claimed"
Statuses = dg.DagsterRunStatus


@dataclass
class Archive:
    """A Dagster instance with a history, and our database beside it."""

    dagster: dg.DagsterInstance
    database: Database
    storage: Path
    defs: dg.Definitions = field(default_factory=load_definitions)

    def run(self, **config: Any) -> dg.ExecuteInProcessResult:
        """Run the job; without config it only counts, and so is history itself."""
        job = self.defs.resolve_job_def("prune_history")
        chosen = {"ops": {"retention": {"config": config}}} if config else {}
        return job.execute_in_process(chosen, instance=self.dagster)

    def tick(self) -> dg.RunRequest | str:
        """Evaluate the schedule; return what it asks for, or why it asks for nothing."""
        schedule = self.defs.resolve_schedule_def("retention")
        with dg.build_schedule_context(
            instance=self.dagster,
            resources=self.defs.resources,
            scheduled_execution_time=datetime.now(UTC),
        ) as context:
            seen = schedule.evaluate_tick(context)
        return seen.run_requests[0] if seen.run_requests else seen.skip_message or ""

    def old_run(self, status: Statuses = Statuses.SUCCESS) -> str:
        """Add a run of long ago, with events and files."""
        run_id = self.run().run_id
        with self.dagster.run_storage.connect() as connection:  # pyright: ignore[reportAttributeAccessIssue]
            values = {"status": status.value, "update_timestamp": LONG_AGO}
            chosen = update(RunsTable).where(RunsTable.c.run_id == run_id)
            connection.execute(chosen.values(create_timestamp=LONG_AGO, **values))
        return run_id

    def age(self, table: Table, column: str, *ids: int) -> None:
        """Make rows of Dagster's events old; all of them without *ids*."""
        chosen = update(table).values({column: LONG_AGO})
        if ids:
            chosen = chosen.where(table.c.id.in_(ids))
        for connect in (self.events.index_connection, lambda: self.events.run_connection(NO_RUN)):
            with connect() as connection:
                connection.execute(chosen)

    def show(self, uuid: str, status: str = CLAIMED) -> None:
        """Report where an instance stands, as a sensor does."""
        event = dg.AssetMaterialization(ASSET, partition=uuid, metadata={"status": status})
        self.dagster.report_runless_asset_event(event)

    def shown(self) -> list[tuple[str, str]]:
        """Return partition and status of each materialization that is left, oldest first."""
        found = self.dagster.fetch_materializations(ASSET, limit=100, ascending=True)
        events = [r.asset_materialization for r in found.records if r.asset_materialization]
        return [(str(e.partition), str(e.metadata["status"].value)) for e in events]

    def run_ids(self) -> set[str]:
        return {record.dagster_run.run_id for record in self.dagster.get_run_records()}

    def traces(self, run_id: str) -> list[str]:
        """Return all that reminds of a run: rows and files."""
        files = [str(path) for path in self.storage.rglob("*") if run_id in str(path)]
        tables = (SqlEventLogStorageTable, RunsTable, RunTagsTable)
        rows = [t.name for t in tables if self.count(t, t.c.run_id == run_id)]
        return files + rows

    def count(self, table: Table, *conditions: Any) -> int:
        """Return how many rows a table of Dagster's has."""
        of_runs = table in {RunsTable, RunTagsTable}
        storage: Any = self.dagster.run_storage
        with storage.connect() if of_runs else self.events.index_connection() as connection:
            return connection.scalar(select(func.count()).select_from(table).where(*conditions))

    @property
    def events(self) -> Any:
        return self.dagster.event_log_storage


@pytest.fixture
def dagster_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a database for Dagster; empty for its own SQLite files."""
    if request.param == "sqlite":
        yield ""
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create()
    yield server.url(name).replace("+psycopg2", "")
    server.drop(name)


@pytest.fixture
def archive(
    dagster_url: str, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Generator[Archive]:
    """An empty archive on either of Dagster's storages."""
    yield from opened(dagster_url, sqlite_url, tmp_path, monkeypatch)


@pytest.fixture
def sqlite_archive(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Generator[Archive]:
    """An empty archive in Dagster's own files."""
    yield from opened("", sqlite_url, tmp_path, monkeypatch)


def opened(
    dagster_url: str, our_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Generator[Archive]:
    monkeypatch.setenv("POLYDOCK_DATABASE_URL", our_url)
    monkeypatch.setenv("POLYDOCK_SECRET_KEYS", KEY)
    settings.cache_clear()
    storage = tmp_path / "dagster"
    storage.mkdir()
    overrides: dict[str, Any] = {"telemetry": {"enabled": False}}
    if dagster_url:
        overrides["storage"] = {"postgres": {"postgres_url": dagster_url}}
    database = Database(our_url, VAULT)
    with dg.DagsterInstance.local_temp(str(storage), overrides=overrides) as instance:
        yield Archive(instance, database, storage)
    database.close()
    settings.cache_clear()


BOTH = pytest.mark.parametrize("dagster_url", ["sqlite", "postgres"], indirect=True)


@BOTH
def test_old_finished_runs_go_with_all_they_left_and_others_stay(archive: Archive) -> None:
    finished = [archive.old_run(s) for s in (Statuses.SUCCESS, Statuses.FAILURE, Statuses.CANCELED)]
    unfinished = {
        archive.old_run(s) for s in (Statuses.STARTED, Statuses.STARTING, Statuses.CANCELING)
    }
    recent = archive.run().run_id
    kept = {run_id: archive.traces(run_id) for run_id in (*unfinished, recent)}
    request = archive.tick()
    assert isinstance(request, dg.RunRequest)
    run = archive.run(**request.run_config["ops"]["retention"]["config"])
    assert run.success
    assert archive.run_ids() == {*unfinished, recent, run.run_id}
    assert [archive.traces(run_id) for run_id in finished] == [[], [], []]
    assert {run_id: archive.traces(run_id) for run_id in kept} == kept
    assert archive.tick() == "nothing is too old"


@BOTH
def test_a_run_deleted_by_half_is_deleted_wholly(archive: Archive) -> None:
    run_id, other = archive.old_run(), archive.old_run()
    archive.events.delete_events(run_id)
    archive.dagster.compute_log_manager.delete_logs(prefix=[run_id])
    for suffix in SUFFIXES:
        for file in archive.storage.rglob(f"{run_id}.db{suffix}"):
            file.unlink()
    assert archive.run(dry_run=False).success
    assert archive.traces(run_id) == archive.traces(other) == []


@BOTH
def test_a_run_deletes_no_more_than_it_may_and_the_oldest_first(archive: Archive) -> None:
    runs = [archive.old_run() for _ in range(5)]
    first = archive.run(dry_run=False, most_runs=2)
    assert {*runs[2:]} == archive.run_ids() - {first.run_id}
    assert told(first) == {"deleted": 2, "left": 3}
    assert check_of(first) == (False, "left for the next run: 3 Dagster runs")
    assert told(archive.run(dry_run=False, most_runs=3)) == {"deleted": 3, "left": 0}


def test_no_run_at_all_is_refused(sqlite_archive: Archive) -> None:
    with pytest.raises(ValueError, match="all runs"):
        delete_run(sqlite_archive.dagster, NO_RUN)


def test_by_hand_it_only_counts(sqlite_archive: Archive) -> None:
    run_id = sqlite_archive.old_run()
    run = sqlite_archive.run()
    assert told(run) == {"deleted": 0, "left": 1}
    assert sqlite_archive.run_ids() == {run_id, run.run_id}


def told(run: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """Return what the asset says, its table of piles left out."""
    (event,) = run.asset_materializations_for_node("retention")
    return {name: value.value for name, value in event.metadata.items() if name != "table"}


def check_of(run: dg.ExecuteInProcessResult) -> tuple[bool, str | None]:
    (check,) = run.get_asset_check_evaluations()
    return check.passed, check.description


def test_the_schedule_looks_every_hour_and_runs_by_default(sqlite_archive: Archive) -> None:
    schedule = sqlite_archive.defs.resolve_schedule_def("retention")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert (schedule.job_name, schedule.cron_schedule) == ("prune_history", "17 * * * *")


def test_our_own_rows_go_in_the_same_run(sqlite_archive: Archive) -> None:
    archive = sqlite_archive
    at = datetime.now(UTC) - timedelta(days=15)
    with archive.database.write() as session:
        session.add(Handover(id="old", kind="provision", source="signups", created_at=at))
    assert isinstance(archive.tick(), dg.RunRequest)
    run = archive.run(dry_run=False)
    assert (told(run), check_of(run)) == ({"deleted": 1, "left": 0}, (True, "all is well"))
    assert archive.tick() == "nothing is too old"


def test_a_database_that_must_be_migrated_first_is_left_alone(sqlite_archive: Archive) -> None:
    with sqlite_archive.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    assert "run `polydock db upgrade`" in str(sqlite_archive.tick())


@BOTH
def test_of_what_sensors_showed_the_newest_stays_while_there_is_a_partition(
    archive: Archive,
) -> None:
    archive.dagster.add_dynamic_partitions("app_instance", ["living", "young"])
    for uuid, status in [
        ("living", "deploy-failed"),
        ("gone", CLAIMED),
        ("living", CLAIMED),
    ]:
        archive.show(uuid, status)
    archive.age(SqlEventLogStorageTable, "timestamp")
    archive.show("young", "deploy-failed")
    archive.show("young", CLAIMED)
    run = archive.run(dry_run=False)
    assert archive.shown() == [
        ("living", CLAIMED),
        ("young", "deploy-failed"),
        ("young", CLAIMED),
    ]
    assert told(run)["left"] == 0
    with archive.events.run_connection(NO_RUN) as connection:
        mine = SqlEventLogStorageTable.c.run_id == NO_RUN
        copies = select(func.count()).select_from(SqlEventLogStorageTable).where(mine)
        assert connection.scalar(copies) == (2 if "Sqlite" in type(archive.events).__name__ else 3)


@BOTH
def test_of_check_results_the_newest_of_each_stays(archive: Archive) -> None:
    for _ in range(3):
        archive.run()
    archive.age(AssetCheckExecutionsTable, "create_timestamp")
    before = datetime.now(UTC) - timedelta(days=14)
    results, *_ = dagster_piles(archive.dagster, before, most_runs=1, most_rows=10)
    assert (results.name, results.take(10), results.take(10)) == ("check results", 2, 0)
    assert archive.count(AssetCheckExecutionsTable) == 1


@BOTH
def test_an_instance_whose_last_run_goes_is_shown_again(archive: Archive) -> None:
    row = new_instance(archive.database, status=CLAIMED, has_partition=True, shown_status=CLAIMED)
    uuid = instance_row(archive.database, row).uuid
    change_row(archive.database, row, updated_at=datetime.now(UTC) - timedelta(days=20))
    archive.dagster.add_dynamic_partitions("app_instance", [uuid])

    @dg.op
    def leg(context: dg.OpExecutionContext) -> None:
        shown = {"status": CLAIMED}
        context.log_event(dg.AssetMaterialization(ASSET, partition=uuid, metadata=shown))

    @dg.job
    def old_job() -> None:
        leg()

    run_id = old_job.execute_in_process(instance=archive.dagster).run_id
    archive.run(dry_run=False)
    assert (archive.shown(), catch_up(archive.database)) == ([(uuid, CLAIMED)], [])
    with archive.events.index_connection() as connection:
        ids = select(SqlEventLogStorageTable.c.id).where(SqlEventLogStorageTable.c.run_id == run_id)
        assert connection.scalars(ids).all()
    archive.dagster.delete_run(run_id)
    archive.run(dry_run=False)
    (event,) = catch_up(archive.database)
    assert event.partition == uuid


def test_dagster_understands_for_how_long_ticks_are_kept() -> None:
    chosen = yaml.safe_load((Path(__file__).parents[2] / "dagster.yaml").read_text())
    overrides = {"telemetry": {"enabled": False}, "retention": chosen["retention"]}
    with dg.DagsterInstance.local_temp(overrides=overrides) as instance:
        sensors = instance.get_tick_retention_settings(InstigatorType.SENSOR)
        schedules = instance.get_tick_retention_settings(InstigatorType.SCHEDULE)
    assert (sensors[TickStatus.SKIPPED], sensors[TickStatus.SUCCESS]) == (1, 3)
    assert all(
        0 < days <= 14
        for s in (sensors, schedules)
        for t, days in s.items()
        if t.value != "STARTED"
    )
