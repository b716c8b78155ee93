"""What Dagster itself keeps for ever: runs and their files, events without a run, check results.

Dagster 1.13.27 has a setting for ticks only. `DagsterInstance.delete_run` deletes the row before
the events, so a death in between leaves events that nothing finds again; it leaves the SQLite file
and the outputs of the run, which is nearly all of its size; and it leaves check results. Nothing
public deletes events without a run: `wipe_assets` hides them, `wipe_asset_partitions` is not
implemented outside Dagster+. So both are done here, through Dagster's own tables and storages; the
version is pinned, and `tests/e2e/test_retention.py` looks at the rows on both databases.
"""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from dagster._core.storage.event_log import SqlEventLogStorage, SqliteEventLogStorage
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    DynamicPartitionsTable,
    SqlEventLogStorageTable,
)
from sqlalchemy import Column, ColumnElement, Connection, Table, delete, exists, func, or_, select

from polydock_pipelines.actions.prune import Pile
from polydock_pipelines.assets.app_instances import KEY, PARTITIONS

FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
NO_RUN = ""
"""The run id of events that sensors report."""
SUFFIXES = ("", "-wal", "-shm")

Connect = Callable[[], AbstractContextManager[Connection]]


@dataclass(frozen=True)
class OldRuns:
    """Finished runs that nothing has touched since *before*; see `actions.prune.Pile`."""

    instance: dg.DagsterInstance
    before: datetime
    most: int
    batch: int = 50
    """11 ms each on SQLite, 20 ms on Postgres: a second or less between two looks at the clock."""
    name: str = "Dagster runs"

    @property
    def _which(self) -> dg.RunsFilter:
        return dg.RunsFilter(statuses=FINISHED, updated_before=self.before)

    def due(self) -> int:
        """Return how many are too old."""
        return self.instance.get_runs_count(self._which)

    def oldest(self) -> datetime | None:
        """Return when the oldest run of all was made."""
        records = self.instance.get_run_records(limit=1, ascending=True)
        return records[0].create_timestamp.replace(tzinfo=UTC) if records else None

    def take(self, most: int) -> int:
        """Delete at most *most* of the oldest; return how many."""
        records = self.instance.get_run_records(
            self._which, limit=most, order_by="update_timestamp", ascending=True
        )
        for record in records:
            delete_run(self.instance, record.dagster_run.run_id)
        return len(records)


def delete_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """Delete a run with all that it left: events, logs, outputs, files. The row goes last.

    So a run that was deleted by half is found and deleted again.
    """
    if run_id == NO_RUN:
        raise ValueError("without a run's id, the folder of all runs would be deleted")
    storage = instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage):
        _delete_shard(storage, run_id)
    else:
        storage.delete_events(run_id)
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    shutil.rmtree(Path(instance.storage_directory()) / run_id, ignore_errors=True)
    instance.run_storage.delete_run(run_id)


def _delete_shard(storage: SqliteEventLogStorage, run_id: str) -> None:
    """Delete the file of a run; `delete_events` would empty it, and make it if it is gone."""
    with storage.index_connection() as connection:
        storage.delete_events_for_run(connection, run_id)
    for suffix in SUFFIXES:
        Path(storage.path_for_shard(run_id) + suffix).unlink(missing_ok=True)


@dataclass(frozen=True)
class OldEvents:
    """Rows of one of Dagster's tables of events that are too old; see `actions.prune.Pile`."""

    name: str
    connect: Connect
    table: Table
    at: Column
    is_old: ColumnElement[bool]
    most: int
    batch: int = 1000

    def due(self) -> int:
        """Return how many are too old."""
        with self.connect() as connection:
            counted = select(func.count()).select_from(self.table).where(self.is_old)
            return connection.scalar(counted) or 0

    def oldest(self) -> datetime | None:
        """Return when the oldest row of the table was written, too old or not."""
        with self.connect() as connection:
            at = connection.scalar(select(self.at).order_by(self.table.c.id).limit(1))
            return at.replace(tzinfo=UTC) if at else None

    def take(self, most: int) -> int:
        """Delete at most *most* of the oldest; return how many."""
        oldest = select(self.table.c.id).where(self.is_old).order_by(self.table.c.id).limit(most)
        with self.connect() as connection:
            ids = list(connection.scalars(oldest))
            if self.table is SqlEventLogStorageTable:
                tags = delete(AssetEventTagsTable).where(AssetEventTagsTable.c.event_id.in_(ids))
                connection.execute(tags)
            connection.execute(delete(self.table).where(self.table.c.id.in_(ids)))
            return len(ids)


def dagster_piles(
    instance: dg.DagsterInstance, before: datetime, *, most_runs: int, most_rows: int
) -> list[Pile]:
    """Return what is too old in Dagster's storage; the quick ones first.

    *before* is a real time, as Dagster's are: it does not know POLYDOCK_CLOCK.
    """
    piles: list[Pile] = []
    storage, at = instance.event_log_storage, before.astimezone(UTC).replace(tzinfo=None)
    if isinstance(storage, SqlEventLogStorage):
        piles += [_check_results(storage, at, most_rows), _events(storage, at, most_rows)]
    if isinstance(storage, SqliteEventLogStorage):
        piles.append(_copies(storage, at, most_rows))
    return [*piles, OldRuns(instance, before, most_runs)]


def _check_results(storage: SqlEventLogStorage, before: datetime, most: int) -> OldEvents:
    """Return the results of asset checks, save the newest of each."""
    table = AssetCheckExecutionsTable
    newest = select(func.max(table.c.id)).group_by(table.c.asset_key, table.c.check_name)
    is_old = (table.c.create_timestamp < before) & table.c.id.not_in(newest)
    at = table.c.create_timestamp
    return OldEvents("check results", storage.index_connection, table, at, is_old, most)


def _events(storage: SqlEventLogStorage, before: datetime, most: int) -> OldEvents:
    """Return what sensors have shown of instances, save the newest of each that has a partition."""
    table, newer = SqlEventLogStorageTable, SqlEventLogStorageTable.alias("newer")
    is_not_last = exists().where(
        newer.c.asset_key == table.c.asset_key,
        newer.c.dagster_event_type == table.c.dagster_event_type,
        newer.c.partition == table.c.partition,
        newer.c.id > table.c.id,
    )
    partitions = select(DynamicPartitionsTable.c.partition).where(
        DynamicPartitionsTable.c.partitions_def_name == PARTITIONS.name
    )
    is_old = (
        (table.c.run_id == NO_RUN)
        & (table.c.timestamp < before)
        & (table.c.asset_key == dg.AssetKey(KEY).to_string())
        & or_(is_not_last, table.c.partition.not_in(partitions))
    )
    name, at = "events without a run", table.c.timestamp
    return OldEvents(name, storage.index_connection, table, at, is_old, most)


def _copies(storage: SqliteEventLogStorage, before: datetime, most: int) -> OldEvents:
    """Return the second copy that SQLite keeps of them; nothing but a look at no run reads it."""
    table = SqlEventLogStorageTable
    is_old = (table.c.run_id == NO_RUN) & (table.c.timestamp < before)

    def connect() -> AbstractContextManager[Connection]:
        return storage.run_connection(NO_RUN)

    return OldEvents("copies of events", connect, table, table.c.timestamp, is_old, most)


def lost(instance: dg.DagsterInstance, believed: set[str], most: int) -> list[str]:
    """Return those of *believed* whose last event went with its run, at most *most*."""
    seen = instance.get_materialized_partitions(dg.AssetKey(KEY))
    return sorted(believed - seen)[:most]
